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

    /// A 32-bit cell of `column`, scaled as the operator does: in 32 bits.
    fn scale(&self, column: usize, cell: f32) -> f32 {
        (cell - self.offset[column]) * self.scale[column]
    }

    /// A 64-bit cell of `column`, scaled as the operator does: in 64 bits, then rounded to 32.
    fn scale_wide(&self, column: usize, cell: f64) -> f32 {
        ((cell - f64::from(self.offset[column])) * f64::from(self.scale[column])) as f32
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
        let range = row * self.columns..(row + 1) * self.columns;
        match (self.cells, self.scaler) {
            (Cells::F32(from), None) => {
                for (to, from) in cells.iter_mut().zip(&from[range]) {
                    *to = T::from_f32(*from);
                }
            }
            (Cells::F64(from), None) => {
                for (to, from) in cells.iter_mut().zip(&from[range]) {
                    *to = T::from_f64(*from);
                }
            }
            (Cells::F32(from), Some(scaler)) => {
                for (column, (to, from)) in cells.iter_mut().zip(&from[range]).enumerate() {
                    *to = T::from_f32(scaler.scale(column, *from));
                }
            }
            (Cells::F64(from), Some(scaler)) => {
                for (column, (to, from)) in cells.iter_mut().zip(&from[range]).enumerate() {
                    *to = T::from_f32(scaler.scale_wide(column, *from));
                }
            }
        }
    }
}
