//! A model that needs tract: its optimised plan, the same for every batch size, and how rows are
//! put into it.

#![allow(clippy::wildcard_imports, reason = "tract's macros need the names of its prelude")]

use std::cell::Cell;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};

use tract_onnx::tract_core;
use tract_onnx::tract_hir::internal::*;

use super::alone::{together_or_alone, where_none_has_a_score};
use super::error::OnnxError;
use super::graph::{GraphInput, ScoreGraph};
use super::planner::{self, Planned};
use super::trial::{self, Verdict};
use crate::features::inputs::IntegerRange;
use crate::features::{Cells, FeatureMatrix, Precision};
use crate::model::answer::Kept;
use crate::model::trees::KernelChoice;

/// The most cells that one tensor of a run may have: where a row makes many, fewer rows are
/// computed together.
const RUN_CELLS_MAX: usize = 1 << 24;

/// Operators that fail on places, categories or values which they do not know.
const PICKERS: [&str; 10] = [
    "ArrayFeatureExtractor",
    "Binarizer",
    "CDist",
    "Gather",
    "GatherElements",
    "GatherND",
    "LabelEncoder",
    "OneHotEncoder",
    "ScatterElements",
    "ScatterND",
];

/// A plan of tract's and this shard's state of it.
#[derive(Debug)]
pub(super) struct TractPlan {
    plan: Arc<TypedSimplePlan>,
    state: TypedSimpleState,
    inputs: Vec<PlanInput>,
    columns: usize,
    precision: Precision,
    /// What is kept of the output.
    kept: Kept,
    batching: Batching,
    /// Rows of the last run that have a cell which their tensor of integers does not hold.
    invalid: Vec<usize>,
}

/// How many rows are computed in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batching {
    /// A lone row is repeated where this is 2: some kernels round one row otherwise than two.
    least: usize,
    most: usize,
}

/// Which columns of the matrix an input of the plan is made of.
#[derive(Debug)]
pub(super) struct PlanInput {
    pub(super) first_column: usize,
    pub(super) columns: usize,
    pub(super) rank: usize,
    pub(super) data_type: DatumType,
    /// What a tensor of integers holds.
    pub(super) integers: Option<IntegerRange>,
}

impl TractPlan {
    /// The plan of a graph whose inputs have their widths.
    ///
    /// `keep` says what is kept of so many columns.
    pub(super) fn build(
        graph: &ScoreGraph,
        inputs: &[(GraphInput, usize)],
        choice: KernelChoice,
        keep: impl Fn(usize) -> Result<Kept, OnnxError>,
    ) -> Result<Self, OnnxError> {
        let Planned { plan, inputs, cells, is_one_row } = planner::plan(graph, inputs, choice)?;
        let failed =
            |error: TractError| OnnxError::Plan { reason: planner::short(&error.to_string()) };
        let output = plan.model().output_fact(0).map_err(failed)?;
        let columns = match output.rank() {
            1 => Some(1),
            2 => output.shape[1].to_usize().ok().filter(|columns| *columns > 0),
            _ => None,
        };
        let columns = columns.ok_or_else(|| OnnxError::Output {
            reason: format!(
                "output `{}` has the shape {:?}, expected rows × columns",
                graph.output, output.shape
            ),
        })?;
        let is_double = output.datum_type == f64::datum_type();
        let precision = if is_double { Precision::F64 } else { Precision::F32 };
        let kept = keep(columns)?;
        let state = plan.spawn().map_err(failed)?;
        let most = if is_one_row { 1 } else { (RUN_CELLS_MAX / cells).max(1) };
        let batching = Batching { least: 1, most };
        Ok(Self { plan, state, inputs, columns, precision, kept, batching, invalid: Vec::new() })
    }

    /// The precision of the output that holds the score.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// Nodes of the optimised plan.
    pub(super) fn nodes(&self) -> usize {
        self.plan.model().nodes().len()
    }

