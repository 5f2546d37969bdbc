//! The types of a table's key: a request names a user by text, which becomes what the key is.

use std::borrow::Cow;

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use crate::features::column::{CellValue, ColumnType};

/// The type of the key column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum KeyType {
    /// Text, as it is.
    #[default]
    Text,
    /// A 32-bit integer, in decimal.
    Int,
    /// A 64-bit integer, in decimal.
    Bigint,
    /// A UUID, with dashes.
    Uuid,
    /// Bytes, in hexadecimal after `0x`, as CQL writes them.
    Blob,
}

impl KeyType {
    /// The types that a key may have, for people.
    pub(super) const WORDS: &str = "text, int, bigint, uuid or blob";

    /// The type of a key column, as CQL writes it.
    pub(super) fn named(cql_type: &str) -> Option<Self> {
        Some(match cql_type {
            "text" | "ascii" | "varchar" => Self::Text,
            "int" => Self::Int,
            "bigint" => Self::Bigint,
            "uuid" | "timeuuid" => Self::Uuid,
            "blob" => Self::Blob,
            _ => return None,
        })
    }

    /// What a key has to be, for people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Bigint => "bigint",
            Self::Uuid => "uuid",
            Self::Blob => "blob, written as 0x and hexadecimal digits",
        }
    }

    /// Whether a column of an answer is a key of this type.
    pub(super) fn is(self, native: &NativeType) -> bool {
        match self {
            Self::Text => matches!(native, NativeType::Text | NativeType::Ascii),
            Self::Int => *native == NativeType::Int,
            Self::Bigint => *native == NativeType::BigInt,
            Self::Uuid => matches!(native, NativeType::Uuid | NativeType::Timeuuid),
            Self::Blob => *native == NativeType::Blob,
        }
    }

    /// The key as the cluster has it; `None` where the text is none of this type.
    pub(super) fn wire(self, text: &[u8]) -> Option<Cow<'_, [u8]>> {
        if self == Self::Text {
            return str::from_utf8(text).is_ok().then_some(Cow::Borrowed(text));
        }
        Some(match self.value(text)? {
            CqlValue::Int(key) => Cow::Owned(key.to_be_bytes().to_vec()),
            CqlValue::BigInt(key) => Cow::Owned(key.to_be_bytes().to_vec()),
            CqlValue::Uuid(key) => Cow::Owned(key.as_bytes().to_vec()),
            CqlValue::Blob(key) => Cow::Owned(key),
            _ => return None,
        })
    }

    /// The key for a statement; `None` where the text is none of this type.
    pub(crate) fn value(self, text: &[u8]) -> Option<CqlValue> {
        let text = str::from_utf8(text).ok()?;
        let column_type = match self {
            Self::Text => return Some(CqlValue::Text(text.to_owned())),
            Self::Blob => return bytes_of(text.strip_prefix("0x")?).map(CqlValue::Blob),
            Self::Int => ColumnType::Int,
            Self::Bigint => ColumnType::Bigint,
            Self::Uuid => ColumnType::Uuid,
        };
        column_type.parse(text).and_then(CellValue::to_cql)
    }

    /// Whether a text is a key of this type.
    pub(super) fn takes(self, text: &[u8]) -> bool {
        self.wire(text).is_some()
    }

    /// A key that nobody has; another one for another number.
    pub(super) fn nobodys(self, number: usize) -> CqlValue {
        match self {
            Self::Text => CqlValue::Text(format!("shardgate-probe-{number}")),
            Self::Int => CqlValue::Int(i32::MIN + number as i32),
            Self::Bigint => CqlValue::BigInt(i64::MIN + number as i64),
            Self::Uuid => {
                let text = format!("00000000-0000-1000-8000-{number:012x}");
                self.value(text.as_bytes()).unwrap_or(CqlValue::Empty)
            }
            Self::Blob => CqlValue::Blob(format!("shardgate-probe-{number}").into_bytes()),
        }
    }
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() && !pairs.is_empty() { bytes.collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::KeyType;

    #[test]
    fn a_text_becomes_the_keys_bytes_or_is_refused() {
        use KeyType::{Bigint, Blob, Int, Text, Uuid};
        let uuid = "00112233-4455-6677-8899-AABBCCDDEEFF";
        let uuid_bytes = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99];
        let uuid_bytes = [&uuid_bytes[..], &[0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]].concat();
        for (key_type, text, expected) in [
            (Text, "né", Some("né".as_bytes().to_vec())),
            (Int, "-2", Some(vec![0xff, 0xff, 0xff, 0xfe])),
            (Int, "2147483648", None),
            (Int, "user", None),
            (Bigint, "258", Some(vec![0, 0, 0, 0, 0, 0, 1, 2])),
            (Bigint, "9223372036854775808", None),
            (Uuid, uuid, Some(uuid_bytes)),
            (Uuid, "00112233445566778899aabbccddeeff", None),
            (Blob, "0xcaFE", Some(vec![0xca, 0xfe])),
            (Blob, "cafe", None),
            (Blob, "0x", None),
            (Blob, "0xabc", None),
            (Blob, "0xzz", None),
        ] {
            let found = key_type.wire(text.as_bytes());
            assert_eq!(found.map(std::borrow::Cow::into_owned), expected, "{text}");
            assert_eq!(key_type.takes(text.as_bytes()), expected.is_some(), "{text}");
        }
        for key_type in [Text, Int, Bigint, Uuid, Blob] {
            assert_ne!(key_type.nobodys(1), key_type.nobodys(2));
        }
    }
}
