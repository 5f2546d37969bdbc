//! `float`: 32-bit floating point.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::written::means_infinity;
use super::{Cause, Column, ColumnType, MatrixCell, Precision};

pub(super) struct FloatColumn;

impl Column for FloatColumn {
    type Value<'a> = f32;
    const CQL: &[NativeType] = &[NativeType::Float];
    const IS_FLOATING: bool = true;

    packed_as!(f32);

    fn parse(text: &str) -> Option<f32> {
        let value: f32 = text.parse().ok()?;
        (!value.is_infinite() || means_infinity(text)).then_some(value)
    }

    fn of_truth(truth: bool) -> Option<f32> {
        Some(f32::from(u8::from(truth)))
    }

    fn cause(_text: &str, number: f64) -> Cause {
        if number.is_infinite() { Cause::TooGreat } else { Cause::Wider(ColumnType::Double) }
    }

    /// NaN, so that a row of floats is read without a look at its null bits.
    fn pack_null(at: &mut [u8]) {
        at[..size_of::<f32>()].copy_from_slice(&f32::NAN.to_le_bytes());
    }

    fn encode(value: f32) -> CqlValue {
        CqlValue::Float(value)
    }

    fn holds(_number: f64) -> bool {
        true
    }

    fn reads(stored: ColumnType) -> bool {
        use ColumnType::{Boolean, Float, Smallint, Tinyint};
        matches!(stored, Float | Smallint | Tinyint | Boolean)
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        let value = f32::from_le_bytes(super::bytes(at));
        (f64::from(value), C::from_float(value))
    }

    fn is_rounded(_value: f32, _precision: Precision) -> bool {
        false
    }
}
