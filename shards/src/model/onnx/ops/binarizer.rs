//! `Binarizer`: 1 for what is greater than a threshold, else 0. A value that is missing is neither,
//! and fails its row, as it does in the library.

use super::{
    Cells, CellsMut, Flow, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape,
    Rows, only, wrong_type,
};

/// The threshold has 32 bits in the format itself.
#[derive(Debug, Clone, Copy)]
struct Binarizer {
    threshold: f64,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let threshold = f64::from(context.float("threshold")?.unwrap_or(0.0));
    if !threshold.is_finite() {
        return Err(context.refuse(format!("attribute `threshold` is {threshold}")));
    }
    Ok(Box::new(Binarizer { threshold }))
}

impl RowOperator for Binarizer {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        only(inputs)
    }

    fn reads_integers(&self) -> bool {
        true
    }

    fn keeps_type(&self) -> bool {
        true
    }

    fn flow(&self) -> Flow {
        Flow::Along
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(*self))
    }
}

impl RowKernel for Binarizer {
    fn name(&self) -> String {
        "binarizer".to_owned()
    }

    fn knows_some_rows_only(&self) -> bool {
        true
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let threshold = self.threshold;
        let above = |cell: f64| (!cell.is_nan()).then_some(u8::from(cell > threshold));
        match (inputs[0].cells, output) {
            (Cells::F32(cells), CellsMut::F32(output)) => {
                binarize(cells, output, |cell| above(f64::from(cell)).map(f32::from))
            }
            (Cells::F64(cells), CellsMut::F64(output)) => {
                binarize(cells, output, |cell| above(cell).map(f64::from))
            }
            // An integer is greater than a number where it is greater than what is before its
            // point; the cast saturates, so that no integer is greater than a huge one.
            (Cells::I64(cells), CellsMut::I64(output)) => {
                let whole = threshold.floor() as i64;
                let all = threshold < -9_223_372_036_854_775_808.0;
                binarize(cells, output, |cell| Some(i64::from(all || cell > whole)))
            }
            _ => Err(wrong_type()),
        }
    }
}

fn binarize<T: Copy>(
    cells: &[T],
    output: &mut [T],
    bit: impl Fn(T) -> Option<T>,
) -> Result<(), String> {
    for (cell, made) in cells.iter().zip(output) {
        *made = bit(*cell).ok_or("a value that it reads is missing")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_greater_is_one() {
        let mut kernel = Binarizer { threshold: -1.5 };
        let cells = [-2.0, -1.5, (-1.5_f64).next_up(), 0.0, f64::INFINITY, f64::NEG_INFINITY];
        let mut made = [7.0; 6];
        let rows = [Rows { cells: Cells::F64(&cells), columns: 3 }];
        kernel.run(2, &rows, CellsMut::F64(&mut made)).expect("none is missing");
        assert_eq!(made.to_vec(), [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]);
        let rows = [Rows { cells: Cells::I64(&[-2, -1, i64::MIN, i64::MAX]), columns: 4 }];
        let mut made = [7; 4];
        kernel.run(1, &rows, CellsMut::I64(&mut made)).expect("none is missing");
        assert_eq!(made, [0, 1, 0, 1]);
    }

    #[test]
    fn what_is_missing_is_neither() {
        let mut kernel = Binarizer { threshold: 0.0 };
        let rows = [Rows { cells: Cells::F32(&[1.0, f32::NAN]), columns: 1 }];
        assert!(kernel.run(2, &rows, CellsMut::F32(&mut [0.0; 2])).is_err());
    }
}
