//! Column types and their values as words: those of CSV, and of a schema.

use std::fmt;
use std::str::FromStr;

use super::{CellValue, ColumnType, calendar, uuid_text};

/// As a CSV cell is written: it is read as the same value again. Null is nothing.
impl fmt::Display for CellValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Float(value) => value.fmt(formatter),
            Self::Double(value) | Self::Decimal(value) => value.fmt(formatter),
            Self::Int(value) => value.fmt(formatter),
            Self::Bigint(value) | Self::Varint(value) => value.fmt(formatter),
            Self::Smallint(value) => value.fmt(formatter),
            Self::Tinyint(value) => value.fmt(formatter),
            Self::Boolean(value) => value.fmt(formatter),
            Self::Text(text) => formatter.write_str(text),
            Self::Timestamp(us) => calendar::write_us(*us, formatter),
            Self::Date(days) => calendar::write_date(i64::from(*days), formatter),
            Self::Uuid(value) => {
                formatter.write_str(str::from_utf8(&uuid_text(*value)).unwrap_or_default())
            }
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A word that names no column type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a column type ({})", ColumnType::ALL.map(ColumnType::as_str).join(", "))]
pub struct UnknownColumnType {
    /// The word.
    pub word: String,
}

impl FromStr for ColumnType {
    type Err = UnknownColumnType;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|column_type| column_type.as_str() == word);
        named.ok_or_else(|| UnknownColumnType { word: word.to_owned() })
    }
}
