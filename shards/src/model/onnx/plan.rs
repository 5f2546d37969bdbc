//! A model that needs tract: its optimised plan, the same for every batch size.

#![allow(clippy::wildcard_imports, reason = "tract's macros need the names of its prelude")]

use std::panic::{self, AssertUnwindSafe};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::internal::*;

use super::error::OnnxError;
use super::graph::{GraphInput, ScoreGraph};
use super::{adapter, bounds};
use crate::features::{Cells, FeatureMatrix, Precision};
use crate::model::trees::KernelChoice;

/// The most cells that a tensor of the plan may have for one row.
const CELLS_MAX: i64 = 1 << 24;

/// A plan of tract's and this shard's state of it.
#[derive(Debug)]
pub(super) struct TractPlan {
    plan: Arc<TypedSimplePlan>,
    state: TypedSimpleState,
    inputs: Vec<PlanInput>,
    columns: usize,
    precision: Precision,
    /// The score's column in the output.
    class: usize,
}

/// Which columns of the matrix an input of the plan is made of.
#[derive(Debug)]
struct PlanInput {
    first_column: usize,
    columns: usize,
    rank: usize,
    data_type: DatumType,
}

impl TractPlan {
    /// The plan of a graph whose inputs have their widths.
    ///
    /// `class` says which column of so many is the score.
    pub(super) fn build(
        graph: &ScoreGraph,
        inputs: &[(GraphInput, usize)],
        choice: KernelChoice,
        class: impl Fn(usize) -> Result<usize, OnnxError>,
    ) -> Result<Self, OnnxError> {
        bounds::check(graph.graph()?)?;
        // tract panics on some malformed graphs where it should return an error; a panic while a
        // model is loaded leaves nothing behind but the memory that unwinding frees.
        let built = panic::catch_unwind(AssertUnwindSafe(|| build(graph, inputs, choice)));
        let reason = match built {
            Ok(Ok(plan)) => return Ok(Self { class: class(plan.columns)?, ..plan }),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "it panicked; the graph is malformed".to_owned(),
        };
        Err(OnnxError::Plan { reason })
    }

    /// The precision of the output that holds the score.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// Nodes of the optimised plan.
    pub(super) fn nodes(&self) -> usize {
        self.plan.model().nodes().len()
    }

    /// Computes all rows and appends the score of each to `scores`.
    pub(super) fn run(
        &mut self,
        features: &FeatureMatrix,
        scores: &mut Vec<f64>,
    ) -> TractResult<()> {
        let result = self.try_run(features, scores);
        if result.is_err() {
            // A failed run leaves values behind that make every later run of its state fail.
            self.state = self.plan.spawn()?;
        }
        result
    }

    fn try_run(&mut self, features: &FeatureMatrix, scores: &mut Vec<f64>) -> TractResult<()> {
        let inputs = self.inputs.iter().map(|input| input.tensor(features));
        let outputs = self.state.run(inputs.collect::<TractResult<_>>()?)?;
        let output = outputs.first().context("the plan has no output")?;
        let (rows, columns, class) = (features.rows(), self.columns, self.class);
        ensure!(
            output.len() == rows * columns,
            "output shape {:?}, expected {rows} × {columns}",
            output.shape()
        );
        let output = output.cast_to::<f64>()?;
        let cells = output.try_as_plain_ram()?;
        scores.extend(cells.as_slice::<f64>()?.chunks_exact(columns).map(|row| row[class]));
        Ok(())
    }
}

fn build(
    graph: &ScoreGraph,
    inputs: &[(GraphInput, usize)],
    choice: KernelChoice,
) -> TractResult<TractPlan> {
    let mut model = adapter::onnx().model_for_proto_model(&graph.proto)?;
    adapter::choose_kernel(&mut model, choice);
    let symbol = model.symbols.sym("N");
    let rows = symbol.to_dim();
    let mut plan_inputs = Vec::new();
    let mut first_column = 0;
    for (input, columns) in inputs {
        if input.used {
            let data_type = data_type(input.data_type)?;
            let shape: TVec<TDim> =
                [rows.clone(), columns.to_dim()].into_iter().take(input.rank).collect();
            let place = plan_inputs.len();
            model.set_input_fact(place, InferenceFact::dt_shape(data_type, shape))?;
            let (columns, rank) = (*columns, input.rank);
            plan_inputs.push(PlanInput { first_column, columns, rank, data_type });
        }
        first_column += columns;
    }
    let outlets = model.output_outlets()?.to_vec();
    ensure!(outlets.len() == 1, "{} outputs, expected 1", outlets.len());
    let typed = model.into_typed()?;
    check_widths(&typed, &symbol)?;
    let plan = typed.into_optimized()?.into_runnable()?;
    let fact = plan.model().output_fact(0)?.clone();
    let columns = match fact.rank() {
        1 => 1,
        2 => fact.shape[1].to_usize().context("the width of the output is not known")?,
        rank => bail!("the output has {rank} dimensions, expected rows × columns"),
    };
    ensure!(columns > 0, "the output has no columns");
    let is_double = fact.datum_type == f64::datum_type();
    let precision = if is_double { Precision::F64 } else { Precision::F32 };
    let state = plan.spawn()?;
    Ok(TractPlan { plan, state, inputs: plan_inputs, columns, precision, class: 0 })
}

/// Refuses tensors that one row makes very large, before anything of their size is allocated.
fn check_widths(model: &TypedModel, rows: &Symbol) -> TractResult<()> {
    for node in model.nodes() {
        for output in &node.outputs {
            let mut cells = 1_i64;
            for dim in output.fact.shape.iter() {
                let dim = dim.substitute(rows, &1.to_dim())?.to_i64().unwrap_or(1);
                cells = cells.saturating_mul(dim.max(1));
            }
            ensure!(cells <= CELLS_MAX, "node {}: {cells} cells a row", node.name);
        }
    }
    Ok(())
}

fn data_type(data_type: DataType) -> TractResult<DatumType> {
    DatumType::try_from(data_type)
}

impl PlanInput {
    fn tensor(&self, features: &FeatureMatrix) -> TractResult<TValue> {
        let shape = [features.rows(), self.columns];
        let shape = &shape[..self.rank];
        let tensor = match features.cells() {
            Cells::F32(cells) => self.select(cells, features.columns(), shape)?,
            Cells::F64(cells) => self.select(cells, features.columns(), shape)?,
        };
        let tensor = if tensor.datum_type() == self.data_type {
            tensor
        } else {
            tensor.cast_to_dt(self.data_type)?.into_owned()
        };
        Ok(tensor.into_tvalue())
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
