//! `smallint`: 16-bit integer.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::int::IntColumn;
use super::written::without_zero_fraction;
use super::{Cause, Column, ColumnType, MatrixCell, Precision};

pub(super) struct SmallintColumn;

impl Column for SmallintColumn {
    type Value<'a> = i16;
    const CQL: &[NativeType] = &[NativeType::SmallInt];
    const IS_FLOATING: bool = false;

    packed_as!(i16);

    fn parse(text: &str) -> Option<i16> {
        without_zero_fraction(text).parse().ok()
    }

    fn of_truth(truth: bool) -> Option<i16> {
        Some(i16::from(truth))
    }

    fn cause(text: &str, number: f64) -> Cause {
        match IntColumn::parse(text) {
            Some(_) => Cause::Wider(ColumnType::Int),
            None => IntColumn::cause(text, number),
        }
    }

    fn encode(value: i16) -> CqlValue {
        CqlValue::SmallInt(value)
    }

    fn holds(number: f64) -> bool {
        number.fract() == 0.0 && (-32_768.0..32_768.0).contains(&number)
    }

    fn reads(stored: ColumnType) -> bool {
        matches!(stored, ColumnType::Smallint | ColumnType::Tinyint | ColumnType::Boolean)
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        let value = i16::from_le_bytes(super::bytes(at));
        (f64::from(value), C::from_integer(i64::from(value)))
    }

    fn is_rounded(_value: i16, _precision: Precision) -> bool {
        false
    }
}
