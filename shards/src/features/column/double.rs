//! `double`: 64-bit floating point.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::text::means_infinity;
use super::{Cause, Column, ColumnType, MatrixCell, Precision};

pub(super) struct DoubleColumn;

impl Column for DoubleColumn {
    type Value = f64;
    const CQL: NativeType = NativeType::Double;
    const IS_FLOATING: bool = true;

    packed_as!(f64);

    fn parse(text: &str) -> Option<f64> {
        let value: f64 = text.parse().ok()?;
        (!value.is_infinite() || means_infinity(text)).then_some(value)
    }

    fn of_truth(truth: bool) -> f64 {
        f64::from(u8::from(truth))
    }

    fn cause(_text: &str, _number: f64) -> Cause {
        Cause::TooGreat
    }

    /// NaN, as for `float`.
    fn pack_null(at: &mut [u8]) {
        Self::pack(f64::NAN, at);
    }

    fn encode(value: f64) -> CqlValue {
        CqlValue::Double(value)
    }

    fn holds(_number: f64) -> bool {
        true
    }

    fn reads(stored: ColumnType) -> bool {
        use ColumnType::{Boolean, Double, Float, Int};
        matches!(stored, Double | Float | Int | Boolean)
    }

    fn join<C: MatrixCell>(value: f64) -> (f64, C) {
        (value, C::from_double(value))
    }

    fn is_rounded(value: f64, precision: Precision) -> bool {
        let is_narrowed = precision == Precision::F32 && !value.is_nan();
        is_narrowed && f64::from(value as f32).to_bits() != value.to_bits()
    }
}
