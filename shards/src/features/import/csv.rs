//! Makes rows of CSV: a header of `name` or `name:type`, one user a line, empty cells are null.
//!
//! [`super::records`] cuts lines into fields, [`super::header`] chooses what separates them and which
//! of them is the key, and [`super::cell`] reads each field by its column's type.

use std::io::Read;

use super::cell;
use super::header::{Header, HeaderError};
use super::notes::{ImportNote, NoteTaker, RoundedCell};
use super::records::{RecordError, RecordPlace, Records};
use super::repeats::SeenKeys;
use super::timestamp;
use crate::features::column::{Cause, CellValue, ColumnType};
use crate::features::requests::KEY_BYTES_MAX;
use crate::features::schema::Schema;

/// How CSV is to be read.
#[derive(Debug, Clone, Default)]
pub struct CsvOptions {
    /// The column that holds the keys; where it is not given the one called `user_id`, else the
    /// first one.
    pub key_column: Option<String>,
    /// When rows without a `last_updated` were written, in µs since 1970.
    pub last_updated_us: i64,
}

/// CSV that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The header says nothing that rows can be read by.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// There is no further line: the input ends within one, or cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A quote holds line breaks, and what it holds is no cell: a quote too many or too few has
    /// joined lines, of which no row must be lost.
    #[error(
        "{row}; a quote (\") joins the lines {} to {last_line} here: is one missing?",
        row.line
    )]
    JoinedLines {
        /// What is wrong with the row that they make.
        row: RowError,
        /// The line where it ends, from 1.
        last_line: u64,
    },
    /// A line that is no row; the lines after it can be read.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// A line that is no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column} (`{name}`): {problem}")]
pub struct RowError {
    /// The line, from 1, where the row starts.
    pub line: u64,
    /// The column's position, from 1.
    pub column: usize,
    /// The column's name.
    pub name: String,
    /// What is wrong with the cell.
    pub problem: CellProblem,
}

/// What is wrong with a cell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CellProblem {
    /// The row ends before it, or goes on after it.
    #[error("the row has {found} cells, the header {expected}")]
    CellCount {
        /// How many cells the row has.
        found: usize,
        /// How many the header has.
        expected: usize,
    },
    /// A key is empty.
    #[error("the key is empty")]
    EmptyKey,
    /// A key is longer than the store's keys may be.
    #[error("the key has {found} bytes, at most {KEY_BYTES_MAX} are possible")]
    KeyTooLong {
        /// The key's length in bytes.
        found: usize,
    },
    /// A key is no UTF-8: stored as it is no request finds it, and replaced it would be another's.
    #[error(
        "the key `{text}` is not UTF-8: its byte {place} is 0x{byte:02X}; convert the file first, \
         as with iconv -f WINDOWS-1252 -t UTF-8"
    )]
    KeyNotUtf8 {
        /// The key, shortened, with the bytes that are none replaced.
        text: String,
        /// The first byte that is wrong.
        byte: u8,
        /// Its place in the key, from 1.
        place: usize,
    },
    /// A key holds a line break.
    #[error("the key holds a line break")]
    KeyOfLines,
    /// A cell goes on after the quote that closes it.
    #[error(
        "`{text}`: there is text after the closing quote: write \"\" for a quote inside of quotes"
    )]
    TextAfterQuote {
        /// The cell without its quotes, shortened.
        text: String,
    },
    /// A cell is not a value of the column's type.
    #[error("`{text}` is not of type {expected}: {cause}")]
    NotOfType {
        /// The cell, shortened.
        text: String,
        /// The column's type.
        expected: ColumnType,
        /// What its writer may have meant.
        cause: Cause,
    },
    /// A `last_updated` is not a time.
    #[error("`{text}` is neither an RFC 3339 time nor milliseconds since 1970")]
    NotATime {
        /// The cell, shortened.
        text: String,
    },
}

/// One row, borrowed until the next is read.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The user, in UTF-8.
    pub key: &'a [u8],
    /// Whether an earlier row has the same key, which this one replaces.
    pub is_repeated: bool,
    /// When it was written, in µs since 1970.
    pub last_updated_us: i64,
    /// The cells, in the order of [`CsvRows::schema`].
    pub cells: Vec<CellValue<'a>>,
    /// The line, from 1, where it starts.
    pub line: u64,
    /// How far the input has been read, in bytes.
    pub bytes_read: u64,
}

