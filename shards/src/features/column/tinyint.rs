//! `tinyint`: 8-bit integer.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::smallint::SmallintColumn;
use super::written::without_zero_fraction;
use super::{Cause, Column, ColumnType, MatrixCell, Precision};

pub(super) struct TinyintColumn;

impl Column for TinyintColumn {
    type Value<'a> = i8;
    const CQL: &[NativeType] = &[NativeType::TinyInt];
    const IS_FLOATING: bool = false;

    packed_as!(i8);

    fn parse(text: &str) -> Option<i8> {
        without_zero_fraction(text).parse().ok()
    }

    fn of_truth(truth: bool) -> Option<i8> {
        Some(i8::from(truth))
    }

    fn cause(text: &str, number: f64) -> Cause {
        match SmallintColumn::parse(text) {
            Some(_) => Cause::Wider(ColumnType::Smallint),
            None => SmallintColumn::cause(text, number),
        }
    }

    fn encode(value: i8) -> CqlValue {
        CqlValue::TinyInt(value)
    }

    fn holds(number: f64) -> bool {
        number.fract() == 0.0 && (-128.0..128.0).contains(&number)
    }

    fn reads(stored: ColumnType) -> bool {
        matches!(stored, ColumnType::Tinyint | ColumnType::Boolean)
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        let value = i8::from_le_bytes(super::bytes(at));
        (f64::from(value), C::from_integer(i64::from(value)))
    }

    fn is_rounded(_value: i8, _precision: Precision) -> bool {
        false
    }
}
