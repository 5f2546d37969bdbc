//! Columns of a matrix in the type of the tensor that they are an input as.

use std::ops::Range;

use super::element::Convert;
use super::{
    Cells, CellsMut, Element, Flow, KernelChoice, Origin, Piece, RowKernel, RowOperator, RowShape,
    Rows, only, wrong_type,
};
use crate::features::inputs::IntegerRange;

/// Picks columns. A cell of a tensor of integers has to be one that a float holds exactly: a row with
/// another one fails, as no integer stands for it.
#[derive(Debug, Clone)]
pub(super) struct TypedColumns {
    places: Range<usize>,
    element: Element,
}

impl TypedColumns {
    pub(super) fn new(places: Range<usize>, element: Element) -> Self {
        Self { places, element }
    }

    fn pick<F: Copy + Convert<T>, T>(&self, cells: &[F], columns: usize, output: &mut [T]) {
        let rows = cells.chunks_exact(columns).map(|row| &row[self.places.clone()]);
        for (row, made) in rows.zip(output.chunks_exact_mut(self.places.len())) {
            made.iter_mut().zip(row).for_each(|(made, cell)| *made = cell.convert());
        }
    }
}

impl RowOperator for TypedColumns {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only(inputs)?;
        if self.places.is_empty() || self.places.end > input.columns {
            return Err(format!("columns {:?} of {}", self.places, input.columns));
        }
        Ok(RowShape { columns: self.places.len(), element: self.element })
    }

    fn flow(&self) -> Flow {
        Flow::Picked(self.places.clone().collect())
    }

    fn pieces(
        &self,
        inputs: &[Vec<Piece<Origin>>],
        shapes: &[RowShape],
    ) -> Option<Vec<Piece<Origin>>> {
        let ([input], [shape]) = (inputs, shapes) else { return None };
        if shape.element != self.element {
            return None;
        }
        input.get(self.places.clone()).map(<[_]>::to_vec)
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for TypedColumns {
    fn name(&self) -> String {
        "columns".to_owned()
    }

    fn knows_some_rows_only(&self) -> bool {
        self.element == Element::I64
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let columns = inputs[0].columns;
        match (inputs[0].cells, output) {
            (Cells::F32(cells), CellsMut::F32(output)) => self.pick(cells, columns, output),
            (Cells::F64(cells), CellsMut::F32(output)) => self.pick(cells, columns, output),
            (Cells::F64(cells), CellsMut::F64(output)) => self.pick(cells, columns, output),
            (Cells::F64(cells), CellsMut::I64(output)) => {
                let range = IntegerRange::new(f64::NEG_INFINITY, f64::INFINITY);
                let mut rows = cells.chunks_exact(columns).map(|row| &row[self.places.clone()]);
                if !rows.all(|row| row.iter().all(|cell| range.holds(*cell))) {
                    return Err("a cell is no integer that a tensor of them holds".to_owned());
                }
                self.pick(cells, columns, output);
            }
            _ => return Err(wrong_type()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_becomes_what_its_tensor_holds_or_fails_its_rows() {
        fn rows(cells: &[f64]) -> [Rows<'_>; 1] {
            [Rows { cells: Cells::F64(cells), columns: 2 }]
        }
        let matrix = [0.5, 1e9 + 0.25, 7.0, 8.0];
        let mut typed = TypedColumns::new(1..2, Element::F32);
        let mut floats = [0.0; 2];
        typed.run(2, &rows(&matrix), CellsMut::F32(&mut floats)).expect("floats");
        assert_eq!(floats.map(f32::to_bits), [1e9_f32, 8.0].map(f32::to_bits));
        let mut typed = TypedColumns::new(1..2, Element::I64);
        let mut integers = [0; 2];
        let mut run = |cells: [f64; 4]| {
            typed.run(2, &rows(&cells), CellsMut::I64(&mut integers)).map(|()| integers)
        };
        assert_eq!(run([0.5, -3.0, 0.5, 8.0]), Ok([-3, 8]));
        for other in [0.5, f64::NAN, 1e18] {
            assert!(run([0.5, -3.0, 0.5, other]).is_err(), "{other}");
        }
    }
}
