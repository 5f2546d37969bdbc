//! Makes rows of CSV: a header of `name` or `name:type`, one user a line, empty cells are null.

use std::io::Read;

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use super::timestamp;
use crate::features::inputs::{ColumnType, UnknownColumnType};
use crate::features::record::CellValue;
use crate::features::requests::KEY_BYTES_MAX;
use crate::features::schema::{LAST_UPDATED, Schema, SchemaError, StoreColumn};

/// How much of a wrong cell is shown, in characters.
const SHOWN_CHARACTERS_MAX: usize = 40;

/// How CSV is to be read.
#[derive(Debug, Clone, Default)]
pub struct CsvOptions {
    /// The column that holds the keys; the first one where it is not given.
    pub key_column: Option<String>,
    /// When rows without a `last_updated` were written, in µs since 1970.
    pub last_updated_us: i64,
}

/// CSV that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// There is nothing, not even a header.
    #[error("line 1: there is no header")]
    NoHeader,
    /// The header is not text.
    #[error("line 1, column {column}: the header is not UTF-8")]
    HeaderNotText {
        /// The column's position, from 1.
        column: usize,
    },
    /// A header's type is none.
    #[error("line 1, column {column}: {source}")]
    HeaderType {
        /// The column's position, from 1.
        column: usize,
        /// The word found.
        source: UnknownColumnType,
    },
    /// The key column is not in the header.
    #[error("line 1: there is no key column `{name}`")]
    NoKeyColumn {
        /// The name asked for.
        name: String,
    },
    /// The header's columns can't form a schema.
    #[error("line 1: {0}")]
    Schema(#[from] SchemaError),
    /// A line that is no row; the lines after it can be read.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Reading failed.
    #[error("reading failed: {0}")]
    Read(#[from] ::csv::Error),
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
    /// A cell is not a value of the column's type.
    #[error("`{text}` is not of type {expected}")]
    NotOfType {
        /// The cell, shortened.
        text: String,
        /// The column's type.
        expected: ColumnType,
    },
    /// A `last_updated` is not a time.
    #[error("`{text}` is neither an RFC 3339 time nor milliseconds since 1970")]
    NotATime {
        /// The cell, shortened.
        text: String,
    },
}

/// One row, borrowed until the next is read.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The user.
    pub key: &'a [u8],
    /// When it was written, in µs since 1970.
    pub last_updated_us: i64,
    /// The cells, in the order of [`CsvRows::schema`].
    pub cells: &'a [CellValue],
    /// The line, from 1, where it starts.
    pub line: u64,
    /// How far the input has been read, in bytes.
    pub bytes_read: u64,
}

