//! `int`: 32-bit integer.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::bigint::BigintColumn;
use super::written::without_zero_fraction;
use super::{Cause, Column, ColumnType, MatrixCell, Precision};

pub(super) struct IntColumn;

impl Column for IntColumn {
    type Value<'a> = i32;
    const CQL: &[NativeType] = &[NativeType::Int];
    const IS_FLOATING: bool = false;

    packed_as!(i32);

    fn parse(text: &str) -> Option<i32> {
        without_zero_fraction(text).parse().ok()
    }

    fn of_truth(truth: bool) -> Option<i32> {
        Some(i32::from(truth))
    }

    fn cause(text: &str, number: f64) -> Cause {
        match BigintColumn::parse(text) {
            Some(_) => Cause::Wider(ColumnType::Bigint),
            None => BigintColumn::cause(text, number),
        }
    }

    fn encode(value: i32) -> CqlValue {
        CqlValue::Int(value)
    }

    fn holds(number: f64) -> bool {
        number.fract() == 0.0 && (-2_147_483_648.0..2_147_483_648.0).contains(&number)
    }

    fn reads(stored: ColumnType) -> bool {
        use ColumnType::{Boolean, Int, Smallint, Tinyint};
        matches!(stored, Int | Smallint | Tinyint | Boolean)
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        let value = i32::from_le_bytes(super::bytes(at));
        (f64::from(value), C::from_integer(i64::from(value)))
    }

    fn is_rounded(value: i32, precision: Precision) -> bool {
        BigintColumn::is_rounded(i64::from(value), precision)
    }
}
