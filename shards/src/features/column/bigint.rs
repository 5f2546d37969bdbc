//! `bigint`: 64-bit integer.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::written::without_zero_fraction;
use super::{Cause, Column, ColumnType, MatrixCell, Precision};

/// One more than the greatest.
const END: f64 = 9_223_372_036_854_775_808.0;

pub(super) struct BigintColumn;

impl Column for BigintColumn {
    type Value<'a> = i64;
    const CQL: &[NativeType] = &[NativeType::BigInt];
    const IS_FLOATING: bool = false;

    packed_as!(i64);

    fn parse(text: &str) -> Option<i64> {
        without_zero_fraction(text).parse().ok()
    }

    fn of_truth(truth: bool) -> Option<i64> {
        Some(i64::from(truth))
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

    fn encode(value: i64) -> CqlValue {
        CqlValue::BigInt(value)
    }

    fn holds(number: f64) -> bool {
        number.fract() == 0.0 && (-END..END).contains(&number)
    }

    fn reads(stored: ColumnType) -> bool {
        use ColumnType::{Bigint, Boolean, Int, Smallint, Tinyint, Varint};
        matches!(stored, Bigint | Varint | Int | Smallint | Tinyint | Boolean)
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        let value = i64::from_le_bytes(super::bytes(at));
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
