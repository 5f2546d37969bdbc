//! `Normalizer`: divides each row by its norm; a row whose norm is zero is left as it is.

use super::{
    After, Cells, CellsMut, Element, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator,
    RowShape, Rows, only_floats, wrong_type,
};

#[derive(Debug, Clone, Copy)]
enum Normalizer {
    Max,
    L1,
    L2,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let normalizer = match context.string("norm")?.unwrap_or("MAX") {
        "MAX" => Normalizer::Max,
        "L1" => Normalizer::L1,
        "L2" => Normalizer::L2,
        other => return Err(context.refuse(format!("norm `{other}` is unknown"))),
    };
    Ok(Box::new(normalizer))
}

impl RowOperator for Normalizer {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        Ok(RowShape { element: Element::F32, ..only_floats(inputs)? })
    }

    fn after(&self, _columns: usize) -> After {
        After::Bent
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(*self))
    }
}

impl RowKernel for Normalizer {
    fn name(&self) -> String {
        "normalizer".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let CellsMut::F32(output) = output else { return Err(wrong_type()) };
        match inputs[0].cells {
            Cells::F32(cells) => self.normalize(cells, inputs[0].columns, output),
            Cells::F64(cells) => self.normalize(cells, inputs[0].columns, output),
            Cells::I64(_) => return Err(wrong_type()),
        }
        Ok(())
    }
}

impl Normalizer {
    fn normalize<T: Copy + Into<f64>>(self, cells: &[T], columns: usize, output: &mut [f32]) {
        for (row, output) in cells.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
            let cells = row.iter().map(|cell| (*cell).into());
            let norm = match self {
                Self::Max => cells.fold(f64::NEG_INFINITY, f64::max),
                Self::L1 => cells.map(f64::abs).sum(),
                Self::L2 => cells.map(|cell| cell * cell).sum::<f64>().sqrt(),
            };
            let divisor = if norm == 0.0 { 1.0 } else { norm };
            for (cell, made) in row.iter().zip(output) {
                *made = ((*cell).into() / divisor) as f32;
            }
        }
    }
}
