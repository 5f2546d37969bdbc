//! Loads ONNX files: read within bounds (`file`), cut down to what the score needs (`graph`, `labels`), and
//! run either as a `program` of our own operators (`ops`) or by a `plan` of tract's, in which
//! the same operators take part through the `adapter`, beside a few `corrections` of tract's own and its `casts`.
//!
//! What is *not* here: which file is loaded (`model::repository`) and what its columns mean
//! (`model::manifest`).

mod adapter;
mod bounds;
mod casts;
mod constants;
mod corrections;
mod error;
mod file;
mod graph;
mod inputs;
mod labels;
mod ops;
mod plan;
mod planning;
mod program;

use std::cell::Cell;
use std::path::Path;

use tract_onnx::pb::tensor_proto::DataType;

pub use self::error::OnnxError;
pub use self::file::FileLimits;
use self::file::OnnxFile;
use self::graph::{GraphInput, ScoreGraph};
use self::ops::RowShape;
use self::plan::TractPlan;
use self::program::Program;
use super::manifest::ScoreOutput;
use super::scorer::LoadOptions;
use super::trees::KernelChoice;
use crate::features::inputs::IntegerRange;
use crate::features::{FeatureMatrix, Precision};

/// A loaded file, ready to score.
#[derive(Debug)]
pub(super) struct OnnxModel {
    engine: Engine,
    /// The shape of the matrix that [`Self::score`] reads.
    pub(super) columns: usize,
    pub(super) precision: Precision,
    /// For each column, which integers it takes; empty where none is one of integers.
    pub(super) integers: Vec<Option<IntegerRange>>,
    pub(super) score_precision: Precision,
    pub(super) input_names: Vec<String>,
    pub(super) output_name: String,
    /// What the score is, for people.
    pub(super) score: String,
    /// Whether a class that has a name in the file is the score only by its place.
    pub(super) is_by_place: bool,
    pub(super) file_hash: u64,
}

#[derive(Debug)]
enum Engine {
    Program(Program),
    Tract(Box<TractPlan>),
}

impl OnnxModel {
    /// Loads the file at `path`; `columns` is how many columns the manifest names, if it does.
    pub(super) fn load(
        path: &Path,
        output: &ScoreOutput,
        columns: Option<usize>,
        options: &LoadOptions,
    ) -> Result<Self, OnnxError> {
        let file = OnnxFile::read(path, options.limits)?;
        let graph = ScoreGraph::select(file.proto, output)?;
        let inputs = inputs::widths(&graph.inputs, columns)?;
        let columns = inputs.iter().map(|(_, width)| width).sum();
        let precision = inputs::precision(&graph.inputs);
        let (classes, wanted) = (&graph.classes, output.class.as_ref());
        let chosen = Cell::new((0, 0));
        let class = |width| {
            let column = classes.choose(wanted, width)?;
            chosen.set((column, width));
            Ok(column)
        };
        let shape = RowShape { columns, element: precision.into() };
        let engine = Engine::build(&graph, &inputs, shape, options.kernel, class)?;
        let (column, width) = chosen.get();
        let score_precision = match &engine {
            Engine::Program(program) => program.precision(),
            Engine::Tract(plan) => plan.precision(),
        };
        Ok(Self {
            engine,
            columns,
            precision,
            integers: inputs::integers(&inputs),
            score_precision,
            score: classes.describe(column, width),
            is_by_place: classes.is_by_place(wanted, width),
            input_names: graph.inputs.into_iter().map(|input| input.name).collect(),
            output_name: graph.output,
            file_hash: file.hash,
        })
    }

    /// Appends the score of each row to `scores`; the matrix has the shape that the model reads.
    pub(super) fn score(
        &mut self,
        features: &FeatureMatrix,
        scores: &mut Vec<f64>,
    ) -> Result<(), String> {
        match &mut self.engine {
            Engine::Program(program) => program.run(features, scores),
            Engine::Tract(plan) => plan.run(features, scores).map_err(|error| format!("{error:#}")),
        }
    }

    /// What computes the scores, in order, and how many steps or nodes that are.
    pub(super) fn kernel(&self) -> (String, usize) {
        match &self.engine {
            Engine::Program(program) => (program.kernels().join(", "), program.kernels().len()),
            Engine::Tract(plan) => ("tract".to_owned(), plan.nodes()),
        }
    }
}

impl Engine {
    fn build(
        graph: &ScoreGraph,
        inputs: &[(GraphInput, usize)],
        shape: RowShape,
        choice: KernelChoice,
        class: impl Fn(usize) -> Result<usize, OnnxError>,
    ) -> Result<Self, OnnxError> {
        let floats = |input: &(GraphInput, usize)| {
            matches!(input.0.data_type, DataType::Float | DataType::Double) && input.0.rank == 2
        };
        if let [only] = inputs
            && floats(only)
            && let Some(program) = Program::build(
                graph.graph()?,
                graph::ml_version(&graph.proto),
                shape,
                &graph.score,
                choice,
                &class,
            )?
        {
            return Ok(Self::Program(program));
        }
        TractPlan::build(graph, inputs, choice, class).map(|plan| Self::Tract(Box::new(plan)))
    }
}
