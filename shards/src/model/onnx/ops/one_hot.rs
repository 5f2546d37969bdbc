//! `OneHotEncoder` of numbers: a column for each category, compared as integers of 64 bits.
//!
//! A cell that is NaN or has a fraction is no category. A row with a cell that is none of them has
//! only zeros, or fails where the encoder was told to (`zeros` is 0), as the library does.

use super::element::exact_i64;
use super::lookup::{Keys, Lookup, Sorted};
use super::{
    Cells, CellsMut, Element, Flow, KernelChoice, NodeContext, OnnxError, Origin, Piece, RowKernel,
    RowOperator, RowShape, Rows, only, wrong_type,
};

/// Each integer up to here is a float of this many bits; a larger one may have been rounded to its
/// neighbour before it came here.
const EXACT_F32: u64 = 1 << 24;
const EXACT_F64: u64 = 1 << 53;

#[derive(Debug)]
struct OneHotEncoder {
    categories: Vec<i64>,
    /// Whether a number that is no category leaves zeros.
    ignores: bool,
}

#[derive(Debug, Clone)]
struct OneHotKernel {
    categories: Sorted<i64>,
    ignores: bool,
    /// Columns that each cell becomes.
    width: usize,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let categories = context.integers("cats_int64s")?;
    if categories.is_empty() {
        return Err(context.refuse(
            "attribute `cats_int64s` is missing, and text is not read: encode the categories as \
             integers before the model",
        ));
    }
    let categories = categories.to_vec();
    if let Some((_, _, twice)) = Keys::Integers(categories.clone()).twice().first() {
        return Err(context.refuse(format!("category {twice} is there twice: export it again")));
    }
    let ignores = context.integer("zeros")?.unwrap_or(1) != 0;
    Ok(Box::new(OneHotEncoder { categories, ignores }))
}

impl RowOperator for OneHotEncoder {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only(inputs)?;
        let exact = match input.element {
            Element::F32 => Some((EXACT_F32, "float")),
            Element::F64 => Some((EXACT_F64, "double")),
            Element::I64 => None,
        };
        if let Some((most, of)) = exact
            && let Some(large) = self.categories.iter().find(|known| known.unsigned_abs() > most)
        {
            return Err(format!(
                "category {large} is beyond what a {of} tells apart: export the column as int64"
            ));
        }
        let columns = input.columns.checked_mul(self.categories.len());
        let columns = columns.ok_or("too many columns")?;
        Ok(RowShape { columns, element: Element::F32 })
    }

    fn reads_integers(&self) -> bool {
        true
    }

    fn pieces(
        &self,
        inputs: &[Vec<Piece<Origin>>],
        _shapes: &[RowShape],
    ) -> Option<Vec<Piece<Origin>>> {
        let ([input], true) = (inputs, self.ignores) else { return None };
        let mut made = Vec::with_capacity(input.len() * self.categories.len());
        for piece in input {
            let Piece::Cell(origin) = piece else { return None };
            made.extend(self.categories.iter().map(|category| Piece::Is(*origin, *category)));
        }
        Some(made)
    }

    fn cells_of_each(&self) -> Option<usize> {
        Some(self.categories.len())
    }

    fn flow(&self) -> Flow {
        Flow::Each(self.categories.len())
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        let Lookup::Integers(categories) = Keys::Integers(self.categories.clone()).lookup(true)
        else {
            return Err(wrong_type());
        };
        let (ignores, width) = (self.ignores, self.categories.len());
        Ok(Box::new(OneHotKernel { categories, ignores, width }))
    }
}

impl RowKernel for OneHotKernel {
    fn name(&self) -> String {
        "one-hot".to_owned()
    }

    fn knows_some_rows_only(&self) -> bool {
        !self.ignores
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let CellsMut::F32(output) = output else { return Err(wrong_type()) };
        match inputs[0].cells {
            Cells::F32(cells) => self.mark(cells, output, |cell| exact_i64(f64::from(cell))),
            Cells::F64(cells) => self.mark(cells, output, exact_i64),
            Cells::I64(cells) => self.mark(cells, output, Some),
        }
    }
}

impl OneHotKernel {
    fn mark<T: Copy + ToString>(
        &self,
        cells: &[T],
        output: &mut [f32],
        whole: impl Fn(T) -> Option<i64>,
    ) -> Result<(), String> {
        output.fill(0.0);
        for (cell, made) in cells.iter().zip(output.chunks_exact_mut(self.width)) {
            match whole(*cell).and_then(|cell| self.categories.place(cell)) {
                Some(place) => made[place] = 1.0,
                None if self.ignores => {}
                None => return Err(format!("{} is no category", cell.to_string())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder(categories: &[i64], ignores: bool) -> OneHotEncoder {
        OneHotEncoder { categories: categories.to_vec(), ignores }
    }

    /// What an encoder makes of a column of these cells.
    fn encoded(encoder: &OneHotEncoder, cells: Cells<'_>, rows: usize) -> Result<Vec<f32>, String> {
        let element = match cells {
            Cells::F32(_) => Element::F32,
            Cells::F64(_) => Element::F64,
            Cells::I64(_) => Element::I64,
        };
        let shape = [RowShape { columns: 1, element }];
        let width = encoder.shape(&shape)?.columns;
        let mut made = vec![7.0; rows * width];
        let mut kernel = encoder.kernel(&shape, KernelChoice::Auto)?;
        kernel.run(rows, &[Rows { cells, columns: 1 }], CellsMut::F32(&mut made))?;
        Ok(made)
    }

    #[test]
    fn only_the_integer_itself_is_a_category() {
        let encoder = encoder(&[3, -1, 0], true);
        let cells = [3.0, -1.0, -0.0, 2.9, 3.5, -0.5, f64::NAN, f64::INFINITY, -1e30];
        let expected: Vec<_> = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
            .into_iter()
            .chain([[0.0; 3]; 6])
            .flatten()
            .collect();
        assert_eq!(encoded(&encoder, Cells::F64(&cells), 9), Ok(expected.clone()));
        let cells = cells.map(|cell| cell as f32);
        assert_eq!(encoded(&encoder, Cells::F32(&cells), 9), Ok(expected));
    }

    #[test]
    fn a_category_that_is_not_known_is_an_error_where_it_has_to_be() {
        let encoder = encoder(&[0, 1], false);
        assert_eq!(encoded(&encoder, Cells::I64(&[1]), 1), Ok(vec![0.0, 1.0]));
        for cell in [2.0, 0.5, f64::NAN] {
            let error = encoded(&encoder, Cells::F64(&[0.0, cell]), 2).expect_err("not known");
            assert_eq!(error, format!("{cell} is no category"));
        }
    }

    #[test]
    fn integers_that_a_float_does_not_tell_apart_are_refused_of_floats_alone() {
        let large = (1 << 24) + 1;
        let encoder = encoder(&[large, large + 1], true);
        assert_eq!(encoded(&encoder, Cells::I64(&[large]), 1), Ok(vec![1.0, 0.0]));
        let double = [large as f64 + 1.0];
        assert_eq!(encoded(&encoder, Cells::F64(&double), 1), Ok(vec![0.0, 1.0]));
        assert!(encoded(&encoder, Cells::F32(&[large as f32]), 1).is_err());
    }
}
