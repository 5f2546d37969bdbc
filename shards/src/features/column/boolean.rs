//! `boolean`: true, which is 1, or false, which is 0.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::written::{FALSE_WORDS, TRUE_WORDS, without_zero_fraction};
use super::{Cause, Column, ColumnType, Interner, MatrixCell, NotOfType, Precision, Texts};

pub(super) struct BooleanColumn;

impl Column for BooleanColumn {
    type Value<'a> = bool;
    const WIDTH_BYTES: usize = size_of::<bool>();
    const CQL: &[NativeType] = &[NativeType::Boolean];
    const IS_FLOATING: bool = false;

    fn parse(text: &str) -> Option<bool> {
        match without_zero_fraction(text) {
            "1" => Some(true),
            "0" => Some(false),
            word if TRUE_WORDS.contains(&word) => Some(true),
            word if FALSE_WORDS.contains(&word) => Some(false),
            _ => None,
        }
    }

    fn of_truth(truth: bool) -> Option<bool> {
        Some(truth)
    }

    fn cause(_text: &str, _number: f64) -> Cause {
        Cause::NotBoolean
    }

    fn pack(value: bool, _texts: &mut Interner, at: &mut [u8]) -> bool {
        at[0] = u8::from(value);
        true
    }

    fn unpack(at: &[u8], _texts: &dyn Texts) -> Option<bool> {
        Some(at[0] != 0)
    }

    fn decode(cql: &[u8]) -> Result<Option<bool>, NotOfType> {
        match cql {
            [byte] => Ok(Some(*byte != 0)),
            _ => Err(NotOfType),
        }
    }

    fn encode(value: bool) -> CqlValue {
        CqlValue::Boolean(value)
    }

    fn holds(number: f64) -> bool {
        number.fract() == 0.0 && (0.0..2.0).contains(&number)
    }

    fn reads(stored: ColumnType) -> bool {
        stored == ColumnType::Boolean
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        let value = at[0] != 0;
        (f64::from(u8::from(value)), C::from_integer(i64::from(value)))
    }

    fn is_rounded(_value: bool, _precision: Precision) -> bool {
        false
    }
}
