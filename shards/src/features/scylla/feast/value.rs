//! A feature's value as Feast writes it: a protobuf message of one field, whose number is its type.

use crate::features::column::{CellValue, ColumnType};

/// The types that features may have, for people.
pub(super) const WORDS: &str =
    "float, double, int, bigint, boolean, text, timestamp, uuid or decimal";

/// The number of the field that says that there is no value.
const NULL: u64 = 19;

/// The names of the fields of a value (`feast.types.Value`), by their numbers.
const NAMES: [(u64, &str); 14] = [
    (1, "bytes_val"),
    (2, "string_val"),
    (3, "int32_val"),
    (4, "int64_val"),
    (5, "double_val"),
    (6, "float_val"),
    (7, "bool_val"),
    (8, "unix_timestamp_val"),
    (20, "map_val"),
    (32, "json_val"),
    (36, "uuid_val"),
    (37, "time_uuid_val"),
    (44, "decimal_val"),
    (48, "zoned_timestamp_val"),
];

/// Why a value can't be read: it is of another type, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum NotThat {
    /// Of another type, as Feast names it.
    Type(String),
    /// It is no message of Feast.
    Malformed,
}

impl std::fmt::Display for NotThat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Type(name) => formatter.write_str(name),
            Self::Malformed => formatter.write_str("not a value that Feast wrote"),
        }
    }
}

/// Whether there are values of Feast that a column of this type reads.
pub(super) fn is_read_as(column_type: ColumnType) -> bool {
    number_of(column_type).is_some()
}

/// The number of the field that holds values of a type.
fn number_of(column_type: ColumnType) -> Option<u64> {
    Some(match column_type {
        ColumnType::Text => 2,
        ColumnType::Int => 3,
        ColumnType::Bigint => 4,
        ColumnType::Double => 5,
        ColumnType::Float => 6,
        ColumnType::Boolean => 7,
        ColumnType::Timestamp => 8,
        ColumnType::Uuid => 36,
        ColumnType::Decimal => 44,
        _ => return None,
    })
}

/// The field of a message: its number, and the bytes or the number that it holds.
enum Field<'m> {
    Varint(u64),
    Fixed(&'m [u8]),
    Bytes(&'m [u8]),
}

/// The value that a message holds, of a column of this type. A value that the column can't keep as it
/// is (a decimal of too many digits) is none: then it is `Ok(None)`.
pub(in super::super) fn value_of(
    column_type: ColumnType,
    mut message: &[u8],
) -> Result<Option<CellValue<'_>>, NotThat> {
    let mut last = None;
    while !message.is_empty() {
        last = Some(field(&mut message).ok_or(NotThat::Malformed)?);
    }
    let Some((number, held)) = last.filter(|(number, _)| *number != NULL) else {
        return Ok(Some(CellValue::Null));
    };
    let is_uuid = column_type == ColumnType::Uuid && number == 37;
    if number_of(column_type) != Some(number) && !is_uuid {
        return Err(NotThat::Type(name_of(number)));
    }
    read(column_type, &held)
}

fn read<'m>(column_type: ColumnType, held: &Field<'m>) -> Result<Option<CellValue<'m>>, NotThat> {
    let text = |bytes: &'m [u8]| str::from_utf8(bytes).map_err(|_| NotThat::Malformed);
    Ok(Some(match (column_type, held) {
        // A negative number takes 64 bits on the wire.
        (ColumnType::Int, Field::Varint(value)) => CellValue::Int(*value as i32),
        (ColumnType::Bigint, Field::Varint(value)) => CellValue::Bigint(value.cast_signed()),
        (ColumnType::Boolean, Field::Varint(value)) => CellValue::Boolean(*value != 0),
        (ColumnType::Timestamp, Field::Varint(seconds)) => {
            return Ok(seconds.cast_signed().checked_mul(1_000_000).map(CellValue::Timestamp));
        }
        (ColumnType::Double, Field::Fixed(bytes)) => {
            let bytes = (*bytes).try_into().map_err(|_| NotThat::Malformed)?;
            CellValue::Double(f64::from_le_bytes(bytes))
        }
        (ColumnType::Float, Field::Fixed(bytes)) => {
            let bytes = (*bytes).try_into().map_err(|_| NotThat::Malformed)?;
            CellValue::Float(f32::from_le_bytes(bytes))
        }
        (ColumnType::Text, Field::Bytes(bytes)) => CellValue::Text(text(bytes)?),
        (ColumnType::Uuid | ColumnType::Decimal, Field::Bytes(bytes)) => {
            return Ok(column_type.parse(text(bytes)?));
        }
        _ => return Err(NotThat::Malformed),
    }))
}

