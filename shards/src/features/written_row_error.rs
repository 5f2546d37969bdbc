//! Why rows that a request or a file gives are not written.

use super::aggregates::EventError;
use super::column::ColumnType;
use super::import::WrittenTimeError;
use super::requests::KEY_BYTES_MAX;

/// Why rows are not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrittenRowError {
    /// A line is no JSON object.
    #[error("line {line}: expected a JSON object: {reason}")]
    NotAnObject {
        /// The line, from 1.
        line: u64,
        /// What was found.
        reason: String,
    },
    /// A line has no key, or one that can be none.
    #[error(
        "line {line}: `{member}`: found {found}, expected a text of 1 to {KEY_BYTES_MAX} bytes, an \
         integer, or an array of these"
    )]
    Key {
        /// The line, from 1.
        line: u64,
        /// The member that should hold it.
        member: String,
        /// What was found.
        found: String,
    },
    /// A column that the table does not have.
    #[error("line {line}: the table has no column `{name}`; it has: {has}")]
    UnknownColumn {
        /// The line, from 1.
        line: u64,
        /// The name.
        name: String,
        /// The table's columns.
        has: String,
    },
    /// A value that is none of its column's type.
    #[error("line {line}: `{name}`: {found} is not of type {expected}")]
    NotOfType {
        /// The line, from 1.
        line: u64,
        /// The column.
        name: String,
        /// The value, shortened.
        found: String,
        /// The column's type.
        expected: ColumnType,
    },
    /// A key of another shape than the table's.
    #[error(
        "line {line}: `key`: found {found}, but keys of the table have {}", shape(*expected)
    )]
    KeyShape {
        /// The line, from 1.
        line: u64,
        /// What was found.
        found: String,
        /// How many parts the keys of the table have.
        expected: usize,
    },
    /// `last_updated` is no time at which a row was written.
    #[error("line {line}: `{member}`: {found} {cause}")]
    NotATime {
        /// The line, from 1.
        line: u64,
        /// The member.
        member: String,
        /// The value, shortened.
        found: String,
        /// Why.
        cause: WrittenTimeError,
    },
    /// Columns both in an object `columns` and beside it.
    #[error("line {line}: `{name}` is beside `columns`: give it there, or all columns without it")]
    Beside {
        /// The line, from 1.
        line: u64,
        /// The member.
        name: String,
    },
    /// A row that goes and is written at once.
    #[error(
        "line {line}: `removed` is true, and `{name}` beside it: a row that goes has no columns"
    )]
    RemovedAndWritten {
        /// The line, from 1.
        line: u64,
        /// The member.
        name: String,
    },
    /// A column that shows an aggregate, or holds its tiles.
    #[error("line {line}: `{name}` is computed of events: give it none")]
    Computed {
        /// The line, from 1.
        line: u64,
        /// The column.
        name: String,
    },
    /// An event that cannot be counted.
    #[error("line {line}: {error}")]
    Event {
        /// The line, from 1.
        line: u64,
        /// Why.
        error: EventError,
    },
    /// There is no row at all.
    #[error("there is no row: expected a JSON object a line")]
    NoRows,
}

/// The shape of keys of so many parts, for people.
fn shape(parts: usize) -> String {
    match parts {
        1 => "one part: a text or an integer".to_owned(),
        more => format!("{more} parts: an array, or `2:DE4:4111` as `shardgate get` shows one"),
    }
}
