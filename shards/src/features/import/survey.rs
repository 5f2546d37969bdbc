//! A first pass over a file: the type of each column that nobody gave one, and what a dry run shows.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;

use super::cell::{self, CellRules};
use super::csv::{CsvError, CsvOptions, Opened};
use super::input::ImportInput;
use super::notes::ImportNote;
use super::records::RecordError;
use crate::features::column::ColumnType;
use crate::features::schema::Schema;

/// The types that are tried, the first that takes every cell of a column is the column's. Numbers are
/// float, which every model reads: a wider type is for the header or for a model to say.
const TRIED: [ColumnType; 6] = [
    ColumnType::Float,
    ColumnType::Boolean,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::Uuid,
    ColumnType::Text,
];
/// How many values of a column are shown.
const EXAMPLES_MAX: usize = 3;
/// How many different values are told apart, in one column and in all of them.
const DISTINCT_MAX: usize = 10_000;
const DISTINCT_IN_ALL_MAX: usize = 2_000_000;

/// Where the type of a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeOrigin {
    /// The header, the store or a model.
    Given,
    /// The cells of the column.
    Cells,
}

/// A column, by its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSurvey {
    /// Its name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Where the type comes from.
    pub origin: TypeOrigin,
    /// How many cells are not known.
    pub nulls: u64,
    /// How many different values there are, and whether there are more than are told apart.
    pub distinct: (u64, bool),
    /// The first different values.
    pub examples: Vec<String>,
    /// How many cells are no value of the type, and the line of the first one, from 1.
    pub wrong: Option<(u64, u64)>,
}

/// A file, by its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The column of the keys.
    pub key: String,
    /// How many rows there are.
    pub rows: u64,
    /// How many lines have another number of cells than the header, and are no rows.
    pub ragged: u64,
    /// The columns that would be imported, in the order of the store.
    pub columns: Vec<ColumnSurvey>,
    /// What was found out before the first row.
    pub notes: Vec<ImportNote>,
}

/// Reads all of `input`, and says what its columns are; counts their values too, if they are wanted.
fn survey(
    input: impl Read,
    options: &CsvOptions,
    stored: Option<&Schema>,
    is_counted: bool,
) -> Result<Survey, CsvError> {
    let mut file = Opened::of(input, options, stored)?;
    let untyped: HashSet<&String> = file.header.untyped.iter().collect();
    let mut columns: Vec<Column> = file
        .header
        .schema
        .columns()
        .iter()
        .map(|column| {
            if untyped.contains(&column.name) {
                Column::new(TRIED.to_vec(), TypeOrigin::Cells)
            } else {
                Column::new(vec![column.column_type], TypeOrigin::Given)
            }
        })
        .collect();
    let hasher = RandomState::new();
    let (mut rows, mut ragged, mut distinct) = (0, 0, 0);
    while let Some(place) = file.records.next()? {
        if file.records.len() != file.header.names.len() {
            ragged += 1;
            continue;
        }
        rows += 1;
        for (column, &at) in columns.iter_mut().zip(&file.header.positions) {
            let field = file.records.field(at);
            column.take(field, &file.rules, place.line);
            if is_counted {
                column.tell_apart(field, &hasher, &mut distinct);
            }
        }
    }
    let names = file.header.schema.columns().iter().map(|column| column.name.clone());
    Ok(Survey {
        key: file.header.key_name(),
        rows,
        ragged,
        columns: columns.into_iter().zip(names).map(|(it, name)| it.surveyed(name)).collect(),
        notes: file.notes().to_vec(),
    })
}

/// Reads all of `input`, and says what its columns are. A stream is copied to a file, so that
/// `input` can be read again.
pub fn survey_input(
    input: &mut ImportInput,
    options: &CsvOptions,
    stored: Option<&Schema>,
) -> Result<Survey, CsvError> {
    input.spool().map_err(RecordError::Read)?;
    survey(&mut *input, options, stored, true)
}

/// Finds out the types that neither the header nor `stored` nor `options` say, and adds them to
/// `options`. `input` is then at its start; a stream is copied to a file first, if there are any.
pub fn add_types(
    input: &mut ImportInput,
    options: &mut CsvOptions,
    stored: Option<&Schema>,
) -> Result<(), CsvError> {
    let is_typed = Opened::of(&mut *input, options, stored)?.header.untyped.is_empty();
    if !is_typed {
        input.spool().map_err(RecordError::Read)?;
        let found = survey(&mut *input, options, stored, false)?.columns.into_iter();
        let found = found.filter(|column| column.origin == TypeOrigin::Cells);
        options.types.extend(found.map(|column| (column.name, column.column_type)));
    }
    Ok(input.restart().map_err(RecordError::Read)?)
}

struct Column {
    /// The types that every cell so far is a value of.
    types: Vec<ColumnType>,
    origin: TypeOrigin,
    /// Cells that are null in every column, and those that are null except in one of text.
    empty: u64,
    words: u64,
    wrong: Option<(u64, u64)>,
    distinct: HashSet<u64>,
    is_more: bool,
    examples: Vec<String>,
}

impl Column {
    fn new(types: Vec<ColumnType>, origin: TypeOrigin) -> Self {
        Self {
            types,
            origin,
            empty: 0,
            words: 0,
            wrong: None,
            distinct: HashSet::new(),
            is_more: false,
            examples: Vec::new(),
        }
    }

    fn take(&mut self, field: &[u8], rules: &CellRules, line: u64) {
        let text = String::from_utf8_lossy(field);
        let is_utf8 = matches!(text, Cow::Borrowed(_));
        let text = text.trim_matches(|character: char| character.is_ascii_whitespace());
        if rules.is_null(text, true) {
            self.empty += 1;
            return;
        }
        if rules.is_null(text, false) {
            self.words += 1;
            // A column of text keeps it, and so it is no reason for or against one.
            return;
        }
        // Yes and no are words of boolean columns only where the header says that they are ones.
        let is_given = self.origin == TypeOrigin::Given;
        let is_of = |column_type: &ColumnType| match cell::is_text(*column_type) {
            true => is_utf8,
            false if is_given => rules.read(text.as_bytes(), *column_type).is_ok(),
            false => rules.parse(text, *column_type).is_some(),
        };
        let [only] = self.types[..] else {
            let first = self.types[0];
            self.types.retain(is_of);
            if self.types.is_empty() {
                self.types.push(first);
                self.wrong = Some((1, line));
            }
            return;
        };
        if !is_of(&only) {
            let (cells, first) = self.wrong.unwrap_or((0, line));
            self.wrong = Some((cells + 1, first));
        }
    }

    fn tell_apart(&mut self, field: &[u8], hasher: &RandomState, in_all: &mut usize) {
        if field.is_empty() {
            return;
        }
        let is_full = self.distinct.len() >= DISTINCT_MAX || *in_all >= DISTINCT_IN_ALL_MAX;
        let hash = hasher.hash_one(field);
        if is_full {
            self.is_more |= !self.distinct.contains(&hash);
        } else if self.distinct.insert(hash) {
            *in_all += 1;
            if self.examples.len() < EXAMPLES_MAX {
                self.examples.push(cell::shown(field));
            }
        }
    }

    fn surveyed(self, name: String) -> ColumnSurvey {
        let column_type = self.types[0];
        let words = if cell::is_text(column_type) { 0 } else { self.words };
        ColumnSurvey {
            name,
            column_type,
            origin: self.origin,
            nulls: self.empty + words,
            distinct: (self.distinct.len() as u64, self.is_more),
            examples: self.examples,
            wrong: self.wrong,
        }
    }
}
