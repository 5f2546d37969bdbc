//! Loads ONNX files once for all shards (`blueprint`): read within bounds (`file`), cut down to what the score needs (`graph`, `labels`, `decisions`), and
//! run either as a `program` of our own operators (`ops`) or by a `plan` of tract's (`planner`), in which
//! the same operators take part through the `adapter`, beside a few `corrections` of tract's own and its `casts`.
//!
//! Texts are numbers before anything is built (`texts`). A plan has to be proved to leave each row to itself (`rows`), and every model is tried on plausible
//! rows (`trial`).
//!
//! What is *not* here: which file is loaded (`model::repository`) and what its columns mean
//! (`model::manifest`).

mod adapter;
mod alone;
mod blueprint;
mod bounds;
mod casts;
mod constants;
mod corrections;
mod decisions;
mod depth;
mod distances;
mod error;
mod explained;
mod external;
mod file;
mod folding;
mod graph;
mod inline;
mod inputs;
mod labels;
mod log_sum;
mod ops;
mod plan;
mod planner;
mod planning;
mod program;
mod rows;
mod simplify;
mod texts;
pub(super) mod trial;

use std::sync::Arc;

pub(super) use self::blueprint::Blueprint;
pub use self::error::OnnxError;
pub(super) use self::explained::Front;
pub use self::file::FileLimits;
use self::graph::{GraphInput, ScoreGraph};
use self::ops::RowShape;
use self::plan::TractPlan;
use self::program::Program;
use self::trial::Verdict;
use super::answer::Kept;
use super::trees::KernelChoice;
use crate::features::inputs::IntegerRange;
use crate::features::{Categories, FeatureMatrix, Precision};

/// A loaded file, ready to score.
#[derive(Debug)]
pub(super) struct OnnxModel {
    engine: Engine,
    /// What is known of it.
    pub(super) facts: OnnxFacts,
}

/// What is known of a loaded file.
#[derive(Debug, Clone)]
pub(in crate::model) struct OnnxFacts {
    /// The shape of the matrix that [`OnnxModel::score`] reads.
    pub(super) columns: usize,
    pub(super) precision: Precision,
    /// For each column, which integers it takes; empty where none is one of integers.
    pub(super) integers: Vec<Option<IntegerRange>>,
    /// For each column, the texts that it knows; empty where none is one of text.
    pub(super) categories: Vec<Option<Arc<Categories>>>,
    pub(super) score_precision: Precision,
    pub(super) input_names: Vec<String>,
    /// How many columns each input has.
    pub(super) input_widths: Vec<usize>,
    /// The labels of the classes; empty where they are not known.
    pub(super) labels: Vec<String>,
    pub(super) output_name: String,
    /// What the score is, for people.
    pub(super) score: String,
    /// Whether a class that has a name in the file is the score only by its place.
    pub(super) is_by_place: bool,
    pub(super) file_hash: u64,
    /// What is kept of the output, and how many columns that has.
    pub(super) kept: Kept,
    pub(super) output_width: usize,
    /// Whether the output's columns are probabilities of classes.
    pub(super) is_classifier: bool,
}

impl OnnxFacts {
    /// The same for another shard, which shares nothing with this one.
    fn of_another_shard(&self) -> Self {
        let own =
            |it: &Option<Arc<Categories>>| it.as_ref().map(|it| Arc::new(it.of_another_shard()));
        Self { categories: self.categories.iter().map(own).collect(), ..self.clone() }
    }
}

#[derive(Debug)]
enum Engine {
    Program(Program),
    Tract(Box<TractPlan>),
}

impl OnnxModel {
    /// Appends the kept values of each row to `values`; the matrix has the shape that the model
    /// reads.
    pub(super) fn compute(
        &mut self,
        features: &FeatureMatrix,
        values: &mut Vec<f64>,
    ) -> Result<(), String> {
        match &mut self.engine {
            Engine::Program(program) => program.run(features, values),
            Engine::Tract(plan) => plan.run(features, values).map_err(|error| format!("{error:#}")),
        }
    }

    /// What computes the scores, in order, and how many steps or nodes that are.
    pub(super) fn kernel(&self) -> (String, usize) {
        match &self.engine {
            Engine::Program(program) => (program.kernels().join(", "), program.kernels().len()),
            Engine::Tract(plan) => (plan.name().to_owned(), plan.nodes()),
        }
    }
}

impl Engine {
    /// Tries it on plausible rows: each has to have the same bits in any batch.
    fn settle(&mut self, graph: &ScoreGraph, rows: &FeatureMatrix) -> Result<(), OnnxError> {
        let program = match self {
            Self::Tract(plan) => return plan.settle(graph, rows),
            Self::Program(program) => program,
        };
        let refused = |reason| Err(OnnxError::Plan { reason });
        let width = program.kept().values();
        match trial::compare(rows, width, |matrix, values| program.run(matrix, values)) {
            Ok(Verdict::Same) => Ok(()),
            Ok(Verdict::Different) => refused("a row has other bits in another batch".to_owned()),
            Err(_) if program.knows_some_rows_only() => Ok(()),
            Err(reason) => refused(reason),
        }
    }

    fn build(
        graph: &ScoreGraph,
        inputs: &[(GraphInput, usize)],
        shape: RowShape,
        choice: KernelChoice,
        keep: impl Fn(usize) -> Result<Kept, OnnxError>,
    ) -> Result<Self, OnnxError> {
        let has_texts = graph.texts.iter().any(Option::is_some);
        if let Some(columns) = inputs::program_columns(inputs, has_texts)
            && let Some(program) = Program::build(
                graph.graph()?,
                graph::ml_version(&graph.proto),
                shape,
                &columns,
                &graph.score,
                choice,
                &keep,
            )?
        {
            return Ok(Self::Program(program));
        }
        TractPlan::build(graph, inputs, choice, keep).map(|plan| Self::Tract(Box::new(plan)))
    }
}
