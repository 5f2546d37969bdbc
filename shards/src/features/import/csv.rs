//! Makes rows of CSV: a header of `name` or `name:type`, one user a line, empty cells are null.
//!
//! [`super::decode`] makes text of the file's bytes, [`super::dialect`] finds out how it is written,
//! [`super::records`] cuts lines into fields, [`super::header`] chooses which of them are taken and
//! which is the key, and [`super::cell`] reads each field by its column's type.

use std::collections::BTreeMap;
use std::io::{Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cell::{self, CellRules};
use super::decode::{Decoded, Encoding};
use super::dialect::{AskedDialect, DecimalMark, Dialect, take_sample};
use super::header::{Header, HeaderError, ensure_text};
use super::notes::{ImportNote, NoteTaker, RoundedCell};
use super::records::{RecordError, RecordPlace, Records};
use super::repeats::SeenKeys;
use super::row_key::RowKeys;
use super::timestamp;
use super::timestamp::WrittenTimeError;
use crate::features::column::{Cause, CellValue, ColumnType};
use crate::features::requests::KEY_BYTES_MAX;
use crate::features::schema::Schema;

/// How CSV is to be read.
#[derive(Debug, Clone, Default)]
pub struct CsvOptions {
    /// The columns that make the keys, in this order; where none is given the one called `user_id`,
    /// else the first one.
    pub key_columns: Vec<String>,
    /// When rows without a `last_updated` were written, in µs since 1970.
    pub last_updated_us: i64,
    /// The feature columns that are taken; all where none is named.
    pub columns: Vec<String>,
    /// Types of columns, by name, where neither the header nor the store says them.
    pub types: BTreeMap<String, ColumnType>,
    /// The encoding, where no byte-order mark says it; UTF-8 where that is not given.
    pub encoding: Option<Encoding>,
    /// What is not to be found out by the first lines.
    pub dialect: AskedDialect,
    /// The words for a value that is not known; the usual ones where they are not given.
    pub nulls: Option<Vec<String>>,
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
        "the key `{text}` is not UTF-8: its byte {place} is 0x{byte:02X}; say the file's encoding, as \
         --encoding windows-1252, or convert it first, as with iconv"
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
    /// A number has another decimal mark than the file's others, or one that may mean two things.
    #[error(
        "`{text}` is not of type {expected}: the numbers of this file have a {} before the fraction, by \
         its first lines; --decimal , or --decimal . says it",
        match decimal { DecimalMark::Point => "point", DecimalMark::Comma => "comma" }
    )]
    OtherDecimal {
        /// The cell, shortened.
        text: String,
        /// The column's type.
        expected: ColumnType,
        /// The mark that the file has.
        decimal: DecimalMark,
    },
    /// A `last_updated` is no time at which a row was written.
    #[error("`{text}` {cause}")]
    NotATime {
        /// The cell, shortened.
        text: String,
        /// Why.
        cause: WrittenTimeError,
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

/// A file's text: the first lines, which were looked at, and the rest.
pub(super) type Text<R> = Chain<Cursor<Vec<u8>>, Decoded<R>>;

/// A file whose header is read.
#[derive(Debug)]
pub(super) struct Opened<R: Read> {
    pub(super) records: Records<Text<R>>,
    pub(super) header: Header,
    pub(super) rules: CellRules,
    notes: Vec<ImportNote>,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Opened<R> {
    /// Finds out how the file is written, and reads its header.
    pub(super) fn of(
        input: R,
        options: &CsvOptions,
        stored: Option<&Schema>,
    ) -> Result<Self, CsvError> {
        let mut text = Decoded::open(input, options.encoding).map_err(RecordError::Read)?;
        let bytes_read = text.bytes_read();
        let sample = take_sample(&mut text).map_err(RecordError::Read)?;
        ensure_text(&sample)?;
        let dialect = Dialect::of(&sample, options.dialect)?;
        let mut notes = text.notes().to_vec();
        let text = Cursor::new(sample).chain(text);
        let mut records = Records::new(text, dialect.delimiter, dialect.quote);
        let header = Header::read(&mut records, options, stored)?;
        notes.extend(header.notes());
        notes.extend(dialect.notes(options.dialect));
        let rules = CellRules {
            decimal: dialect.decimal,
            is_comma_free: dialect.delimiter != b',',
            nulls: options.nulls.clone(),
        };
        Ok(Self { records, header, rules, notes, bytes_read })
    }

    /// What was found out before rows are read, and is to be said.
    pub(super) fn notes(&self) -> &[ImportNote] {
        &self.notes
    }
}

/// Reads CSV row by row.
#[derive(Debug)]
pub struct CsvRows<R: Read> {
    file: Opened<R>,
    last_updated_us: i64,
    now_us: i64,
    row_keys: RowKeys,
    keys: SeenKeys,
    taker: NoteTaker,
}

impl<R: Read> CsvRows<R> {
    /// Finds out how the file is written, and reads its header. A column without a type has the one
    /// that it has in `stored`, or else in `options`, else it is float; columns named like those of
    /// `stored` take their order.
    pub fn open(input: R, options: &CsvOptions, stored: Option<&Schema>) -> Result<Self, CsvError> {
        let file = Opened::of(input, options, stored)?;
        let columns = file.header.schema.columns().len();
        Ok(Self {
            file,
            last_updated_us: options.last_updated_us,
            now_us: timestamp::now_us(),
            row_keys: RowKeys::default(),
            keys: SeenKeys::default(),
            taker: NoteTaker::new(columns),
        })
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &Schema {
        &self.file.header.schema
    }

    /// The names of the columns that make the keys, with commas between them.
    pub fn key_column(&self) -> String {
        self.file.header.key_name()
    }

    /// What was found out before rows are read, and is to be said.
    pub fn header_notes(&self) -> Vec<ImportNote> {
        self.file.notes().to_vec()
    }

    /// What is to be said of the rows that were read.
    pub fn notes(&self) -> Vec<ImportNote> {
        let names = self.schema().columns().iter().map(|column| &*column.name);
        self.taker.notes(names, self.keys.is_full())
    }

    /// Reads the next row; `None` at the end. After [`CsvError::Row`] the next can be read.
    pub fn read(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        let Some(place) = self.file.records.next()? else { return Ok(None) };
        let RecordPlace { line, last_line, .. } = place;
        let times = (self.last_updated_us, self.now_us);
        let (last_updated_us, cells) =
            match self.file.cells(place, times, &mut self.row_keys, &mut self.taker) {
                Ok(read) => read,
                Err(row) if last_line > line => {
                    return Err(CsvError::JoinedLines { row, last_line });
                }
                Err(row) => return Err(row.into()),
            };
        let key = self.row_keys.key();
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
            bytes_read: self.file.bytes_read.load(Ordering::Relaxed),
        }))
    }
}

