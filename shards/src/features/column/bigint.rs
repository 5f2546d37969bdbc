//! `bigint`: 64-bit integer.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::text::without_zero_fraction;
use super::{Cause, Column, ColumnType, MatrixCell, Precision, bytes};

/// One more than the greatest.
const END: f64 = 9_223_372_036_854_775_808.0;

pub(super) struct BigintColumn;

impl Column for BigintColumn {
    type Value = i64;
    const WIDTH_BYTES: usize = size_of::<i64>();
    const CQL: NativeType = NativeType::BigInt;
    const IS_FLOATING: bool = false;

    fn parse(text: &str) -> Option<i64> {
        without_zero_fraction(text).parse().ok()
    }

    fn of_truth(truth: bool) -> i64 {
        i64::from(truth)
    }

    fn cause(text: &str, number: f64) -> Cause {
        if number.is_infinite() {
            Cause::TooGreat
        } else if text.contains(['e', 'E']) {
            Cause::Exponent
        } else if number.fract() != 0.0 {
            Cause::Fraction
        } else {
            Cause::Wider(ColumnType::Double)
        }
    }

    fn pack(value: i64, at: &mut [u8]) {
        at[..Self::WIDTH_BYTES].copy_from_slice(&value.to_le_bytes());
    }

    fn unpack(at: &[u8]) -> i64 {
        i64::from_le_bytes(bytes(at))
    }

    fn decode(cql: &[u8]) -> Option<i64> {
        Some(i64::from_be_bytes(cql.try_into().ok()?))
    }

    fn encode(value: i64) -> CqlValue {
        CqlValue::BigInt(value)
    }

    fn holds(number: f64) -> bool {
        number.fract() == 0.0 && (-END..END).contains(&number)
    }

    fn reads(stored: ColumnType) -> bool {
        matches!(stored, ColumnType::Bigint | ColumnType::Int | ColumnType::Boolean)
    }

    fn join<C: MatrixCell>(value: i64) -> (f64, C) {
        (value as f64, C::from_integer(value))
    }

    fn is_rounded(value: i64, precision: Precision) -> bool {
        // 128 bits: a number at the end is rounded to what 64 bits do not hold.
        let read = match precision {
            Precision::F32 => value as f32 as i128,
            Precision::F64 => value as f64 as i128,
        };
        read != i128::from(value)
    }
}