fn name_of(number: u64) -> String {
    let named = NAMES.iter().find(|(known, _)| *known == number);
    let list =
        |kind: &str| format!("a {kind} (field {number} of feast.types.Value), which is not read");
    match (named, number) {
        (Some((_, name)), _) => (*name).to_owned(),
        (None, 11..=18 | 33 | 35 | 38 | 39 | 42 | 45) => list("list"),
        (None, 22..=29 | 40 | 41 | 43 | 46) => list("set"),
        _ => list("value of several"),
    }
}

/// Takes a field from the front of a message; `None` where it is cut or none.
fn field<'m>(message: &mut &'m [u8]) -> Option<(u64, Field<'m>)> {
    let tag = varint(message)?;
    let held = match tag & 7 {
        0 => Field::Varint(varint(message)?),
        1 => Field::Fixed(take(message, 8)?),
        5 => Field::Fixed(take(message, 4)?),
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            Field::Bytes(take(message, length)?)
        }
        _ => return None,
    };
    Some((tag >> 3, held))
}

fn take<'m>(message: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (bytes, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(bytes)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CellValue, ColumnType, NotThat, value_of};

    /// What `Value(...).SerializeToString()` of Feast 0.67 gives.
    #[test]
    fn values_are_those_that_feast_wrote() {
        use ColumnType::{Bigint, Boolean, Decimal, Double, Float, Int, Text, Timestamp};
        let minus = [&[0xff; 9][..], &[1]].concat();
        for (column_type, message, expected) in [
            (Text, &b"\x12\x02NL"[..], CellValue::Text("NL")),
            (Int, &[&[0x18][..], &minus].concat(), CellValue::Int(-1)),
            (Bigint, &[&[0x20][..], &minus].concat(), CellValue::Bigint(-1)),
            (Bigint, b"\x20\xe9\x07", CellValue::Bigint(1001)),
            (Double, b"\x29\0\0\0\0\0\0\xf8\x3f", CellValue::Double(1.5)),
            (Float, b"\x35\0\0\xc0\x3f", CellValue::Float(1.5)),
            (Boolean, b"\x38\x01", CellValue::Boolean(true)),
            // A member of a oneof is written though it is 0.
            (Boolean, b"\x38\0", CellValue::Boolean(false)),
            (Timestamp, b"\x40\x02", CellValue::Timestamp(2_000_000)),
            (Decimal, b"\xe2\x02\x041.25", CellValue::Decimal(1.25)),
            (Float, b"", CellValue::Null),
            (Float, b"\x98\x01\0", CellValue::Null),
        ] {
            assert_eq!(value_of(column_type, message), Ok(Some(expected)), "{message:?}");
        }
    }

    #[test]
    fn values_of_other_types_are_named() {
        for (column_type, message, says) in [
            (ColumnType::Float, &b"\x29\0\0\0\0\0\0\xf8\x3f"[..], "double_val"),
            (ColumnType::Bigint, b"\x18\x01", "int32_val"),
            (ColumnType::Float, b"\x82\x01\x06\x0a\x04\0\0\xc0\x3f", "a list (field 16"),
            (ColumnType::Text, b"\xb2\x01\0", "a set (field 22"),
        ] {
            let found = value_of(column_type, message).unwrap_err().to_string();
            assert!(found.starts_with(says), "{found}");
        }
        for cut in [&b"\x29\0\0"[..], b"\x12\x05NL", b"\xff", b"\x13"] {
            assert_eq!(value_of(ColumnType::Text, cut), Err(NotThat::Malformed), "{cut:?}");
        }
        assert_eq!(value_of(ColumnType::Text, b"\x12\x01\xff"), Err(NotThat::Malformed));
    }

    proptest! {
        #[test]
        fn nothing_panics_on_bytes(message in prop::collection::vec(any::<u8>(), 0..40)) {
            for column_type in [ColumnType::Float, ColumnType::Text, ColumnType::Uuid] {
                let _ = value_of(column_type, &message);
            }
        }
    }
}
