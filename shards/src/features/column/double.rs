//! `double`: 64-bit floating point.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::written::means_infinity;
use super::{Cause, Column, ColumnType, MatrixCell, Precision};

pub(super) struct DoubleColumn;

impl Column for DoubleColumn {
    type Value<'a> = f64;
    const CQL: &[NativeType] = &[NativeType::Double];
    const IS_FLOATING: bool = true;

    packed_as!(f64);

    fn parse(text: &str) -> Option<f64> {
        let value: f64 = text.parse().ok()?;
        (!value.is_infinite() || means_infinity(text)).then_some(value)
    }

    fn of_truth(truth: bool) -> Option<f64> {
        Some(f64::from(u8::from(truth)))
    }

    fn cause(_text: &str, _number: f64) -> Cause {
        Cause::TooGreat
    }

    /// NaN, as for `float`.
    fn pack_null(at: &mut [u8]) {
        at[..size_of::<f64>()].copy_from_slice(&f64::NAN.to_le_bytes());
    }

    fn encode(value: f64) -> CqlValue {
        CqlValue::Double(value)
    }

    fn holds(_number: f64) -> bool {
        true
    }

    fn reads(stored: ColumnType) -> bool {
        use ColumnType::{Boolean, Decimal, Double, Float, Int, Smallint, Tinyint};
        matches!(stored, Double | Float | Decimal | Int | Smallint | Tinyint | Boolean)
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        let value = f64::from_le_bytes(super::bytes(at));
        (value, C::from_double(value))
    }

    fn is_rounded(value: f64, precision: Precision) -> bool {
        let is_narrowed = precision == Precision::F32 && !value.is_nan();
        is_narrowed && f64::from(value as f32).to_bits() != value.to_bits()
    }
}
