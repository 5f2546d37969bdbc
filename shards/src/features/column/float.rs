//! `float`: 32-bit floating point.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::text::means_infinity;
use super::{Cause, Column, ColumnType, MatrixCell, Precision, bytes};

pub(super) struct FloatColumn;

impl Column for FloatColumn {
    type Value = f32;
    const WIDTH_BYTES: usize = size_of::<f32>();
    const CQL: NativeType = NativeType::Float;
    const IS_FLOATING: bool = true;

    fn parse(text: &str) -> Option<f32> {
        let value: f32 = text.parse().ok()?;
        (!value.is_infinite() || means_infinity(text)).then_some(value)
    }

    fn of_truth(truth: bool) -> f32 {
        f32::from(u8::from(truth))
    }

    fn cause(_text: &str, number: f64) -> Cause {
        if number.is_infinite() { Cause::TooGreat } else { Cause::Wider(ColumnType::Double) }
    }

    fn pack(value: f32, at: &mut [u8]) {
        at[..Self::WIDTH_BYTES].copy_from_slice(&value.to_le_bytes());
    }

    /// NaN, so that a row of floats is read without a look at its null bits.
    fn pack_null(at: &mut [u8]) {
        Self::pack(f32::NAN, at);
    }

    fn unpack(at: &[u8]) -> f32 {
        f32::from_le_bytes(bytes(at))
    }

    fn decode(cql: &[u8]) -> Option<f32> {
        Some(f32::from_be_bytes(cql.try_into().ok()?))
    }

    fn encode(value: f32) -> CqlValue {
        CqlValue::Float(value)
    }

    fn holds(_number: f64) -> bool {
        true
    }

    fn reads(stored: ColumnType) -> bool {
        matches!(stored, ColumnType::Float | ColumnType::Boolean)
    }

    fn join<C: MatrixCell>(value: f32) -> (f64, C) {
        (f64::from(value), C::from_float(value))
    }

    fn is_rounded(_value: f32, _precision: Precision) -> bool {
        false
    }
}
