//! A model that is nothing but our own operators: run one after the other on reused buffers.

use tract_onnx::pb::GraphProto;

use super::alone::{together_or_alone, where_none_has_a_score};
use super::error::OnnxError;
use super::ops::{Cells, CellsMut, Element, RowKernel, RowShape, Rows};
use super::planning::{InputColumns, PlannedStep, Planning, Source};
use crate::features::{FeatureMatrix, Precision};
use crate::model::answer::Kept;
use crate::model::trees::KernelChoice;

/// The most inputs of one step.
const INPUTS_MAX: usize = 16;

/// Our own operators in the order in which they run.
#[derive(Debug, Clone)]
pub(super) struct Program {
    steps: Vec<Step>,
    buffers: Vec<Buffer>,
    /// What is kept of what the last step writes.
    kept: Kept,
    /// A row of a batch that failed.
    alone: FeatureMatrix,
    /// The step that failed last.
    failed: usize,
}

#[derive(Debug, Clone)]
struct Step {
    kernel: Box<dyn RowKernel>,
    inputs: Vec<Source>,
}

/// What a step writes.
#[derive(Debug, Clone)]
struct Buffer {
    shape: RowShape,
    f32s: Vec<f32>,
    f64s: Vec<f64>,
    i64s: Vec<i64>,
}

impl Program {
    /// The program of a graph with one input, or `None` if one of its operators is not ours.
    ///
    /// `keep` says what is kept of so many columns.
    pub(super) fn build(
        graph: &GraphProto,
        ml_version: i64,
        matrix: RowShape,
        inputs: &[InputColumns<'_>],
        score: &str,
        choice: KernelChoice,
        keep: impl Fn(usize) -> Result<Kept, OnnxError>,
    ) -> Result<Option<Self>, OnnxError> {
        let Some(mut planning) = Planning::of(graph, ml_version, matrix, inputs, score)? else {
            return Ok(None);
        };
        planning.fold();
        planning.look_through(INPUTS_MAX);
        if planning.steps.iter().any(|step| step.inputs.len() > INPUTS_MAX) {
            return Ok(None);
        }
        let kept = match keep(planning.columns())? {
            Kept::Only(column) => Kept::Only(planning.narrow(column)),
            all @ Kept::All { .. } => all,
        };
        Self::of_steps(planning.steps, matrix, kept, choice).map(Some)
    }

    /// The program of these steps, of which the last one makes what is kept.
    pub(super) fn of_steps(
        steps: Vec<PlannedStep<'_>>,
        matrix: RowShape,
        kept: Kept,
        choice: KernelChoice,
    ) -> Result<Self, OnnxError> {
        let alone = FeatureMatrix::new(
            matrix.columns,
            matrix.element.precision().unwrap_or(Precision::F64),
        );
        let mut program = Self { steps: Vec::new(), buffers: Vec::new(), kept, alone, failed: 0 };
        for step in steps {
            let kernel = step.operator.kernel(&step.shapes, choice);
            let kernel = kernel.map_err(|why| OnnxError::unsupported(step.node, why))?;
            program.steps.push(Step { kernel, inputs: step.inputs });
            program.buffers.push(Buffer::new(step.output));
        }
        Ok(program)
    }

    /// The precision of the score.
    pub(super) fn precision(&self) -> Precision {
        // Integers are widened to doubles.
        let of = |buffer: &Buffer| buffer.shape.element.precision().unwrap_or(Precision::F64);
        self.buffers.last().map_or(Precision::F32, of)
    }

    /// What is kept of the output.
    pub(super) fn kept(&self) -> Kept {
        self.kept
    }

    /// What runs, in order.
    pub(super) fn kernels(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.kernel.name()).collect()
    }

    /// Whether the step that failed last knows some rows only, so that others have to fail.
    pub(super) fn knows_some_rows_only(&self) -> bool {
        self.steps.get(self.failed).is_some_and(|step| step.kernel.knows_some_rows_only())
    }

    /// Computes all rows and appends the kept values of each to `values`.
    ///
    /// Where a step fails on them together, each is computed alone, so that only those that it fails
    /// on have none: theirs are NaN.
    pub(super) fn run(
        &mut self,
        features: &FeatureMatrix,
        values: &mut Vec<f64>,
    ) -> Result<(), String> {
        let (start, width) = (values.len(), self.kept.values());
        let ran = together_or_alone((features.rows(), width), values, |row, values| {
            let Some(row) = row else { return self.attempt(features, values) };
            let empty = FeatureMatrix::new(0, Precision::F32);
            let mut alone = std::mem::replace(&mut self.alone, empty);
            alone.copy_rows(features, &[row]);
            let ran = self.attempt(&alone, values);
            self.alone = alone;
            ran
        });
        where_none_has_a_score(ran.err(), &values[start..])
    }

    /// Computes all rows in one run.
    fn attempt(&mut self, features: &FeatureMatrix, values: &mut Vec<f64>) -> Result<(), String> {
        let rows = features.rows();
        let whole = Rows { cells: features.cells().into(), columns: features.columns() };
        for (place, step) in self.steps.iter_mut().enumerate() {
            let (earlier, rest) = self.buffers.split_at_mut(place);
            let mut inputs = [whole; INPUTS_MAX];
            for (input, source) in inputs.iter_mut().zip(&step.inputs) {
                if let Source::Step(step) = source {
                    *input = earlier[*step].rows();
                }
            }
            let ran = step.kernel.run(rows, &inputs[..step.inputs.len()], rest[0].resized(rows));
            if let Err(error) = ran {
                self.failed = place;
                return Err(error);
            }
        }
        let Some(last) = self.buffers.last().map(Buffer::rows) else { return Ok(()) };
        let kept = self.kept;
        match last.cells {
            Cells::F32(cells) => kept.append(cells, last.columns, values, f64::from),
            Cells::F64(cells) => kept.append(cells, last.columns, values, |cell| cell),
            Cells::I64(cells) => kept.append(cells, last.columns, values, |cell| cell as f64),
        }
        Ok(())
    }
}

impl Buffer {
    fn new(shape: RowShape) -> Self {
        Self { shape, f32s: Vec::new(), f64s: Vec::new(), i64s: Vec::new() }
    }

    fn resized(&mut self, rows: usize) -> CellsMut<'_> {
        let cells = rows * self.shape.columns;
        match self.shape.element {
            Element::F32 => {
                self.f32s.resize(cells, 0.0);
                CellsMut::F32(&mut self.f32s)
            }
            Element::F64 => {
                self.f64s.resize(cells, 0.0);
                CellsMut::F64(&mut self.f64s)
            }
            Element::I64 => {
                self.i64s.resize(cells, 0);
                CellsMut::I64(&mut self.i64s)
            }
        }
    }

    fn rows(&self) -> Rows<'_> {
        let cells = match self.shape.element {
            Element::F32 => Cells::F32(&self.f32s),
            Element::F64 => Cells::F64(&self.f64s),
            Element::I64 => Cells::I64(&self.i64s),
        };
        Rows { cells, columns: self.shape.columns }
    }
}
