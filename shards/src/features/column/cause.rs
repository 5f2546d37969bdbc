//! What the writer of a cell that is no value may have meant.

use std::fmt;

use super::ColumnType;
use crate::features::texts::TEXT_BYTES_MAX;

/// What the writer of a cell that is no value may have meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// A number that a wider type holds.
    Wider(ColumnType),
    /// A number beyond every type.
    TooGreat,
    /// A whole number was expected.
    Fraction,
    /// A whole number was expected, and is written with an exponent.
    Exponent,
    /// A comma within a number.
    Comma,
    /// A date or a time.
    Date,
    /// A number with a unit, a currency or a percent sign.
    Unit,
    /// More digits than a double tells apart.
    TooManyDigits,
    /// Neither yes nor no.
    NotBoolean,
    /// No time.
    NotATime,
    /// No date.
    NotADate,
    /// No UUID.
    NotAUuid,
    /// A text beyond the limit.
    TextTooLong,
    /// Text.
    Text,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotUtf8 => "it is not UTF-8: convert the file, as with iconv -t UTF-8",
            Self::Wider(column_type) => {
                return write!(formatter, "give the column the type {column_type} in the header");
            }
            Self::TooGreat => "no type holds a number as great",
            Self::Fraction => {
                "it has a fraction: give the column the type float or double in the header"
            }
            Self::Exponent => {
                "a whole number is written without an exponent: write its digits, or give the \
                 column the type double in the header"
            }
            Self::Comma => {
                "a comma in a number is unclear: write a point before the fraction, and no \
                 separator of thousands"
            }
            Self::Date => {
                "it looks like a date: give the column the type date or timestamp in the header, or \
                 write it as a number, as the model was trained on"
            }
            Self::Unit => "write the number alone, without a unit, currency or percent sign",
            Self::TooManyDigits => {
                "a decimal is kept as a 64-bit float, which does not tell so many digits apart: round \
                 it as for the model's training, or store it in two columns"
            }
            Self::NotATime => {
                "write a time as 2026-01-31T12:00:00Z, or seconds, milliseconds or microseconds since \
                 1970"
            }
            Self::NotADate => "write a date as 2026-01-31",
            Self::NotAUuid => "write a UUID as 01234567-89ab-cdef-0123-456789abcdef",
            Self::TextTooLong => {
                return write!(formatter, "a text has at most {TEXT_BYTES_MAX} bytes");
            }
            Self::NotBoolean => "write true or false, or 1 or 0",
            Self::Text => {
                "a number is expected: give the column the type text in the header where the model \
                 reads text; an empty cell is a value that is not known"
            }
        };
        formatter.write_str(text)
    }
}
