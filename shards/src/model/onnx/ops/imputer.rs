//! `Imputer`: puts a number in the place of a value that is missing.

use super::{
    CellsMut, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape, Rows, only,
    wrong_type,
};
use crate::features::Cells;

/// Float inputs keep their precision; the attributes are 32-bit floats in the format itself.
#[derive(Debug, Clone)]
struct Imputer {
    /// What is replaced; NaN: every NaN.
    missing: f32,
    /// What takes its place, for each column or for all.
    imputed: Vec<f32>,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let imputed = context.floats("imputed_value_floats")?;
    if imputed.is_empty() {
        return Err(context.refuse(
            "attribute `imputed_value_floats` is missing: export the model with float inputs",
        ));
    }
    let missing = context.float("replaced_value_float")?.unwrap_or(0.0);
    Ok(Box::new(Imputer { missing, imputed: imputed.to_vec() }))
}

impl RowOperator for Imputer {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only(inputs)?;
        if self.imputed.len() != 1 && self.imputed.len() != input.columns {
            let found = self.imputed.len();
            return Err(format!("{found} imputed values for {} columns", input.columns));
        }
        Ok(input)
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Imputer {
    fn name(&self) -> String {
        "imputer".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let columns = inputs[0].columns;
        match (inputs[0].cells, output) {
            (Cells::F32(cells), CellsMut::F32(output)) => self.impute(cells, columns, output),
            (Cells::F64(cells), CellsMut::F64(output)) => self.impute(cells, columns, output),
            _ => return Err(wrong_type()),
        }
        Ok(())
    }
}

impl Imputer {
    fn impute<T>(&self, cells: &[T], columns: usize, output: &mut [T])
    where
        T: Copy + PartialEq + From<f32>,
    {
        let missing = T::from(self.missing);
        let is_missing = |cell: T| {
            if self.missing.is_nan() { cell.ne(&cell) } else { cell == missing }
        };
        for (row, output) in cells.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
            for ((cell, made), imputed) in row.iter().zip(output).zip(self.imputed.iter().cycle()) {
                *made = if is_missing(*cell) { T::from(*imputed) } else { *cell };
            }
        }
    }
}
