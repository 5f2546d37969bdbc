//! What a field of a request takes, for people.

use super::request_field::RequestField;
use crate::failure::FieldFault;
use crate::features::column::ColumnType;

impl RequestField {
    /// What the field takes, and what was found in its place.
    pub fn say(&self, fault: FieldFault) -> String {
        let (name, column_type) = (&self.name, self.column_type);
        let found = match fault {
            FieldFault::Twice => return format!("`{name}` is there twice"),
            FieldFault::Inexact => {
                return format!(
                    "`{name}` is of type {column_type}: a whole number of more than 2^53 cannot be held \
                 exactly here"
                );
            }
            FieldFault::TooGreat(number) => {
                return format!(
                    "`{name}` must be a number that a 32-bit float holds, from -3.4e38 to 3.4e38, found \
                 {number:e}"
                );
            }
            FieldFault::Number(number) => format!("the number {}", written(number)),
            FieldFault::Text if column_type.is_numeric() => {
                "a text: a number stands without quotes".to_owned()
            }
            FieldFault::Text => "a text that is none".to_owned(),
            FieldFault::Boolean => "true or false".to_owned(),
            FieldFault::List => "a list".to_owned(),
            FieldFault::Object => "an object".to_owned(),
        };
        format!(
            "`{name}` is of type {column_type} and must be {}, found {found}",
            expected(column_type)
        )
    }
}

/// What values of a type are in a request.
const fn expected(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Float | ColumnType::Double | ColumnType::Decimal => "a number",
        ColumnType::Tinyint => "a whole number from -128 to 127",
        ColumnType::Smallint => "a whole number from -32768 to 32767",
        ColumnType::Int => "a whole number from -2147483648 to 2147483647",
        ColumnType::Bigint | ColumnType::Varint => "a whole number from -(2^53 - 1) to 2^53 - 1",
        ColumnType::Boolean => "true or false, or 1 or 0",
        ColumnType::Text | ColumnType::Uuid => "a text",
        ColumnType::Timestamp => "a time as \"2026-01-31T12:00:00Z\", or microseconds since 1970",
        ColumnType::Date => "a date as \"2026-01-31\", or days since 1970",
    }
}

/// A number in the shorter of its notations.
fn written(number: f64) -> String {
    let (plain, exponent) = (format!("{number}"), format!("{number:e}"));
    if plain.len() > exponent.len() + 6 { exponent } else { plain }
}
