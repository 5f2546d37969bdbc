//! `text`: in a record the code that a dictionary has for it, to a model the one of its categories.

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::{Cause, Column, ColumnType, Interner, MatrixCell, NotOfType, Precision, Texts};

pub(super) struct TextColumn;

impl Column for TextColumn {
    type Value<'a> = &'a str;
    const CQL: &[NativeType] = &[NativeType::Text, NativeType::Ascii];
    const IS_FLOATING: bool = false;
    const WIDTH_BYTES: usize = size_of::<u32>();

    fn parse(text: &str) -> Option<&str> {
        Some(text)
    }

    fn of_truth(_truth: bool) -> Option<&'static str> {
        None
    }

    fn cause(_text: &str, _number: f64) -> Cause {
        Cause::Text
    }

    fn pack(value: &str, texts: &mut Interner, at: &mut [u8]) -> bool {
        let Some(code) = texts.intern(value.as_bytes()) else { return false };
        at[..Self::WIDTH_BYTES].copy_from_slice(&code.to_le_bytes());
        true
    }

    fn unpack<'a>(at: &[u8], texts: &'a dyn Texts) -> Option<&'a str> {
        str::from_utf8(texts.text(code_of(at))?).ok()
    }

    fn decode(cql: &[u8]) -> Result<Option<&str>, NotOfType> {
        str::from_utf8(cql).map(Some).map_err(|_| NotOfType)
    }

    fn encode(value: &str) -> CqlValue {
        CqlValue::Text(value.to_owned())
    }

    fn holds(_number: f64) -> bool {
        false
    }

    /// A UUID is read as its text.
    fn reads(stored: ColumnType) -> bool {
        matches!(stored, ColumnType::Text | ColumnType::Uuid)
    }

    /// No number: the join looks it up.
    fn join<C: MatrixCell>(_at: &[u8]) -> (f64, C) {
        (f64::NAN, C::from_double(f64::NAN))
    }

    fn is_rounded(_value: &str, _precision: Precision) -> bool {
        false
    }
}

/// The dictionary's code that a packed text is.
#[inline]
pub(in crate::features) fn code_of(at: &[u8]) -> u32 {
    u32::from_le_bytes(super::bytes(at))
}
