//! `int`: 32-bit integer.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::bigint::BigintColumn;
use super::text::without_zero_fraction;
use super::{Cause, Column, ColumnType, MatrixCell, Precision, bytes};

pub(super) struct IntColumn;

impl Column for IntColumn {
    type Value = i32;
    const WIDTH_BYTES: usize = size_of::<i32>();
    const CQL: NativeType = NativeType::Int;
    const IS_FLOATING: bool = false;

    fn parse(text: &str) -> Option<i32> {
        without_zero_fraction(text).parse().ok()
    }

    fn of_truth(truth: bool) -> i32 {
        i32::from(truth)
    }

    fn cause(text: &str, number: f64) -> Cause {
        match BigintColumn::parse(text) {
            Some(_) => Cause::Wider(ColumnType::Bigint),
            None => BigintColumn::cause(text, number),
        }
    }

    fn pack(value: i32, at: &mut [u8]) {
        at[..Self::WIDTH_BYTES].copy_from_slice(&value.to_le_bytes());
    }

    fn unpack(at: &[u8]) -> i32 {
        i32::from_le_bytes(bytes(at))
    }

    fn decode(cql: &[u8]) -> Option<i32> {
        Some(i32::from_be_bytes(cql.try_into().ok()?))
    }

    fn encode(value: i32) -> CqlValue {
        CqlValue::Int(value)
    }

    fn holds(number: f64) -> bool {
        number.fract() == 0.0 && (-2_147_483_648.0..2_147_483_648.0).contains(&number)
    }

    fn reads(stored: ColumnType) -> bool {
        matches!(stored, ColumnType::Int | ColumnType::Boolean)
    }

    fn join<C: MatrixCell>(value: i32) -> (f64, C) {
        (f64::from(value), C::from_integer(i64::from(value)))
    }

    fn is_rounded(value: i32, precision: Precision) -> bool {
        BigintColumn::is_rounded(i64::from(value), precision)
    }
}
