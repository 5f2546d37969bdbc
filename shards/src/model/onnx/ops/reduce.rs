//! Operators of one row: `Softmax`, `LpNormalization`, `ReduceSum` and `ReduceProd`, along the
//! columns.

use super::number::Number;
use super::{
    After, CellsMut, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape, Rows,
    only, only_floats,
};
use crate::features::Precision;
use crate::model::trees::exponential;

#[derive(Debug, Clone, Copy)]
enum Reduction {
    Softmax,
    L1,
    L2,
    Sum,
    Product,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let along_columns = |axis: Option<i64>| matches!(axis, None | Some(1 | -1));
    let (reduction, along) = match context.node.op_type.as_str() {
        "Softmax" => (Reduction::Softmax, along_columns(context.integer("axis")?)),
        "LpNormalization" => {
            let reduction = match context.integer("p")?.unwrap_or(2) {
                1 => Reduction::L1,
                _ => Reduction::L2,
            };
            (reduction, along_columns(context.integer("axis")?))
        }
        operator => {
            let reduction =
                if operator == "ReduceSum" { Reduction::Sum } else { Reduction::Product };
            let axes = match context.constant(1) {
                Some(axes) => axes.iter().map(|axis| *axis as i64).collect(),
                None => context.integers("axes")?.to_vec(),
            };
            let keeps = context.integer("keepdims")?.unwrap_or(1) == 1;
            (reduction, keeps && matches!(axes.as_slice(), [1 | -1]))
        }
    };
    if along {
        return Ok(Box::new(reduction));
    }
    Err(context.refuse("not along the columns"))
}

impl RowOperator for Reduction {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only_floats(inputs)?;
        Ok(match self {
            Self::Softmax | Self::L1 | Self::L2 => input,
            Self::Sum | Self::Product => RowShape { columns: 1, ..input },
        })
    }

    fn after(&self, _columns: usize) -> After {
        match self {
            Self::Softmax | Self::L1 | Self::L2 => After::Bent,
            Self::Sum | Self::Product => After::Unknown,
        }
    }

    fn kernel(
        &self,
        inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        let precision = only(inputs)?.element.precision()?;
        Ok(Box::new(ReductionKernel { reduction: *self, precision }))
    }
}

#[derive(Debug, Clone)]
struct ReductionKernel {
    reduction: Reduction,
    precision: Precision,
}

impl RowKernel for ReductionKernel {
    fn name(&self) -> String {
        format!("{:?}", self.reduction).to_lowercase()
    }

    fn run(
        &mut self,
        rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        match self.precision {
            Precision::F32 => self.reduction.reduce::<f32>(rows, inputs[0], output),
            Precision::F64 => self.reduction.reduce::<f64>(rows, inputs[0], output),
        }
    }
}

impl Reduction {
    fn reduce<T: Number>(
        self,
        rows: usize,
        input: Rows<'_>,
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let (cells, output) = (T::cells(input.cells)?, T::cells_mut(output)?);
        let width = output.len() / rows.max(1);
        for (row, output) in cells.chunks_exact(input.columns).zip(output.chunks_exact_mut(width)) {
            let numbers = row.iter().map(|cell| cell.to_f64());
            match self {
                Self::Softmax => softmax(row, output),
                Self::L1 => divide(row, output, numbers.map(f64::abs).sum()),
                Self::L2 => divide(row, output, numbers.map(|x| x * x).sum::<f64>().sqrt()),
                Self::Sum => output[0] = T::from_f64(numbers.sum()),
                Self::Product => output[0] = T::from_f64(numbers.product()),
            }
        }
        Ok(())
    }
}

fn softmax<T: Number>(row: &[T], output: &mut [T]) {
    let greatest = row.iter().fold(f64::NEG_INFINITY, |most, cell| most.max(cell.to_f64()));
    let power = |cell: &T| exponential(cell.to_f64() - greatest);
    let total: f64 = row.iter().map(power).sum();
    output.iter_mut().zip(row).for_each(|(made, cell)| *made = T::from_f64(power(cell) / total));
}

/// A row whose norm is zero stays as it is.
fn divide<T: Number>(row: &[T], output: &mut [T], norm: f64) {
    let norm = if norm == 0.0 { 1.0 } else { norm };
    output.iter_mut().zip(row).for_each(|(made, cell)| *made = T::from_f64(cell.to_f64() / norm));
}
