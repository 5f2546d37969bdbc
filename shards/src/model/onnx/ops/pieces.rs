//! What the columns of a value are made of, where that is no more than cells of other values and
//! tests for one category each. A step that reads such columns may read the cells themselves.

use super::{Cells, CellsMut, KernelChoice, RowKernel, RowOperator, RowShape, Rows, wrong_type};

/// A column: a cell, or 1 where a cell is this category and 0 elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model::onnx) enum Piece<P> {
    Cell(P),
    Is(P, i64),
}

impl<P> Piece<P> {
    /// The cell that it is made of.
    pub(in crate::model::onnx) fn place(&self) -> &P {
        let (Self::Cell(place) | Self::Is(place, _)) = self;
        place
    }

    pub(in crate::model::onnx) fn map<Q>(&self, to: impl FnOnce(&P) -> Q) -> Piece<Q> {
        match self {
            Self::Cell(place) => Piece::Cell(to(place)),
            Self::Is(place, category) => Piece::Is(to(place), *category),
        }
    }
}

/// A cell of a row: which value of the program, and which of its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::model::onnx) struct Origin {
    /// As the program's planning counts.
    pub(in crate::model::onnx) value: usize,
    pub(in crate::model::onnx) column: usize,
}

/// The columns of some values, all of one type: by input, and its column.
#[derive(Debug, Clone)]
pub(in crate::model::onnx) struct Picked {
    places: Vec<(usize, usize)>,
}

impl Picked {
    pub(in crate::model::onnx) fn new(places: Vec<(usize, usize)>) -> Self {
        Self { places }
    }
}

impl RowOperator for Picked {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let first = inputs.first().ok_or("no input")?;
        let fits =
            |place: &(usize, usize)| inputs.get(place.0).is_some_and(|it| place.1 < it.columns);
        if inputs.iter().any(|input| input.element != first.element)
            || !self.places.iter().all(fits)
        {
            return Err("its inputs are of other types or widths".to_owned());
        }
        Ok(RowShape { columns: self.places.len(), element: first.element })
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Picked {
    fn name(&self) -> String {
        "columns".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        match output {
            CellsMut::F32(output) => self.pick(inputs, output, |cells| match cells {
                Cells::F32(cells) => Some(cells),
                _ => None,
            }),
            CellsMut::F64(output) => self.pick(inputs, output, |cells| match cells {
                Cells::F64(cells) => Some(cells),
                _ => None,
            }),
            CellsMut::I64(output) => self.pick(inputs, output, |cells| match cells {
                Cells::I64(cells) => Some(cells),
                _ => None,
            }),
        }
    }
}

impl Picked {
    fn pick<'c, T: Copy + 'c>(
        &self,
        inputs: &[Rows<'c>],
        output: &mut [T],
        of: impl Fn(Cells<'c>) -> Option<&'c [T]>,
    ) -> Result<(), String> {
        let width = self.places.len();
        for (made, (input, column)) in self.places.iter().enumerate() {
            let input = inputs[*input];
            let cells = of(input.cells).ok_or_else(wrong_type)?;
            let rows = cells.chunks_exact(input.columns).zip(output.chunks_exact_mut(width));
            rows.for_each(|(row, output)| output[made] = row[*column]);
        }
        Ok(())
    }
}
