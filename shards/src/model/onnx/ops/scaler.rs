//! `Scaler`: `(x - offset) * scale`, each column by its own numbers.

use super::{
    Cells, CellsMut, Element, Flow, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator,
    RowShape, Rows, only_floats, wrong_type,
};

/// Computed in the input's precision, as ONNX Runtime does; the result is a 32-bit float.
#[derive(Debug, Clone)]
struct Scaler {
    offsets: Vec<f32>,
    scales: Vec<f32>,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let (offsets, scales) = (context.floats("offset")?, context.floats("scale")?);
    if offsets.is_empty() || scales.is_empty() {
        return Err(context.refuse("attributes `offset` and `scale` are needed"));
    }
    Ok(Box::new(Scaler { offsets: offsets.to_vec(), scales: scales.to_vec() }))
}

impl RowOperator for Scaler {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only_floats(inputs)?;
        for (name, numbers) in [("offset", &self.offsets), ("scale", &self.scales)] {
            if numbers.len() != 1 && numbers.len() != input.columns {
                let found = numbers.len();
                return Err(format!("`{name}` has {found} numbers for {} columns", input.columns));
            }
        }
        Ok(RowShape { element: Element::F32, ..input })
    }

    fn as_scaler(&self) -> Option<(&[f32], &[f32])> {
        Some((&self.offsets, &self.scales))
    }

    fn flow(&self) -> Flow {
        Flow::Along
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Scaler {
    fn name(&self) -> String {
        "scaler".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let CellsMut::F32(output) = output else { return Err(wrong_type()) };
        let columns = inputs[0].columns;
        match inputs[0].cells {
            Cells::F32(cells) => {
                self.scale(cells, columns, output, |x, offset, scale| (x - offset) * scale);
            }
            Cells::F64(cells) => {
                self.scale(cells, columns, output, |x, offset, scale| {
                    ((x - f64::from(offset)) * f64::from(scale)) as f32
                });
            }
            Cells::I64(_) => return Err(wrong_type()),
        }
        Ok(())
    }
}

impl Scaler {
    fn scale<T: Copy>(
        &self,
        cells: &[T],
        columns: usize,
        output: &mut [f32],
        scale: impl Fn(T, f32, f32) -> f32,
    ) {
        let rows = cells.chunks_exact(columns).zip(output.chunks_exact_mut(columns));
        for (row, output) in rows {
            let numbers = self.offsets.iter().cycle().zip(self.scales.iter().cycle());
            for ((cell, made), (offset, factor)) in row.iter().zip(output).zip(numbers) {
                *made = scale(*cell, *offset, *factor);
            }
        }
    }
}