/// Reads CSV row by row.
#[derive(Debug)]
pub struct CsvRows<R> {
    reader: Reader<R>,
    record: ByteRecord,
    cells: Vec<CellValue>,
    header: Vec<String>,
    schema: Schema,
    /// Where each of the schema's columns stands in a line.
    positions: Vec<usize>,
    key_position: usize,
    last_updated_position: Option<usize>,
    last_updated_us: i64,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header. A column without a type has the one that it has in `stored`, else it is
    /// float; columns named like those of `stored` take their order.
    pub fn open(input: R, options: &CsvOptions, stored: Option<&Schema>) -> Result<Self, CsvError> {
        let mut reader =
            ReaderBuilder::new().flexible(true).buffer_capacity(1 << 18).from_reader(input);
        let (header, types) = read_header(reader.byte_headers()?)?;
        let position = |name: &str| header.iter().position(|column| column == name);
        let key_position = match &options.key_column {
            Some(name) => {
                position(name).ok_or_else(|| CsvError::NoKeyColumn { name: name.clone() })?
            }
            None => 0,
        };
        let last_updated_position = position(LAST_UPDATED).filter(|&at| at != key_position);
        let mut columns = Vec::new();
        for (at, name) in header.iter().enumerate() {
            if at == key_position || Some(at) == last_updated_position {
                continue;
            }
            let stored = stored.and_then(|stored| Some((stored, stored.position(name)?)));
            let stored_type = stored.map(|(stored, at)| stored.columns()[at].column_type);
            let column_type = types[at].or(stored_type).unwrap_or_default();
            let order = stored.map_or(usize::MAX, |(_, at)| at);
            columns.push((order, at, StoreColumn { name: name.clone(), column_type }));
        }
        columns.sort_by_key(|(order, at, _)| (*order, *at));
        let positions = columns.iter().map(|(_, at, _)| *at).collect();
        let schema = Schema::new(columns.into_iter().map(|(_, _, column)| column).collect())?;
        Ok(Self {
            reader,
            record: ByteRecord::new(),
            cells: Vec::with_capacity(schema.columns().len()),
            header,
            schema,
            positions,
            key_position,
            last_updated_position,
            last_updated_us: options.last_updated_us,
        })
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The name of the column that holds the keys.
    pub fn key_column(&self) -> &str {
        &self.header[self.key_position]
    }

    /// Reads the next row; `None` at the end. After [`CsvError::Row`] the next can be read.
    pub fn read(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        if !self.reader.read_byte_record(&mut self.record)? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, ::csv::Position::line);
        if self.record.len() != self.header.len() {
            let (found, expected) = (self.record.len(), self.header.len());
            let at = found.min(expected - 1);
            return Err(self.wrong(line, at, CellProblem::CellCount { found, expected }).into());
        }
        let problem = match self.record[self.key_position].len() {
            0 => Some(CellProblem::EmptyKey),
            found if found > KEY_BYTES_MAX => Some(CellProblem::KeyTooLong { found }),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(self.wrong(line, self.key_position, problem).into());
        }
        let mut last_updated_us = self.last_updated_us;
        if let Some(at) = self.last_updated_position {
            let text = self.record[at].trim_ascii();
            if !text.is_empty() {
                let time = std::str::from_utf8(text).ok().and_then(timestamp::parse_us);
                last_updated_us = time.ok_or_else(|| {
                    self.wrong(line, at, CellProblem::NotATime { text: shown(text) })
                })?;
            }
        }
        self.cells.clear();
        for (column, &at) in self.schema.columns().iter().zip(&self.positions) {
            let text = self.record[at].trim_ascii();
            let expected = column.column_type;
            let cell = cell(text, expected).ok_or_else(|| {
                self.wrong(line, at, CellProblem::NotOfType { text: shown(text), expected })
            })?;
            self.cells.push(cell);
        }
        Ok(Some(Row {
            key: &self.record[self.key_position],
            last_updated_us,
            cells: &self.cells,
            line,
            bytes_read: self.reader.position().byte(),
        }))
    }

    fn wrong(&self, line: u64, at: usize, problem: CellProblem) -> RowError {
        RowError { line, column: at + 1, name: self.header[at].clone(), problem }
    }
}

/// The header's names, and the types that it gives.
fn read_header(header: &ByteRecord) -> Result<(Vec<String>, Vec<Option<ColumnType>>), CsvError> {
    if header.is_empty() {
        return Err(CsvError::NoHeader);
    }
    let mut names = Vec::with_capacity(header.len());
    let mut types = Vec::with_capacity(header.len());
    for (at, cell) in header.iter().enumerate() {
        let text = std::str::from_utf8(cell)
            .map_err(|_| CsvError::HeaderNotText { column: at + 1 })?
            .trim();
        let (name, column_type) = match text.rsplit_once(':') {
            Some((name, word)) => {
                let column_type = word
                    .parse()
                    .map_err(|source| CsvError::HeaderType { column: at + 1, source })?;
                (name, Some(column_type))
            }
            None => (text, None),
        };
        names.push(name.to_owned());
        types.push(column_type);
    }
    Ok((names, types))
}

/// A cell's value: null where it is empty, `None` where it is not of the type.
fn cell(text: &[u8], column_type: ColumnType) -> Option<CellValue> {
    if text.is_empty() {
        return Some(CellValue::Null);
    }
    let text = std::str::from_utf8(text).ok()?;
    // A number that is too great reads as infinity: only who writes infinity means it.
    let infinity = || text.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
    Some(match column_type {
        ColumnType::Float => {
            let value: f32 = text.parse().ok()?;
            CellValue::Float((!value.is_infinite() || infinity()).then_some(value)?)
        }
        ColumnType::Double => {
            let value: f64 = text.parse().ok()?;
            CellValue::Double((!value.is_infinite() || infinity()).then_some(value)?)
        }
        ColumnType::Int => CellValue::Int(text.parse().ok()?),
        ColumnType::Bigint => CellValue::Bigint(text.parse().ok()?),
        ColumnType::Boolean => CellValue::Boolean(match text {
            "true" | "True" | "TRUE" | "1" => true,
            "false" | "False" | "FALSE" | "0" => false,
            _ => return None,
        }),
    })
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(SHOWN_CHARACTERS_MAX).collect()
}
