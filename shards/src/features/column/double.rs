//! `double`: 64-bit floating point.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::text::means_infinity;
use super::{Cause, Column, ColumnType, MatrixCell, Precision, bytes};

pub(super) struct DoubleColumn;

impl Column for DoubleColumn {
    type Value = f64;
    const WIDTH_BYTES: usize = size_of::<f64>();
    const CQL: NativeType = NativeType::Double;
    const IS_FLOATING: bool = true;

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

    fn pack(value: f64, at: &mut [u8]) {
        at[..Self::WIDTH_BYTES].copy_from_slice(&value.to_le_bytes());
    }

    /// NaN, as for `float`.
    fn pack_null(at: &mut [u8]) {
        Self::pack(f64::NAN, at);
    }

    fn unpack(at: &[u8]) -> f64 {
        f64::from_le_bytes(bytes(at))
    }

    fn decode(cql: &[u8]) -> Option<f64> {
        Some(f64::from_be_bytes(cql.try_into().ok()?))
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
