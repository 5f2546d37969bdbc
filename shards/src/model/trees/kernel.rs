//! [`TreeKernel`]: an ensemble made ready to score batches on one core.

use std::str::FromStr;

use super::block::{Blocked, Instructions};
use super::cells::{Rows, Scaler};
use super::ensemble::Ensemble;
use super::plan::Plan;
use super::portable;
use super::real::Real;
use super::single::Single;
use super::walk::Walk;
use super::words::{BitOrder, LANES};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::features::{Cells, Precision};

/// Which kernel scores a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelChoice {
    /// The fastest for the trees, the batch and the CPU.
    #[default]
    Auto,
    /// The plain walk that defines what the others must compute.
    Walk,
    /// The kernels that need nothing of the CPU.
    Portable,
    /// The kernels for AVX2.
    Avx2,
    /// The kernels for AVX-512 (F, BW, DQ, VL and CD).
    Avx512,
}

/// A word that names no kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SHARDGATE_KERNEL: found \"{found}\", expected auto, walk, portable, avx2 or avx512")]
pub struct UnknownKernel {
    /// The word.
    pub found: String,
}

impl FromStr for KernelChoice {
    type Err = UnknownKernel;

    /// Parses the value of `SHARDGATE_KERNEL`; the empty word is `auto`.
    fn from_str(word: &str) -> Result<Self, UnknownKernel> {
        match word {
            "" | "auto" => Ok(Self::Auto),
            "walk" => Ok(Self::Walk),
            "portable" => Ok(Self::Portable),
            "avx2" => Ok(Self::Avx2),
            "avx512" => Ok(Self::Avx512),
            found => Err(UnknownKernel { found: found.to_owned() }),
        }
    }
}

/// Which of an ensemble's scores are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outputs {
    /// All of them, in the order of classes or targets.
    #[default]
    All,
    /// This class or target alone; what only others need is not computed.
    Only(usize),
}

