//! CSV as a table: every cell as its text, and by whatever type it is asked for. It has no keys.

use std::io::Read;

use super::cell::{self, CellRules};
use super::csv::{CellProblem, CsvError, CsvOptions, RowError, Text};
use super::decode::Decoded;
use super::dialect::{Dialect, take_sample};
use super::header::{HeaderError, ensure_text, names_and_types};
use super::notes::ImportNote;
use super::records::{RecordError, Records};
use crate::features::column::{CellValue, ColumnType};

/// Reads CSV row by row.
#[derive(Debug)]
pub struct CsvTable<R: Read> {
    records: Records<Text<R>>,
    names: Vec<String>,
    types: Vec<Option<ColumnType>>,
    rules: CellRules,
    notes: Vec<ImportNote>,
    line: u64,
}

impl<R: Read> CsvTable<R> {
    /// Finds out how the file is written, and reads its header. Of `options` the encoding, the
    /// dialect, the words for null and the types count.
    ///
    /// # Errors
    /// It is no CSV, or its header says nothing that rows can be read by.
    pub fn open(input: R, options: &CsvOptions) -> Result<Self, CsvError> {
        let mut text = Decoded::open(input, options.encoding).map_err(RecordError::Read)?;
        let sample = take_sample(&mut text).map_err(RecordError::Read)?;
        ensure_text(&sample)?;
        let dialect = Dialect::of(&sample, options.dialect)?;
        let mut notes = text.notes().to_vec();
        notes.extend(dialect.notes(options.dialect));
        let text = std::io::Cursor::new(sample).chain(text);
        let mut records = Records::new(text, dialect.delimiter, dialect.quote);
        records.first()?.ok_or(HeaderError::NoHeader)?;
        let fields: Vec<&[u8]> = (0..records.len()).map(|at| records.field(at)).collect();
        let (names, mut types) = names_and_types(&fields)?;
        for (name, column_type) in names.iter().zip(&mut types) {
            *column_type = column_type.or_else(|| options.types.get(name).copied());
        }
        let rules = CellRules {
            decimal: dialect.decimal,
            is_comma_free: dialect.delimiter != b',',
            nulls: options.nulls.clone(),
        };
        Ok(Self { records, names, types, rules, notes, line: 1 })
    }

    /// The line at which the row begins that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The type that the header, or the options, say of a column.
    pub fn column_type(&self, at: usize) -> Option<ColumnType> {
        self.types[at]
    }

    /// What was found out of the file, and is to be said.
    pub fn notes(&self) -> &[ImportNote] {
        &self.notes
    }

    /// Reads the next row; false at the end.
    ///
    /// # Errors
    /// It has more or fewer cells than the header, or quotes that do not close.
    pub fn next_row(&mut self) -> Result<bool, CsvError> {
        let Some(place) = self.records.next()? else { return Ok(false) };
        self.line = place.line;
        let (found, expected) = (self.records.len(), self.names.len());
        if found != expected {
            let at = found.min(expected - 1);
            return Err(self.wrong(at, CellProblem::CellCount { found, expected }).into());
        }
        if let Some(at) = place.goes_on {
            let text = cell::shown(self.records.field(at));
            return Err(self.wrong(at, CellProblem::TextAfterQuote { text }).into());
        }
        Ok(true)
    }

    /// The text of a cell of the row.
    pub fn text(&self, at: usize) -> &[u8] {
        self.records.field(at)
    }

    /// A cell of the row as a value of this type.
    ///
    /// # Errors
    /// It is none.
    pub fn cell(&self, at: usize, column_type: ColumnType) -> Result<CellValue<'_>, RowError> {
        let field = self.records.field(at);
        let text = if cell::is_text(column_type) { field } else { field.trim_ascii() };
        let read = self.rules.read(text, column_type).map_err(|cause| {
            let (text, expected) = (cell::shown(text), column_type);
            self.wrong(at, CellProblem::NotOfType { text, expected, cause })
        })?;
        Ok(read.value)
    }

    fn wrong(&self, at: usize, problem: CellProblem) -> RowError {
        RowError { line: self.line, column: at + 1, name: self.names[at].clone(), problem }
    }
}

/// A time as a cell of type `timestamp` says it, in µs since 1970.
pub fn time_us(text: &str) -> Option<i64> {
    match ColumnType::Timestamp.parse(text)? {
        CellValue::Timestamp(us) => Some(us),
        _ => None,
    }
}