/// Reads CSV row by row.
#[derive(Debug)]
pub struct CsvRows<R> {
    records: Records<R>,
    header: Header,
    last_updated_us: i64,
    keys: SeenKeys,
    taker: NoteTaker,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header. A column without a type has the one that it has in `stored`, else it is
    /// float; columns named like those of `stored` take their order.
    pub fn open(input: R, options: &CsvOptions, stored: Option<&Schema>) -> Result<Self, CsvError> {
        let mut records = Records::new(input);
        let header = Header::read(&mut records, options.key_column.as_deref(), stored)?;
        let columns = header.schema.columns().len();
        Ok(Self {
            records,
            header,
            last_updated_us: options.last_updated_us,
            keys: SeenKeys::default(),
            taker: NoteTaker::new(columns),
        })
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &Schema {
        &self.header.schema
    }

    /// The name of the column that holds the keys.
    pub fn key_column(&self) -> &str {
        &self.header.names[self.header.key_position]
    }

    /// What was chosen by the header and is to be said before rows are read.
    pub fn header_notes(&self) -> Vec<ImportNote> {
        self.header.notes()
    }

    /// What is to be said of the rows that were read.
    pub fn notes(&self) -> Vec<ImportNote> {
        let names = self.schema().columns().iter().map(|column| &*column.name);
        self.taker.notes(names, self.keys.is_full())
    }

    /// Reads the next row; `None` at the end. After [`CsvError::Row`] the next can be read.
    pub fn read(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        let Some(place) = self.records.next()? else { return Ok(None) };
        let RecordPlace { line, last_line, .. } = place;
        let reading = Reading {
            records: &self.records,
            header: &self.header,
            last_updated_us: self.last_updated_us,
        };
        let (last_updated_us, cells) = match reading.cells(place, &mut self.taker) {
            Ok(read) => read,
            Err(row) if last_line > line => return Err(CsvError::JoinedLines { row, last_line }),
            Err(row) => return Err(row.into()),
        };
        let key = self.records.field(self.header.key_position);
        let is_repeated = self.keys.is_repeated(key);
        if is_repeated {
            self.taker.repeated(line, key);
        }
        Ok(Some(Row {
            key,
            is_repeated,
            last_updated_us,
            cells,
            line,
            bytes_read: self.records.bytes_read(),
        }))
    }
}

/// A record that becomes a row.
struct Reading<'a, R> {
    records: &'a Records<R>,
    header: &'a Header,
    /// When it was written, where it does not say.
    last_updated_us: i64,
}

impl<'a, R: Read> Reading<'a, R> {
    /// When the row was written, and its cells.
    fn cells(
        self,
        place: RecordPlace,
        taker: &mut NoteTaker,
    ) -> Result<(i64, Vec<CellValue<'a>>), RowError> {
        let Self { records, header, .. } = self;
        let line = place.line;
        let wrong = |at: usize, problem| RowError {
            line,
            column: at + 1,
            name: header.names[at].clone(),
            problem,
        };
        if records.len() != header.names.len() {
            let (found, expected) = (records.len(), header.names.len());
            let at = found.min(expected - 1);
            return Err(wrong(at, CellProblem::CellCount { found, expected }));
        }
        if let Some(at) = place.goes_on {
            let text = cell::shown(records.field(at));
            return Err(wrong(at, CellProblem::TextAfterQuote { text }));
        }
        if let Some(problem) = key_problem(records.field(header.key_position)) {
            return Err(wrong(header.key_position, problem));
        }
        let mut last_updated_us = self.last_updated_us;
        if let Some(at) = header.last_updated_position {
            let text = records.field(at).trim_ascii();
            if !text.is_empty() {
                let time = std::str::from_utf8(text).ok().and_then(timestamp::parse_us);
                last_updated_us = time
                    .ok_or_else(|| wrong(at, CellProblem::NotATime { text: cell::shown(text) }))?;
            }
        }
        let mut cells = Vec::with_capacity(header.schema.columns().len());
        for (index, (column, &at)) in
            header.schema.columns().iter().zip(&header.positions).enumerate()
        {
            let expected = column.column_type;
            let text = match expected {
                // A space is as good as another character.
                ColumnType::Text => records.field(at),
                _ => records.field(at).trim_ascii(),
            };
            let read = cell::read(text, expected).map_err(|cause| {
                wrong(at, CellProblem::NotOfType { text: cell::shown(text), expected, cause })
            })?;
            cells.push(read.value);
            if let Some(word) = read.word {
                taker.word(word, meaning(read.value, expected), line, &column.name);
            }
            if let CellValue::Float(value) = read.value
                && cell::is_rounded(text, value)
            {
                taker.rounded(index, || RoundedCell {
                    line,
                    column: column.name.clone(),
                    text: cell::shown(text),
                    kept: value.to_string(),
                });
            }
        }
        Ok((last_updated_us, cells))
    }
}

fn key_problem(key: &[u8]) -> Option<CellProblem> {
    if key.is_empty() {
        return Some(CellProblem::EmptyKey);
    }
    if key.len() > KEY_BYTES_MAX {
        return Some(CellProblem::KeyTooLong { found: key.len() });
    }
    if let Err(error) = std::str::from_utf8(key) {
        let at = error.valid_up_to();
        return Some(CellProblem::KeyNotUtf8 {
            text: cell::shown(key),
            byte: key[at],
            place: at + 1,
        });
    }
    key.contains(&b'\n').then_some(CellProblem::KeyOfLines)
}

/// What a word was taken for, for people.
fn meaning(value: CellValue<'_>, column_type: ColumnType) -> &'static str {
    match value {
        CellValue::Null => "a value that is not known",
        value if Some(value) == column_type.of_truth(true) => "1",
        _ => "0",
    }
}
