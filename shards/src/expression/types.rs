//! The types of values, and values one by one.

use std::fmt;

/// The type of a value; null is of every type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// True or false.
    Bool,
    /// A 64-bit integer.
    Int,
    /// A finite 64-bit floating-point number.
    Double,
    /// Text in UTF-8.
    Text,
    /// µs since 1970. A date is its midnight in UTC.
    Timestamp,
}

impl Type {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Bool, Self::Int, Self::Double, Self::Text, Self::Timestamp];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::Text => "text",
            Self::Timestamp => "timestamp",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Not known.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number; one that is not finite is null.
    Double(f64),
    /// A text.
    Text(&'a str),
    /// µs since 1970.
    Timestamp(i64),
}

impl Value<'_> {
    /// As a number of the model's matrix; `None` of null and of texts.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Null | Self::Text(_) => None,
            Self::Bool(truth) => Some(f64::from(u8::from(truth))),
            Self::Int(number) | Self::Timestamp(number) => Some(number as f64),
            Self::Double(number) => Some(number),
        }
    }
}

/// As a CSV cell is written; null is nothing.
impl fmt::Display for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(truth) => truth.fmt(formatter),
            Self::Int(number) => number.fmt(formatter),
            Self::Double(number) => number.fmt(formatter),
            Self::Text(text) => formatter.write_str(text),
            Self::Timestamp(us) => crate::calendar::write_us(*us, formatter),
        }
    }
}