/// Where scores go, row-major, in the ensemble's precision.
#[derive(Debug)]
pub enum Scores<'a> {
    /// For a 32-bit ensemble.
    F32(&'a mut [f32]),
    /// For a 64-bit ensemble.
    F64(&'a mut [f64]),
}

/// Why a kernel cannot be made, or cannot score a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// The CPU lacks what the forced kernel needs.
    #[error("this CPU cannot run the {kernel:?} kernel: it lacks {needs}")]
    Unavailable {
        /// The kernel asked for.
        kernel: KernelChoice,
        /// The CPU features it needs.
        needs: &'static str,
    },
    /// An output that the ensemble does not have.
    #[error("asked for output {output}, expected 0 to {limit}")]
    NoSuchOutput {
        /// The output asked for.
        output: usize,
        /// The last one there is.
        limit: usize,
    },
    /// Rows too short for the trees, or of another width than the scaler's.
    #[error("rows have {found} columns, the trees need {expected}")]
    Columns {
        /// The columns of a row.
        found: usize,
        /// At least so many are needed; exactly so many if a scaler was folded in.
        expected: usize,
    },
    /// A slice whose length is not rows × columns or rows × outputs.
    #[error("`{what}` has {found} values, expected {expected}")]
    Length {
        /// `cells` or `scores`.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// Scores of the other precision than the ensemble's.
    #[error("scores are asked for in the wrong precision, expected {expected:?}")]
    Precision {
        /// The ensemble's precision.
        expected: Precision,
    },
}

/// An ensemble made ready to score batches on one core; owns its scratch memory.
///
/// A row's scores have the same bits in any batch, at any position, by any choice of kernel and
/// on any CPU. Scoring allocates nothing once a batch as large has been scored.
#[derive(Debug, Clone)]
pub struct TreeKernel {
    engine: Engine,
    scaler: Option<Scaler>,
    columns: usize,
    outputs: usize,
}

#[derive(Debug, Clone)]
enum Engine {
    F32(Scorer<f32>),
    F64(Scorer<f64>),
}

#[derive(Debug, Clone)]
enum Scorer<T> {
    Walk(Box<Walk<T>>),
    Planned(Box<Planned<T>>),
}

/// The fast kernels for one ensemble.
#[derive(Debug, Clone)]
struct Planned<T> {
    single: Single<T>,
    blocked: Blocked<T>,
    /// Batches of up to so many rows are faster row by row.
    single_rows_max: usize,
}

impl<T: Real> Scorer<T> {
    fn score(&mut self, from: &Rows<'_>, rows: usize, scores: &mut [T]) {
        match self {
            Self::Walk(walk) => walk.score(from, rows, scores),
            Self::Planned(planned) if rows <= planned.single_rows_max => {
                planned.single.score(from, rows, scores);
            }
            Self::Planned(planned) => planned.blocked.score(from, rows, scores),
        }
    }
}

/// The kernel that needs nothing of the CPU.
fn portable<T: Real>(ensemble: Ensemble) -> Scorer<T> {
    blocked(ensemble, portable::WORDS_MAX, BitOrder::LowestFirst, Instructions::PORTABLE)
}

fn blocked<T: Real>(
    ensemble: Ensemble,
    words_max: usize,
    order: BitOrder,
    instructions: Instructions<T>,
) -> Scorer<T> {
    let plan = Plan::new(&ensemble, words_max, order);
    match (Single::new(&ensemble), plan) {
        (Some(single), Some(plan))
            if !ensemble.finish.is_extreme() && ensemble.linear.is_empty() =>
        {
            let blocked = Blocked::new(&ensemble, plan, instructions);
            let rows = (blocked.smallest_ns() / single.row_ns()) as usize;
            // A full block that is no faster than its rows alone stays so in any batch.
            let single_rows_max = if rows < LANES { rows } else { usize::MAX };
            Scorer::Planned(Box::new(Planned { single, blocked, single_rows_max }))
        }
        _ => Scorer::Walk(Box::new(Walk::new(ensemble))),
    }
}

/// The kernel of a choice that this CPU can run; `avx2` and `avx512` are its instructions.
#[cfg(target_arch = "x86_64")]
fn scorer<T: Real>(
    ensemble: Ensemble,
    choice: KernelChoice,
    avx2: Instructions<T>,
    avx512: Instructions<T>,
) -> Scorer<T> {
    match choice {
        KernelChoice::Avx512 => {
            blocked(ensemble, avx512::WORDS_MAX, BitOrder::HighestFirst, avx512)
        }
        KernelChoice::Avx2 => blocked(ensemble, avx2::WORDS_MAX, BitOrder::LowestFirst, avx2),
        KernelChoice::Walk => Scorer::Walk(Box::new(Walk::new(ensemble))),
        KernelChoice::Auto | KernelChoice::Portable => portable(ensemble),
    }
}

#[cfg(target_arch = "x86_64")]
fn engine(ensemble: Ensemble, choice: KernelChoice) -> Engine {
    match ensemble.precision() {
        Precision::F32 => Engine::F32(scorer(ensemble, choice, avx2::SINGLE, avx512::SINGLE)),
        Precision::F64 => Engine::F64(scorer(ensemble, choice, avx2::DOUBLE, avx512::DOUBLE)),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn engine(ensemble: Ensemble, choice: KernelChoice) -> Engine {
    fn scorer<T: Real>(ensemble: Ensemble, choice: KernelChoice) -> Scorer<T> {
        match choice {
            KernelChoice::Walk => Scorer::Walk(Box::new(Walk::new(ensemble))),
            _ => portable(ensemble),
        }
    }
    match ensemble.precision() {
        Precision::F32 => Engine::F32(scorer(ensemble, choice)),
        Precision::F64 => Engine::F64(scorer(ensemble, choice)),
    }
}

/// What `choice` means on this CPU.
fn resolve(choice: KernelChoice) -> Result<KernelChoice, KernelError> {
    #[cfg(target_arch = "x86_64")]
    let (avx2, avx512) = (avx2::is_available(), avx512::is_available());
    #[cfg(not(target_arch = "x86_64"))]
    let (avx2, avx512) = (false, false);
    match choice {
        KernelChoice::Auto if avx512 => Ok(KernelChoice::Avx512),
        KernelChoice::Auto if avx2 => Ok(KernelChoice::Avx2),
        KernelChoice::Auto => Ok(KernelChoice::Portable),
        KernelChoice::Avx2 if !avx2 => {
            Err(KernelError::Unavailable { kernel: choice, needs: "AVX2" })
        }
        KernelChoice::Avx512 if !avx512 => {
            let needs = "AVX-512 F, BW, CD, DQ and VL";
            Err(KernelError::Unavailable { kernel: choice, needs })
        }
        possible => Ok(possible),
    }
}

impl TreeKernel {
    /// Makes a kernel that computes `outputs` of `ensemble`, its cells scaled first if there is a
    /// `scaler`.
    pub fn new(
        ensemble: &Ensemble,
        choice: KernelChoice,
        scaler: Option<&Scaler>,
        outputs: Outputs,
    ) -> Result<Self, KernelError> {
        let ensemble = match outputs {
            Outputs::All => ensemble.clone(),
            Outputs::Only(output) if output < ensemble.outputs() => ensemble.narrowed_to(output),
            Outputs::Only(output) => {
                return Err(KernelError::NoSuchOutput { output, limit: ensemble.outputs() - 1 });
            }
        };
        if let Some(scaler) = scaler
            && scaler.columns() < ensemble.columns()
        {
            let (found, expected) = (scaler.columns(), ensemble.columns());
            return Err(KernelError::Columns { found, expected });
        }
        let columns = ensemble.columns();
        let outputs = ensemble.outputs();
        let engine = engine(ensemble, resolve(choice)?);
        Ok(Self { engine, scaler: scaler.cloned(), columns, outputs })
    }

    /// How many scores a row gets.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The precision that scores are written in.
    pub fn precision(&self) -> Precision {
        match self.engine {
            Engine::F32(_) => Precision::F32,
            Engine::F64(_) => Precision::F64,
        }
    }

    /// Scores `rows` rows of `columns` cells and writes `rows × outputs` scores.
    ///
    /// Cells of the other precision are converted as an ONNX `Cast` would.
    pub fn score(
        &mut self,
        cells: Cells<'_>,
        rows: usize,
        columns: usize,
        scores: Scores<'_>,
    ) -> Result<(), KernelError> {
        let expected = self.scaler.as_ref().map_or(self.columns, Scaler::columns);
        if columns < expected || (self.scaler.is_some() && columns != expected) {
            return Err(KernelError::Columns { found: columns, expected });
        }
        let found = match cells {
            Cells::F32(cells) => cells.len(),
            Cells::F64(cells) => cells.len(),
        };
        check_length("cells", found, rows.checked_mul(columns))?;
        let wanted = rows.checked_mul(self.outputs);
        let from = Rows { cells, columns, scaler: self.scaler.as_ref() };
        match (&mut self.engine, scores) {
            (Engine::F32(engine), Scores::F32(scores)) => {
                check_length("scores", scores.len(), wanted)?;
                engine.score(&from, rows, scores);
                Ok(())
            }
            (Engine::F64(engine), Scores::F64(scores)) => {
                check_length("scores", scores.len(), wanted)?;
                engine.score(&from, rows, scores);
                Ok(())
            }
            (Engine::F32(_), _) => Err(KernelError::Precision { expected: Precision::F32 }),
            (Engine::F64(_), _) => Err(KernelError::Precision { expected: Precision::F64 }),
        }
    }
}

fn check_length(
    what: &'static str,
    found: usize,
    expected: Option<usize>,
) -> Result<(), KernelError> {
    let expected = expected.unwrap_or(usize::MAX);
    if found == expected { Ok(()) } else { Err(KernelError::Length { what, found, expected }) }
}
