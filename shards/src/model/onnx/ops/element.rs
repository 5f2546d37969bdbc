//! What the cells of an operator's inputs and outputs are, and how one type becomes another.

use crate::features::{self, Precision};

/// The type of a value's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model::onnx) enum Element {
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
    /// Integers of 64 bits, and of all others that the format has but the largest unsigned ones.
    I64,
}

impl Element {
    /// The precision of floats, or why integers are none.
    pub(in crate::model::onnx) fn precision(self) -> Result<Precision, String> {
        match self {
            Self::F32 => Ok(Precision::F32),
            Self::F64 => Ok(Precision::F64),
            Self::I64 => Err("its input holds integers, expected floats".to_owned()),
        }
    }
}

impl From<Precision> for Element {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F64 => Self::F64,
        }
    }
}

/// The cells of rows, row-major.
#[derive(Debug, Clone, Copy)]
pub(in crate::model::onnx) enum Cells<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I64(&'a [i64]),
}

impl<'a> Cells<'a> {
    /// The cells as the matrix of features has them.
    pub(super) fn floats(self) -> Result<features::Cells<'a>, String> {
        match self {
            Self::F32(cells) => Ok(features::Cells::F32(cells)),
            Self::F64(cells) => Ok(features::Cells::F64(cells)),
            Self::I64(_) => Err(super::wrong_type()),
        }
    }
}

impl<'a> From<features::Cells<'a>> for Cells<'a> {
    fn from(cells: features::Cells<'a>) -> Self {
        match cells {
            features::Cells::F32(cells) => Self::F32(cells),
            features::Cells::F64(cells) => Self::F64(cells),
        }
    }
}

/// The cells of rows, row-major, to be written.
#[derive(Debug)]
pub(in crate::model::onnx) enum CellsMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    I64(&'a mut [i64]),
}

/// The integer that a cast makes of a float, as ONNX Runtime does: what is behind the point is cut
/// off, and NaN and what no integer holds become the least one, which is no category of anybody.
pub(in crate::model::onnx) fn cast_to_i64(value: f64) -> i64 {
    // Both bounds are powers of two, so floats hold them exactly.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if fits { value as i64 } else { i64::MIN }
}

/// The same for integers of 32 bits.
pub(in crate::model::onnx) fn cast_to_i32(value: f64) -> i32 {
    let whole = value.trunc();
    let fits = (-2_147_483_648.0..2_147_483_648.0).contains(&whole);
    if fits { whole as i32 } else { i32::MIN }
}

/// The integer that a float is, if it is one: not NaN, and nothing behind the point.
pub(in crate::model::onnx) fn exact_i64(value: f64) -> Option<i64> {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    (fits && value.fract() == 0.0).then_some(value as i64)
}

/// A cell as it is copied from one type to another.
pub(super) trait Convert<T> {
    fn convert(self) -> T;
}

macro_rules! convert {
    ($($from:ident => $to:ident: $convert:expr),* $(,)?) => {
        $(impl Convert<$to> for $from {
            fn convert(self) -> $to {
                let convert: fn($from) -> $to = $convert;
                convert(self)
            }
        })*
    };
}

convert! {
    f32 => f32: |cell| cell,
    f64 => f64: |cell| cell,
    i64 => i64: |cell| cell,
    f32 => f64: f64::from,
    f64 => f32: |cell| cell as f32,
    f32 => i64: |cell| cast_to_i64(f64::from(cell)),
    f64 => i64: cast_to_i64,
    i64 => f32: |cell| cell as f32,
    i64 => f64: |cell| cell as f64,
}

/// Copies rows of `columns` cells to `start` of rows of `width` cells.
fn place<F: Copy + Convert<T>, T>(
    from: &[F],
    columns: usize,
    to: &mut [T],
    start: usize,
    width: usize,
) {
    let rows = to.chunks_exact_mut(width).map(|row| &mut row[start..start + columns]);
    for (from, to) in from.chunks_exact(columns).zip(rows) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from.convert());
    }
}

impl Cells<'_> {
    /// Copies these rows of `columns` cells to `start` of each row of `width` cells of `output`,
    /// each cell as a cast makes it.
    pub(super) fn place(
        self,
        columns: usize,
        output: &mut CellsMut<'_>,
        start: usize,
        width: usize,
    ) {
        match (self, output) {
            (Cells::F32(from), CellsMut::F32(to)) => place(from, columns, to, start, width),
            (Cells::F32(from), CellsMut::F64(to)) => place(from, columns, to, start, width),
            (Cells::F32(from), CellsMut::I64(to)) => place(from, columns, to, start, width),
            (Cells::F64(from), CellsMut::F32(to)) => place(from, columns, to, start, width),
            (Cells::F64(from), CellsMut::F64(to)) => place(from, columns, to, start, width),
            (Cells::F64(from), CellsMut::I64(to)) => place(from, columns, to, start, width),
            (Cells::I64(from), CellsMut::F32(to)) => place(from, columns, to, start, width),
            (Cells::I64(from), CellsMut::F64(to)) => place(from, columns, to, start, width),
            (Cells::I64(from), CellsMut::I64(to)) => place(from, columns, to, start, width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cast_to_i32, cast_to_i64, exact_i64};

    #[test]
    fn what_no_integer_holds_becomes_the_least_one() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, -1e30, 2_f64.powi(63)] {
            assert_eq!(cast_to_i64(value), i64::MIN, "{value}");
            assert_eq!(cast_to_i32(value), i32::MIN, "{value}");
            assert_eq!(exact_i64(value), None, "{value}");
        }
        assert_eq!(cast_to_i32(2_147_483_648.0), i32::MIN);
        assert_eq!(exact_i64(-(2_f64.powi(63))), Some(i64::MIN));
    }

    #[test]
    fn what_is_behind_the_point_is_cut_off() {
        let large = 2_147_483_647.9;
        for (value, whole) in [(3.7, 3), (-3.7, -3), (-0.5, 0), (large, i64::from(i32::MAX))] {
            assert_eq!(cast_to_i64(value), whole);
            assert_eq!(i64::from(cast_to_i32(value)), whole);
            assert_eq!(exact_i64(value), None);
        }
        assert_eq!(exact_i64(-3.0), Some(-3));
    }
}
