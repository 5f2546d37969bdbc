//! A model that is nothing but our own operators: run one after the other on reused buffers.

use std::collections::HashMap;

use tract_onnx::pb::GraphProto;

use super::error::OnnxError;
use super::ops::{self, CellsMut, NodeContext, RowKernel, RowShape, Rows};
use crate::features::{Cells, FeatureMatrix, Precision};

/// Our own operators in the order in which they run.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    buffers: Vec<Buffer>,
}

#[derive(Debug)]
struct Step {
    kernel: Box<dyn RowKernel>,
    inputs: Vec<Source>,
}

/// Where a step reads: the matrix of features, or what an earlier step wrote.
#[derive(Debug, Clone, Copy)]
enum Source {
    Features,
    Step(usize),
}

/// What a step writes.
#[derive(Debug)]
struct Buffer {
    shape: RowShape,
    f32s: Vec<f32>,
    f64s: Vec<f64>,
}

impl Program {
    /// The program of a graph with one input, or `None` if one of its operators is not ours.
    pub(super) fn build(
        graph: &GraphProto,
        input: RowShape,
        score: &str,
    ) -> Result<Option<Self>, OnnxError> {
        let [feature_input] = graph.input.as_slice() else { return Ok(None) };
        let mut sources = HashMap::from([(feature_input.name.as_str(), (Source::Features, input))]);
        let mut program = Self { steps: Vec::new(), buffers: Vec::new() };
        for node in graph.node.iter().filter(|node| node.op_type != "Constant") {
            let Some(parser) = ops::parser(&node.op_type) else { return Ok(None) };
            let [output] = node.output.as_slice() else { return Ok(None) };
            let read: Vec<_> =
                node.input.iter().filter_map(|name| sources.get(name.as_str())).copied().collect();
            let operator = parser(NodeContext { node, graph })?;
            let shapes: Vec<_> = read.iter().map(|(_, shape)| *shape).collect();
            let refused = |why| OnnxError::unsupported(node, why);
            let shape = operator.shape(&shapes).map_err(refused)?;
            let kernel = operator.kernel(&shapes).map_err(refused)?;
            let inputs = read.iter().map(|(source, _)| *source).collect();
            sources.insert(output, (Source::Step(program.steps.len()), shape));
            program.steps.push(Step { kernel, inputs });
            program.buffers.push(Buffer { shape, f32s: Vec::new(), f64s: Vec::new() });
        }
        // The nodes come in the order of their dependence, so the last one makes the score.
        let last = graph.node.last().is_some_and(|node| node.output.iter().any(|o| o == score));
        Ok((last && !program.steps.is_empty()).then_some(program))
    }

    /// The shape of the rows that hold the score.
    pub(super) fn output(&self) -> RowShape {
        let none = RowShape { columns: 0, precision: Precision::F32 };
        self.buffers.last().map_or(none, |buffer| buffer.shape)
    }

    /// How many operators run.
    pub(super) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Computes all rows; the result is the last step's output, row-major.
    pub(super) fn run(&mut self, features: &FeatureMatrix) -> Result<Cells<'_>, String> {
        let rows = features.rows();
        let whole = Rows { cells: features.cells(), columns: features.columns() };
        for (place, step) in self.steps.iter_mut().enumerate() {
            let (earlier, rest) = self.buffers.split_at_mut(place);
            let rows_of = |source: &Source| match source {
                Source::Features => whole,
                Source::Step(step) => earlier[*step].rows(),
            };
            let output = rest[0].resized(rows);
            match step.inputs.as_slice() {
                [only] => step.kernel.run(rows, &[rows_of(only)], output)?,
                many => {
                    let inputs: Vec<_> = many.iter().map(rows_of).collect();
                    step.kernel.run(rows, &inputs, output)?;
                }
            }
        }
        Ok(self.buffers.last().map_or(Cells::F32(&[]), |buffer| buffer.rows().cells))
    }
}

impl Buffer {
    fn resized(&mut self, rows: usize) -> CellsMut<'_> {
        let cells = rows * self.shape.columns;
        match self.shape.precision {
            Precision::F32 => {
                self.f32s.resize(cells, 0.0);
                CellsMut::F32(&mut self.f32s)
            }
            Precision::F64 => {
                self.f64s.resize(cells, 0.0);
                CellsMut::F64(&mut self.f64s)
            }
        }
    }

    fn rows(&self) -> Rows<'_> {
        let cells = match self.shape.precision {
            Precision::F32 => Cells::F32(&self.f32s),
            Precision::F64 => Cells::F64(&self.f64s),
        };
        Rows { cells, columns: self.shape.columns }
    }
}
