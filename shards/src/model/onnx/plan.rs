//! A model that needs tract: its optimised plan, the same for every batch size.

#![allow(clippy::wildcard_imports, reason = "tract's macros need the names of its prelude")]

use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::internal::*;

use super::error::OnnxError;
use super::graph::{GraphInput, ScoreGraph};
use super::inputs::integers_of;
use super::{adapter, bounds};
use crate::features::inputs::IntegerRange;
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
    /// Rows of the last run that have a cell which their tensor of integers does not hold.
    invalid: Vec<usize>,
}

/// Which columns of the matrix an input of the plan is made of.
#[derive(Debug)]
struct PlanInput {
    first_column: usize,
    columns: usize,
    rank: usize,
    data_type: DatumType,
    /// What a tensor of integers holds.
    integers: Option<IntegerRange>,
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
    ///
    /// Where the plan fails or panics on them together, each is computed alone, so that only those
    /// that it fails on have no score: theirs is NaN.
    pub(super) fn run(
        &mut self,
        features: &FeatureMatrix,
        scores: &mut Vec<f64>,
    ) -> TractResult<()> {
        let (rows, start) = (features.rows(), scores.len());
        let Err(error) = self.attempt(features, 0..rows, scores) else { return Ok(()) };
        scores.truncate(start);
        if rows < 2 {
            return Err(error);
        }
        let mut failed = 0;
        for row in 0..rows {
            let done = scores.len();
            if self.attempt(features, row..row + 1, scores).is_err() {
                scores.truncate(done);
                scores.push(f64::NAN);
                failed += 1;
            }
        }
        if failed == rows { Err(error) } else { Ok(()) }
    }

    /// Computes some rows; the plan is as good as before where it fails on them.
    fn attempt(
        &mut self,
        features: &FeatureMatrix,
        rows: Range<usize>,
        scores: &mut Vec<f64>,
    ) -> TractResult<()> {
        let start = scores.len();
        let scored = panic::catch_unwind(AssertUnwindSafe(|| self.try_run(features, rows, scores)));
        let scored = scored.unwrap_or_else(|_| Err(anyhow!("it panicked on these rows")));
        if scored.is_err() {
            // A failed run leaves values behind that make every later run of its state fail.
            self.state = self.plan.spawn()?;
        } else {
            for row in self.invalid.drain(..) {
                scores[start + row] = f64::NAN;
            }
        }
        scored
    }

    fn try_run(
        &mut self,
        features: &FeatureMatrix,
        rows: Range<usize>,
        scores: &mut Vec<f64>,
    ) -> TractResult<()> {
        self.invalid.clear();
        let invalid = &mut self.invalid;
        let inputs = self.inputs.iter().map(|input| input.tensor(features, &rows, invalid));
        let outputs = self.state.run(inputs.collect::<TractResult<_>>()?)?;
        let output = outputs.first().context("the plan has no output")?;
        let (rows, columns, class) = (rows.len(), self.columns, self.class);
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
            let integers = integers_of(input.data_type);
            plan_inputs.push(PlanInput { first_column, columns, rank, data_type, integers });
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
    Ok(TractPlan {
        plan,
        state,
        inputs: plan_inputs,
        columns,
        precision,
        class: 0,
        invalid: vec![],
    })
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