    /// A word for people.
    pub(super) fn name(&self) -> &'static str {
        if self.batching.most == 1 { "tract, row by row" } else { "tract" }
    }

    /// Tries the plan on plausible rows, and settles how rows are computed together: so that each
    /// has the same bits alone, in a batch and in any place of it. Where nothing else does that,
    /// each is computed alone.
    pub(super) fn settle(
        &mut self,
        graph: &ScoreGraph,
        rows: &FeatureMatrix,
    ) -> Result<(), OnnxError> {
        let most = self.batching.most;
        let alone = Batching { least: 1, most: 1 };
        let ways = [self.batching, Batching { least: 2, most: most.max(2) }, alone];
        for batching in ways.into_iter().filter(|way| most > 1 || *way == alone) {
            self.batching = batching;
            let width = self.kept.values();
            let compute = |matrix: &FeatureMatrix, values: &mut Vec<f64>| self.run(matrix, values);
            match trial::compare(rows, width, compute) {
                Ok(Verdict::Same) => return Ok(()),
                Ok(Verdict::Different) => {}
                Err(error) => {
                    // Each row alone is right whatever is computed.
                    self.batching = alone;
                    return self.blame(graph, rows, &error);
                }
            }
        }
        Err(OnnxError::Plan {
            reason: "the same row has another score each time it is computed".to_owned(),
        })
    }

    /// Names the node that fails on rows which should be fine. Fails not where it is one that picks
    /// by places: which ones there are is not known from outside.
    fn blame(
        &mut self,
        graph: &ScoreGraph,
        rows: &FeatureMatrix,
        error: &TractError,
    ) -> Result<(), OnnxError> {
        let running = Cell::new(0);
        let mut invalid = Vec::new();
        let ran = panic::catch_unwind(AssertUnwindSafe(|| {
            let inputs = self.inputs.iter().map(|input| input.tensor(rows, &(0..1), &mut invalid));
            let inputs = inputs.collect::<TractResult<_>>()?;
            self.state.run_plan_with_eval(inputs, |context, state, node, inputs| {
                running.set(node.id);
                tract_core::plan::eval(context, state, node, inputs)
            })
        }));
        let said = planner::short(&error.root_cause().to_string());
        let name = self.plan.model().node(running.get()).name.clone();
        let node = graph.graph().ok().and_then(|graph| planner::node_of(graph, &name));
        let advice = format!(
            "it fails on plausible values ({said}): give the columns' quantiles or defaults in \
             model.toml, or export the model without it"
        );
        // A failed run leaves values behind that make every later run of its state fail.
        if let Ok(state) = self.plan.spawn() {
            self.state = state;
        }
        match (ran, node) {
            (Ok(Ok(_)), _) | (_, None) => Err(OnnxError::Plan { reason: said }),
            (_, Some(node)) if PICKERS.contains(&node.op_type.as_str()) => Ok(()),
            (_, Some(node)) => Err(OnnxError::unsupported(node, advice)),
        }
    }

    /// Computes all rows and appends the kept values of each to `values`.
    ///
    /// Where the plan fails or panics on them together, each is computed alone, so that only those
    /// that it fails on have none: theirs are NaN.
    pub(super) fn run(
        &mut self,
        features: &FeatureMatrix,
        values: &mut Vec<f64>,
    ) -> TractResult<()> {
        let (rows, start) = (features.rows(), values.len());
        let mut failed = None;
        let mut done = 0;
        while done < rows {
            let next = (done + self.batching.most).min(rows);
            failed = self.run_some(features, done..next, values).err().or(failed);
            done = next;
        }
        where_none_has_a_score(failed, &values[start..])
    }

    /// Computes some rows; those that fail alone too have NaN.
    fn run_some(
        &mut self,
        features: &FeatureMatrix,
        rows: Range<usize>,
        values: &mut Vec<f64>,
    ) -> TractResult<()> {
        together_or_alone((rows.len(), self.kept.values()), values, |row, values| {
            let one = row.map(|row| rows.start + row..rows.start + row + 1);
            self.attempt(features, one.unwrap_or(rows.clone()), values)
        })
    }

    /// Computes some rows in one run; the plan is as good as before where it fails on them.
    fn attempt(
        &mut self,
        features: &FeatureMatrix,
        rows: Range<usize>,
        values: &mut Vec<f64>,
    ) -> TractResult<()> {
        let start = values.len();
        let scored = panic::catch_unwind(AssertUnwindSafe(|| self.try_run(features, rows, values)));
        let scored = scored.unwrap_or_else(|_| Err(anyhow!("it panics")));
        if scored.is_err() {
            // A failed run leaves values behind that make every later run of its state fail.
            self.state = self.plan.spawn()?;
        } else {
            for row in self.invalid.drain(..) {
                let width = self.kept.values();
                if let Some(of_row) = values[start..].chunks_exact_mut(width).nth(row) {
                    of_row.fill(f64::NAN);
                }
            }
        }
        scored
    }

    fn try_run(
        &mut self,
        features: &FeatureMatrix,
        rows: Range<usize>,
        values: &mut Vec<f64>,
    ) -> TractResult<()> {
        self.invalid.clear();
        let (invalid, wanted) = (&mut self.invalid, rows.len());
        let computed = wanted.max(self.batching.least);
        let inputs = self.inputs.iter().map(|input| {
            let tensor = input.tensor(features, &rows, invalid)?;
            if computed == wanted { Ok(tensor) } else { repeated(&tensor, computed) }
        });
        let outputs = self.state.run(inputs.collect::<TractResult<_>>()?)?;
        let output = outputs.first().context("the plan has no output")?;
        let columns = self.columns;
        ensure!(
            output.len() == computed * columns,
            "output shape {:?}, expected {computed} × {columns}",
            output.shape()
        );
        let output = output.cast_to::<f64>()?;
        let cells = output.try_as_plain_ram()?;
        let cells = &cells.as_slice::<f64>()?[..wanted * columns];
        self.kept.append(cells, columns, values, |cell| cell);
        Ok(())
    }
}

