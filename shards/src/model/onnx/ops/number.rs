//! The two types of cells, for operators that compute in the type of their input.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Sub};

use super::{Cells, CellsMut, wrong_type};

/// `f32` or `f64`.
pub(super) trait Number:
    Copy
    + Debug
    + Send
    + Sync
    + PartialOrd
    + Send
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + 'static
{
    const ZERO: Self;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// The cells, if they are of this type.
    fn cells(cells: Cells<'_>) -> Result<&[Self], String>;
    /// The cells, if they are of this type.
    fn cells_mut(cells: CellsMut<'_>) -> Result<&mut [Self], String>;
}

impl Number for f32 {
    const ZERO: Self = 0.0;

    fn from_f64(value: f64) -> Self {
        value as Self
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn cells(cells: Cells<'_>) -> Result<&[Self], String> {
        let Cells::F32(cells) = cells else { return Err(wrong_type()) };
        Ok(cells)
    }

    fn cells_mut(cells: CellsMut<'_>) -> Result<&mut [Self], String> {
        let CellsMut::F32(cells) = cells else { return Err(wrong_type()) };
        Ok(cells)
    }
}

impl Number for f64 {
    const ZERO: Self = 0.0;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn cells(cells: Cells<'_>) -> Result<&[Self], String> {
        let Cells::F64(cells) = cells else { return Err(wrong_type()) };
        Ok(cells)
    }

    fn cells_mut(cells: CellsMut<'_>) -> Result<&mut [Self], String> {
        let CellsMut::F64(cells) = cells else { return Err(wrong_type()) };
        Ok(cells)
    }
}

/// These numbers as cells.
pub(super) fn converted<T: Number>(numbers: &[f64]) -> Vec<T> {
    numbers.iter().copied().map(T::from_f64).collect()
}
