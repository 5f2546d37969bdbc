//! `Concat` of columns, and `FeatureVectorizer`, which makes 32-bit floats of them.

use super::number::Number;
use super::{
    CellsMut, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape, Rows,
};
use crate::features::{Cells, Precision};

#[derive(Debug, Clone, Copy)]
struct Concat {
    /// What the output is made of, where that is not the type of the inputs.
    precision: Option<Precision>,
    parts: usize,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let parts = context.node.input.len();
    if context.node.op_type == "FeatureVectorizer" {
        return Ok(Box::new(Concat { precision: Some(Precision::F32), parts }));
    }
    match context.required_integer("axis")? {
        1 | -1 => Ok(Box::new(Concat { precision: None, parts })),
        axis => Err(context.refuse(format!("axis {axis}"))),
    }
}

impl RowOperator for Concat {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let first = inputs.first().ok_or("no input")?;
        if inputs.len() != self.parts {
            return Err("a part of it is constant".to_owned());
        }
        let precision = self.precision.unwrap_or(first.precision);
        if self.precision.is_none() && inputs.iter().any(|input| input.precision != precision) {
            return Err("its inputs are of several types".to_owned());
        }
        Ok(RowShape { columns: inputs.iter().map(|input| input.columns).sum(), precision })
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(*self))
    }
}

impl RowKernel for Concat {
    fn name(&self) -> String {
        "concat".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let width = inputs.iter().map(|input| input.columns).sum();
        let mut start = 0;
        match output {
            CellsMut::F32(output) => {
                for input in inputs {
                    place(input, output, start, width);
                    start += input.columns;
                }
            }
            CellsMut::F64(output) => {
                for input in inputs {
                    place(input, output, start, width);
                    start += input.columns;
                }
            }
        }
        Ok(())
    }
}

/// Copies the columns of `input` to `start` of each row of `width` cells.
fn place<T: Number>(input: &Rows<'_>, output: &mut [T], start: usize, width: usize) {
    let columns = input.columns;
    let rows = output.chunks_exact_mut(width).map(|row| &mut row[start..start + columns]);
    match input.cells {
        Cells::F32(cells) => copy(cells.chunks_exact(columns), rows),
        Cells::F64(cells) => copy(cells.chunks_exact(columns), rows),
    }
}

fn copy<'a, F: Number, T: Number>(
    from: impl Iterator<Item = &'a [F]>,
    to: impl Iterator<Item = &'a mut [T]>,
) {
    for (from, to) in from.zip(to) {
        // A conversion to the same type is one to doubles and back, which changes nothing.
        to.iter_mut().zip(from).for_each(|(to, from)| *to = T::from_f64(from.to_f64()));
    }
}