/// The only row of a tensor, so many times.
fn repeated(tensor: &TValue, times: usize) -> TractResult<TValue> {
    let rows: TVec<&Tensor> = (0..times).map(|_| &**tensor).collect();
    Ok(Tensor::stack_tensors(0, &rows)?.into_tvalue())
}

impl PlanInput {
    /// The tensor of these rows. Those that it does not hold are added to `invalid`, counted from
    /// the first of `rows`.
    fn tensor(
        &self,
        features: &FeatureMatrix,
        rows: &Range<usize>,
        invalid: &mut Vec<usize>,
    ) -> TractResult<TValue> {
        let span = rows.start * features.columns()..rows.end * features.columns();
        let shape = [rows.len(), self.columns];
        let shape = &shape[..self.rank];
        let mut tensor = match features.cells() {
            Cells::F32(cells) => self.select(&cells[span], features.columns(), shape)?,
            Cells::F64(cells) => self.select(&cells[span], features.columns(), shape)?,
        };
        if let Some(range) = self.integers {
            self.check(range, &mut tensor, invalid)?;
        }
        if tensor.datum_type() != self.data_type {
            tensor = tensor.cast_to_dt(self.data_type)?.into_owned();
        }
        Ok(tensor.into_tvalue())
    }

    /// Puts an integer in the place of what is none, and says in which rows.
    fn check(
        &self,
        range: IntegerRange,
        tensor: &mut Tensor,
        invalid: &mut Vec<usize>,
    ) -> TractResult<()> {
        let mut cells = tensor.try_as_plain_ram_mut()?;
        // A matrix that integers are read from is of doubles.
        for (place, cell) in cells.as_slice_mut::<f64>()?.iter_mut().enumerate() {
            if !range.holds(*cell) {
                *cell = range.high.min(1.0);
                invalid.push(place / self.columns);
            }
        }
        Ok(())
    }

    fn select<T: Datum + Copy>(
        &self,
        cells: &[T],
        row: usize,
        shape: &[usize],
    ) -> TractResult<Tensor> {
        if self.columns == row {
            return Tensor::from_shape(shape, cells);
        }
        let columns = self.first_column..self.first_column + self.columns;
        let picked: Vec<T> =
            cells.chunks_exact(row).flat_map(|cells| &cells[columns.clone()]).copied().collect();
        Tensor::from_shape(shape, &picked)
    }
}
