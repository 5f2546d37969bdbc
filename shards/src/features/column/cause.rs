//! What the writer of a cell that is no value may have meant.

use std::fmt;

use super::ColumnType;

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
    /// Neither yes nor no.
    NotBoolean,
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
            Self::Date => "it looks like a date: write it as a number, as the model was trained on",
            Self::Unit => "write the number alone, without a unit, currency or percent sign",
            Self::NotBoolean => "write true or false, or 1 or 0",
            Self::Text => {
                "the store holds numbers: leave the column out, or write what the model was \
                 trained on in its place; an empty cell is a value that is not known"
            }
        };
        formatter.write_str(text)
    }
}