impl<R: Read> Opened<R> {
    /// When the record's row was written, which is `last_updated_us` where it does not say, and its
    /// cells; by a clock of `now_us`.
    fn cells(
        &self,
        place: RecordPlace,
        (mut last_updated_us, now_us): (i64, i64),
        row_keys: &mut RowKeys,
        taker: &mut NoteTaker,
    ) -> Result<(i64, Vec<CellValue<'_>>), RowError> {
        let Self { records, header, rules, .. } = self;
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
        row_keys.read(records, header).map_err(|(at, problem)| wrong(at, problem))?;
        if let Some(at) = header.last_updated_position {
            let text = records.field(at).trim_ascii();
            if !text.is_empty() {
                let time = std::str::from_utf8(text).map_err(|_| WrittenTimeError::NotATime);
                let time = time.and_then(|text| timestamp::written_us(text, now_us));
                last_updated_us = time.map_err(|cause| {
                    wrong(at, CellProblem::NotATime { text: cell::shown(text), cause })
                })?;
            }
        }
        let mut cells = Vec::with_capacity(header.schema.columns().len());
        for (index, (column, &at)) in
            header.schema.columns().iter().zip(&header.positions).enumerate()
        {
            let expected = column.column_type;
            let is_text = cell::is_text(expected);
            let field = records.field(at);
            let text = if is_text { field } else { field.trim_ascii() };
            let read = rules.read(text, expected).map_err(|cause| {
                let is_other = rules.has_other_mark(text, expected);
                let (text, decimal) = (cell::shown(text), rules.decimal);
                wrong(
                    at,
                    if is_other {
                        CellProblem::OtherDecimal { text, expected, decimal }
                    } else {
                        CellProblem::NotOfType { text, expected, cause }
                    },
                )
            })?;
            cells.push(read.value);
            if let Some(word) = read.word {
                taker.word(word, meaning(read.value, expected), line, &column.name);
            } else if is_text {
                taker.kept(rules, text, line, &column.name);
            }
            if let CellValue::Float(value) = read.value
                && rules.is_rounded(text, value)
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

/// What a word was taken for, for people.
fn meaning(value: CellValue<'_>, column_type: ColumnType) -> &'static str {
    match value {
        CellValue::Null => "a value that is not known",
        value if Some(value) == column_type.of_truth(true) => "1",
        _ => "0",
    }
}
