//! Loads ONNX files: read within bounds (`file`), cut down to what the score needs (`graph`), and
//! run either as a `program` of our own operators (`ops`) or by a `plan` of tract's, in which
//! the same operators take part through the `adapter`, beside a few `corrections` of tract's own.
//!
//! What is *not* here: which file is loaded (`model::repository`) and what its columns mean
//! (`model::manifest`).

mod adapter;
mod bounds;
mod corrections;
mod error;
mod file;
mod graph;
mod ops;
mod plan;
mod planning;
mod program;

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
use crate::features::{FeatureMatrix, Precision};

/// A loaded file, ready to score.
#[derive(Debug)]
pub(super) struct OnnxModel {
    engine: Engine,
    /// The shape of the matrix that [`Self::score`] reads.
    pub(super) columns: usize,
    pub(super) precision: Precision,
    pub(super) score_precision: Precision,
    pub(super) input_names: Vec<String>,
    pub(super) output_name: String,
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
        let inputs = input_widths(&graph.inputs, columns)?;
        let columns = inputs.iter().map(|(_, width)| width).sum();
        let precision = precision(&graph.inputs);
        let class = |width| graph.class(output.class.as_ref(), width);
        let shape = RowShape { columns, precision };
        let engine = Engine::build(&graph, &inputs, shape, options.kernel, class)?;
        let score_precision = match &engine {
            Engine::Program(program) => program.precision(),
            Engine::Tract(plan) => plan.precision(),
        };
        Ok(Self {
            engine,
            columns,
            precision,
            score_precision,
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
            && let Some(program) =
                Program::build(graph.graph()?, shape, &graph.score, choice, &class)?
        {
            return Ok(Self::Program(program));
        }
        TractPlan::build(graph, inputs, choice, class).map(|plan| Self::Tract(Box::new(plan)))
    }
}

/// Doubles hold what any other type of input holds, up to integers of 53 bits.
fn precision(inputs: &[GraphInput]) -> Precision {
    let is_float = |input: &GraphInput| input.data_type == DataType::Float;
    if inputs.iter().all(is_float) { Precision::F32 } else { Precision::F64 }
}

/// Each input with its width; one that the file leaves open takes what the manifest has left.
fn input_widths(
    inputs: &[GraphInput],
    columns: Option<usize>,
) -> Result<Vec<(GraphInput, usize)>, OnnxError> {
    let known: usize = inputs.iter().filter_map(|input| input.columns).sum();
    let open: Vec<_> = inputs.iter().filter(|input| input.columns.is_none()).collect();
    let refused = |reason: String| Err(OnnxError::Input { reason });
    let open_width = match (open.as_slice(), columns) {
        ([], Some(columns)) if columns != known => {
            return refused(format!("it reads {known} columns, model.toml names {columns}"));
        }
        ([], _) => 0,
        ([_], Some(columns)) if columns > known => columns - known,
        ([_], Some(columns)) => {
            return refused(format!("it reads more than {known} columns, model.toml: {columns}"));
        }
        ([input], None) => {
            return refused(format!(
                "the width of input `{}` is not in the file: name its columns in model.toml, one \
                 [[columns]] each",
                input.name
            ));
        }
        (_, _) => {
            return refused("several inputs have no fixed width: export them fixed".to_owned());
        }
    };
    let width = |input: &GraphInput| (input.clone(), input.columns.unwrap_or(open_width));
    if known + open_width == 0 {
        return refused("it has no input".to_owned());
    }
    Ok(inputs.iter().map(width).collect())
}
