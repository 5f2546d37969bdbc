//! `LabelEncoder` from numbers to numbers.

use super::{
    CellsMut, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape, Rows, only,
    wrong_type,
};
use crate::features::{Cells, Precision};

/// Its output is 32-bit floats, which hold the codes that an encoder makes.
#[derive(Debug, Clone)]
struct LabelEncoder {
    /// Keys with their values, sorted by key.
    values: Vec<(f64, f32)>,
    /// What a number that is no key becomes.
    default: f32,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let (keys, values) = (listed(context, "keys")?, listed(context, "values")?);
    if keys.is_empty() || keys.len() != values.len() {
        return Err(context.refuse(
            "it needs as many values as keys, all of them numbers: encode text before the model",
        ));
    }
    let default = match (context.float("default_float")?, context.integer("default_int64")?) {
        (Some(default), _) => default,
        (None, Some(default)) => default as f32,
        (None, None) => match context.tensor("default_tensor")?.as_deref() {
            Some([default]) => *default as f32,
            _ => -1.0,
        },
    };
    let mut values: Vec<_> =
        keys.into_iter().zip(values.into_iter().map(|value| value as f32)).collect();
    values.sort_by(|one, other| one.0.total_cmp(&other.0));
    Ok(Box::new(LabelEncoder { values, default }))
}

/// The numbers of `NAME_floats`, `NAME_int64s` or `NAME_tensor`.
fn listed(context: NodeContext<'_>, name: &str) -> Result<Vec<f64>, OnnxError> {
    let floats = context.floats(&format!("{name}_floats"))?;
    if !floats.is_empty() {
        return Ok(floats.iter().copied().map(f64::from).collect());
    }
    let integers = context.integers(&format!("{name}_int64s"))?;
    if !integers.is_empty() {
        return Ok(integers.iter().map(|integer| *integer as f64).collect());
    }
    Ok(context.tensor(&format!("{name}_tensor"))?.unwrap_or_default())
}

impl RowOperator for LabelEncoder {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        Ok(RowShape { precision: Precision::F32, ..only(inputs)? })
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for LabelEncoder {
    fn name(&self) -> String {
        "label encoder".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let CellsMut::F32(output) = output else { return Err(wrong_type()) };
        match inputs[0].cells {
            Cells::F32(cells) => self.encode(cells, output),
            Cells::F64(cells) => self.encode(cells, output),
        }
        Ok(())
    }
}

impl LabelEncoder {
    fn encode<T: Copy + Into<f64>>(&self, cells: &[T], output: &mut [f32]) {
        for (cell, made) in cells.iter().zip(output) {
            // Adding zero makes one of the two zeros, so that they are one key.
            let cell = (*cell).into() + 0.0;
            let found = self.values.binary_search_by(|(key, _)| (key + 0.0).total_cmp(&cell));
            *made = found.map_or(self.default, |place| self.values[place].1);
        }
    }
}
