//! `uuid`: 16 bytes; to a model it is text, in small letters with dashes.

use scylla::frame::response::result::NativeType;
use scylla::value::{CqlTimeuuid, CqlValue};

use super::{Cause, Column, ColumnType, Interner, MatrixCell, NotOfType, Precision, Texts};

/// Bytes of a UUID.
const BYTES: usize = 16;
/// Characters of its text.
pub(in crate::features) const TEXT_BYTES: usize = 36;
/// Where the dashes are in its text.
const DASHES: [usize; 4] = [8, 13, 18, 23];

pub(super) struct UuidColumn;

impl Column for UuidColumn {
    type Value<'a> = [u8; BYTES];
    const CQL: &[NativeType] = &[NativeType::Uuid, NativeType::Timeuuid];
    const IS_FLOATING: bool = false;
    const WIDTH_BYTES: usize = BYTES;

    fn parse(text: &str) -> Option<[u8; BYTES]> {
        let text = text.as_bytes();
        if text.len() != TEXT_BYTES || DASHES.iter().any(|at| text[*at] != b'-') {
            return None;
        }
        let mut digits = text.iter().enumerate().filter(|(at, _)| !DASHES.contains(at));
        let mut next = || char::from(*digits.next()?.1).to_digit(16);
        let mut value = [0; BYTES];
        for byte in &mut value {
            *byte = (next()? << 4 | next()?) as u8;
        }
        Some(value)
    }

    fn of_truth(_truth: bool) -> Option<[u8; BYTES]> {
        None
    }

    fn cause(_text: &str, _number: f64) -> Cause {
        Cause::NotAUuid
    }

    fn pack(value: [u8; BYTES], _texts: &mut Interner, at: &mut [u8]) -> bool {
        at[..BYTES].copy_from_slice(&value);
        true
    }

    fn unpack(at: &[u8], _texts: &dyn Texts) -> Option<[u8; BYTES]> {
        Some(super::bytes(at))
    }

    fn decode(cql: &[u8]) -> Result<Option<[u8; BYTES]>, NotOfType> {
        cql.try_into().map(Some).map_err(|_| NotOfType)
    }

    fn encode(value: [u8; BYTES]) -> CqlValue {
        CqlValue::Uuid(CqlTimeuuid::from_bytes(value).into())
    }

    fn holds(_number: f64) -> bool {
        false
    }

    fn reads(stored: ColumnType) -> bool {
        stored == ColumnType::Uuid
    }

    /// No number: the join looks its text up.
    fn join<C: MatrixCell>(_at: &[u8]) -> (f64, C) {
        (f64::NAN, C::from_double(f64::NAN))
    }

    fn is_rounded(_value: [u8; BYTES], _precision: Precision) -> bool {
        false
    }
}

/// The text of a UUID.
pub(in crate::features) fn text_of(value: [u8; BYTES]) -> [u8; TEXT_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; TEXT_BYTES];
    let places = (0..TEXT_BYTES).filter(|at| !DASHES.contains(at));
    let halves = value.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (at, half) in places.zip(halves) {
        text[at] = DIGITS[usize::from(half)];
    }
    text
}
