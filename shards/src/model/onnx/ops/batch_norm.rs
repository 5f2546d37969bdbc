//! `BatchNormalization` of a trained network: each column by its own mean, variance, scale and
//! offset.

use super::number::Number;
use super::{
    CellsMut, Flow, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape, Rows,
    only, only_floats,
};
use crate::features::Precision;

/// `x · factor + offset`, in doubles, rounded once.
#[derive(Debug, Clone)]
struct BatchNorm {
    factors: Vec<f64>,
    offsets: Vec<f64>,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let numbers = |place| {
        context.constant_row(place).ok_or_else(|| context.refuse("an input that is not constant"))
    };
    let [scales, biases, means, variances] = [numbers(1)?, numbers(2)?, numbers(3)?, numbers(4)?];
    let width = scales.len();
    if [biases.len(), means.len(), variances.len()] != [width; 3] {
        return Err(context.refuse("its constants differ in length"));
    }
    if context.integer("training_mode")?.unwrap_or(0) != 0 {
        return Err(context.refuse("training mode: export the trained model"));
    }
    let epsilon = context.float("epsilon")?.map_or(1e-5, f64::from);
    let factors: Vec<_> = scales
        .iter()
        .zip(&variances)
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let offsets = biases.iter().zip(&means).zip(&factors);
    let offsets = offsets.map(|((bias, mean), factor)| bias - mean * factor).collect();
    Ok(Box::new(BatchNorm { factors, offsets }))
}

impl RowOperator for BatchNorm {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only_floats(inputs)?;
        if input.columns != self.factors.len() {
            return Err(format!("{} columns, expected {}", input.columns, self.factors.len()));
        }
        Ok(input)
    }

    fn flow(&self) -> Flow {
        Flow::Along
    }

    fn kernel(
        &self,
        inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        let precision = only(inputs)?.element.precision()?;
        Ok(Box::new(BatchNormKernel { numbers: self.clone(), precision }))
    }
}

#[derive(Debug, Clone)]
struct BatchNormKernel {
    numbers: BatchNorm,
    precision: Precision,
}

impl RowKernel for BatchNormKernel {
    fn name(&self) -> String {
        "batch norm".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        match self.precision {
            Precision::F32 => self.numbers.normalize::<f32>(inputs[0], output),
            Precision::F64 => self.numbers.normalize::<f64>(inputs[0], output),
        }
    }
}

impl BatchNorm {
    fn normalize<T: Number>(&self, input: Rows<'_>, output: CellsMut<'_>) -> Result<(), String> {
        let rows = T::cells(input.cells)?.chunks_exact(input.columns);
        for (row, output) in rows.zip(T::cells_mut(output)?.chunks_exact_mut(input.columns)) {
            let numbers = self.factors.iter().zip(&self.offsets);
            for ((cell, made), (factor, offset)) in row.iter().zip(output).zip(numbers) {
                *made = T::from_f64(cell.to_f64() * factor + offset);
            }
        }
        Ok(())
    }
}
