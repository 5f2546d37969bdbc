//! Rows as a kernel reads them: converted to its precision, scaled if a scaler was folded in.

use super::real::Real;
use crate::features::Cells;

/// The affine map of an ONNX `Scaler` node, folded into the kernel: `(x - offset) * scale`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

/// A scaler whose attributes do not fit its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{attribute}` has {found} values, expected 1 or {columns}, one for each column")]
pub struct ScalerError {
    /// `offset` or `scale`.
    pub attribute: &'static str,
    /// How many values it has.
    pub found: usize,
    /// How many columns the scaler's input has.
    pub columns: usize,
}

impl Scaler {
    /// A scaler for rows of `columns` cells; an attribute of one value holds for all columns.
    pub fn new(offset: &[f32], scale: &[f32], columns: usize) -> Result<Self, ScalerError> {
        let spread = |attribute, values: &[f32]| match values {
            [value] => Ok(vec![*value; columns]),
            values if values.len() == columns => Ok(values.to_vec()),
            values => Err(ScalerError { attribute, found: values.len(), columns }),
        };
        Ok(Self { offset: spread("offset", offset)?, scale: spread("scale", scale)? })
    }

    /// How many columns it scales.
    pub fn columns(&self) -> usize {
        self.offset.len()
    }

    /// 32-bit cells of `column`, scaled as the operator does: in 32 bits.
    #[inline(always)]
    pub(super) fn scale<const N: usize>(&self, column: usize, cells: [f32; N]) -> [f32; N] {
        let (offset, scale) = (self.offset[column], self.scale[column]);
        cells.map(|cell| (cell - offset) * scale)
    }

    /// 64-bit cells of `column`, scaled as the operator does: in 64 bits, then rounded to 32.
    #[inline(always)]
    fn scale_wide<const N: usize>(&self, column: usize, cells: [f64; N]) -> [f32; N] {
        let (offset, scale) = (f64::from(self.offset[column]), f64::from(self.scale[column]));
        cells.map(|cell| ((cell - offset) * scale) as f32)
    }
}

/// The rows of a batch, with what is done to each cell before a tree sees it.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) cells: Cells<'a>,
    pub(super) columns: usize,
    pub(super) scaler: Option<&'a Scaler>,
}

impl Rows<'_> {
    /// Writes the first `cells.len()` cells of `row`.
    pub(super) fn read<T: Real>(&self, row: usize, cells: &mut [T]) {
        for (column, cell) in cells.iter_mut().enumerate() {
            *cell = self.column::<T, 1>(row, column, 1)[0];
        }
    }

    /// One column of rows `first..first + count`, then zeros up to `N`.
    #[inline(always)]
    pub(super) fn column<T: Real, const N: usize>(
        &self,
        first: usize,
        column: usize,
        count: usize,
    ) -> [T; N] {
        match self.cells {
            Cells::F32(cells) => {
                let cells = strided(cells, first * self.columns + column, self.columns, count);
                match self.scaler {
                    Some(scaler) => scaler.scale::<N>(column, cells).map(T::from_f32),
                    None => cells.map(T::from_f32),
                }
            }
            Cells::F64(cells) => {
                let cells = strided(cells, first * self.columns + column, self.columns, count);
                match self.scaler {
                    Some(scaler) => scaler.scale_wide::<N>(column, cells).map(T::from_f32),
                    None => cells.map(T::from_f64),
                }
            }
        }
    }
}

#[inline(always)]
fn strided<C: Copy + Default, const N: usize>(
    cells: &[C],
    start: usize,
    stride: usize,
    count: usize,
) -> [C; N] {
    let mut lanes = [C::default(); N];
    if count == N && start + stride * (N - 1) < cells.len() {
        // One check for all lanes.
        let cells = &cells[start..=start + stride * (N - 1)];
        for (lane, cell) in lanes.iter_mut().enumerate() {
            *cell = cells[lane * stride];
        }
        return lanes;
    }
    for (lane, cell) in lanes.iter_mut().take(count).enumerate() {
        *cell = cells[start + lane * stride];
    }
    lanes
}
