//! The header of a CSV file: the names of its columns, their types, which ones are taken, and which
//! one holds the keys.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use super::csv::{CsvError, CsvOptions};
use super::notes::ImportNote;
use super::records::{RecordError, Records};
use super::row_key::KeyPart;
use crate::features::column::{ColumnType, UnknownColumnType};
use crate::features::schema::{LAST_UPDATED, Schema, SchemaError, StoreColumn};

/// What the column of keys is called, unless another one is named.
const KEY_COLUMN: &str = "user_id";
/// How files begin that are no CSV, and what to do with them.
const OTHER_FORMATS: [(&[u8], &str, &str); 5] = [
    (b"BZh", "compressed by bzip2", "give it uncompressed: bzcat FILE | shardgate import -"),
    (b"PK\x03\x04", "a zip archive, as .xlsx files are", "save it as CSV"),
    (b"PAR1", "Parquet", PARQUET_ADVICE),
    (b"ARROW1", "an Arrow file", "write it as CSV"),
    (b"SQLite format 3", "a SQLite database", "write the table as CSV: sqlite3 -header -csv"),
];

/// What to do with Parquet where it is not read.
pub const PARQUET_ADVICE: &str = "build the gateway with `cargo build --release --features parquet`, or \
     write it as CSV, as with pandas: read_parquet(FILE).to_csv(index=False)";

/// A header that no rows can be read by.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// There is nothing, not even a header.
    #[error("line 1: there is no header")]
    NoHeader,
    /// The file is of another format.
    #[error("the file is not CSV, it is {found}: {advice}")]
    OtherFormat {
        /// What it is.
        found: &'static str,
        /// What to do with it.
        advice: &'static str,
    },
    /// More than one character could separate the columns.
    #[error(
        "line 1: the header has {found}, and one of them separates the columns: say which by \
         --delimiter, or put the names that hold the other in double quotes"
    )]
    Delimiter {
        /// Those that it has.
        found: String,
    },
    /// The header is one column, which looks like several.
    #[error(
        "line 1: the header is one column, `{found}`: what separates columns? --delimiter says it"
    )]
    OneColumn {
        /// The column.
        found: String,
    },
    /// The header is not text.
    #[error(
        "line 1, column {column}: the header is not UTF-8 (byte 0x{byte:02X}): say its encoding, as \
         --encoding windows-1252"
    )]
    NotText {
        /// The column's position, from 1.
        column: usize,
        /// The first byte that is wrong.
        byte: u8,
    },
    /// A header's type is none.
    #[error("line 1, column {column}: {source}")]
    Type {
        /// The column's position, from 1.
        column: usize,
        /// The word found.
        source: UnknownColumnType,
    },
    /// The key column is not in the header.
    #[error("line 1: there is no key column `{name}`; there is: {}", found.join(", "))]
    NoKeyColumn {
        /// The name asked for.
        name: String,
        /// The header's names.
        found: Vec<String>,
    },
    /// A column that was asked for is not in the header.
    #[error("line 1: there is no column `{name}`, as --columns has it; there is: {}", found.join(", "))]
    NoColumn {
        /// The name asked for.
        name: String,
        /// The header's names.
        found: Vec<String>,
    },
    /// The first column has no name, as in a file with an index.
    #[error(
        "line 1: the first column has no name: pandas writes its index so; name it, or leave it out \
         by to_csv(index=False)"
    )]
    Index,
    /// The header's columns can't form a schema.
    #[error("line 1: {0}")]
    Schema(#[from] SchemaError),
}

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    /// The names of all columns, in order.
    pub(super) names: Vec<String>,
    /// The columns of the rows.
    pub(super) schema: Schema,
    /// Where each of the schema's columns stands in a line.
    pub(super) positions: Vec<usize>,
    /// The columns of the key, in the order in which they make it.
    pub(super) key_parts: Vec<KeyPart>,
    pub(super) last_updated_position: Option<usize>,
    /// The columns whose type nobody gave.
    pub(super) untyped: Vec<String>,
    /// The columns that were not asked for.
    ignored: Vec<String>,
    /// The keys are those of the first column for want of a better one.
    is_key_assumed: bool,
}

impl Header {
    /// Reads the first line. A column has the type that the header says, or else the one that it has
    /// in `stored`, or that `options` say; those of `stored` take their order.
    pub(super) fn read<R: Read>(
        records: &mut Records<R>,
        options: &CsvOptions,
        stored: Option<&Schema>,
    ) -> Result<Self, CsvError> {
        match records.first() {
            // A compressed file may have no line's end for long.
            Err(RecordError::TooLong { .. }) => return Err(not_csv().into()),
            place => place?.ok_or(HeaderError::NoHeader)?,
        };
        if records.raw().contains(&0) {
            return Err(not_csv().into());
        }
        let fields: Vec<&[u8]> = (0..records.len()).map(|at| records.field(at)).collect();
        let (names, types) = names_and_types(&fields)?;
        if let [name] = &names[..]
            && name.contains(['|', ' '])
        {
            return Err(HeaderError::OneColumn { found: name.clone() }.into());
        }
        Ok(Self::new(names, &types, stored, options)?)
    }

    fn new(
        names: Vec<String>,
        types: &[Option<ColumnType>],
        stored: Option<&Schema>,
        options: &CsvOptions,
    ) -> Result<Self, HeaderError> {
        let (key_positions, is_key_assumed) = key_positions(&names, &options.key_columns)?;
        for &at in &key_positions {
            let key = &names[at];
            if names.iter().filter(|name| *name == key).count() > 1 {
                return Err(SchemaError::Duplicate { name: key.clone() }.into());
            }
        }
        let is_key = |at: usize| key_positions.contains(&at);
        if names[0].is_empty() && !is_key(0) && options.columns.is_empty() {
            return Err(HeaderError::Index);
        }
        let known: HashSet<&String> = names.iter().collect();
        if let Some(name) = options.columns.iter().find(|name| !known.contains(name)) {
            return Err(HeaderError::NoColumn { name: name.clone(), found: names.clone() });
        }
        let asked: HashSet<&str> = options.columns.iter().map(String::as_str).collect();
        let stored: HashMap<&str, (usize, ColumnType)> = stored
            .into_iter()
            .flat_map(|stored| stored.columns().iter().enumerate())
            .map(|(at, column)| (&*column.name, (at, column.column_type)))
            .collect();
        let position = |name: &str| names.iter().position(|column| column == name);
        let last_updated_position = position(LAST_UPDATED).filter(|&at| !is_key(at));
        let (mut columns, mut untyped, mut ignored) = (Vec::new(), Vec::new(), Vec::new());
        for (at, name) in names.iter().enumerate() {
            if is_key(at) || Some(at) == last_updated_position {
                continue;
            }
            if !asked.is_empty() && !asked.contains(&**name) {
                ignored.push(name.clone());
                continue;
            }
            let stored = stored.get(&**name).copied();
            let given = options.types.get(name).copied();
            let known = types[at].or(stored.map(|(_, stored)| stored)).or(given);
            if known.is_none() {
                untyped.push(name.clone());
            }
            let order = stored.map_or(usize::MAX, |(order, _)| order);
            let column_type = known.unwrap_or_default();
            columns.push((order, at, StoreColumn { name: name.clone(), column_type }));
        }
        columns.sort_by_key(|(order, at, _)| (*order, *at));
        let part = |position: usize| {
            let column_type = types[position].unwrap_or(ColumnType::Text);
            KeyPart { position, column_type }
        };
        let positions = columns.iter().map(|(_, at, _)| *at).collect();
        let schema = Schema::new(columns.into_iter().map(|(_, _, column)| column).collect())?;
        let keys = key_positions.iter().map(|position| names[*position].clone());
        let schema = schema.with_keys(keys.collect());
        Ok(Self {
            names,
            schema,
            positions,
            key_parts: key_positions.into_iter().map(part).collect(),
            last_updated_position,
            untyped,
            ignored,
            is_key_assumed,
        })
    }

    /// The names of the key's columns, as `--key` has them.
    pub(super) fn key_name(&self) -> String {
        let names = self.key_parts.iter().map(|part| &*self.names[part.position]);
        names.collect::<Vec<_>>().join(",")
    }

    /// What was chosen and was not said by the file itself.
    pub(super) fn notes(&self) -> Vec<ImportNote> {
        let mut notes = Vec::new();
        if self.is_key_assumed {
            let name = self.key_name();
            notes.push(ImportNote::KeyColumn { name });
        }
        if !self.ignored.is_empty() {
            notes.push(ImportNote::Ignored { columns: self.ignored.clone() });
        }
        notes
    }
}

fn not_csv() -> HeaderError {
    HeaderError::OtherFormat { found: "binary", advice: "write it as CSV" }
}

/// Refuses a file of another format, or that begins as no text does.
pub(super) fn ensure_text(sample: &[u8]) -> Result<(), HeaderError> {
    for (start, found, advice) in OTHER_FORMATS {
        if sample.starts_with(start) {
            return Err(HeaderError::OtherFormat { found, advice });
        }
    }
    let line = sample.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.is_empty());
    if line.is_some_and(|line| line.contains(&0)) { Err(not_csv()) } else { Ok(()) }
}

/// The header's names, and the types that it gives.
pub(super) fn names_and_types(
    fields: &[&[u8]],
) -> Result<(Vec<String>, Vec<Option<ColumnType>>), HeaderError> {
    let mut names = Vec::with_capacity(fields.len());
    let mut types = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        let column = at + 1;
        let text = std::str::from_utf8(field)
            .map_err(|error| HeaderError::NotText { column, byte: field[error.valid_up_to()] })?
            .trim();
        let (name, column_type) = match text.rsplit_once(':') {
            Some((name, word)) => {
                let column_type =
                    word.parse().map_err(|source| HeaderError::Type { column, source })?;
                (name, Some(column_type))
            }
            None => (text, None),
        };
        names.push(name.to_owned());
        types.push(column_type);
    }
    Ok((names, types))
}

/// Where the columns of the keys are, and whether that is an assumption.
fn key_positions(names: &[String], asked: &[String]) -> Result<(Vec<usize>, bool), HeaderError> {
    let position = |name: &str| names.iter().position(|column| column == name);
    if asked.is_empty() {
        let (at, is_assumed) = position(KEY_COLUMN).map_or((0, true), |at| (at, false));
        return Ok((vec![at], is_assumed));
    }
    let mut positions = Vec::with_capacity(asked.len());
    for name in asked {
        let at = position(name).ok_or_else(|| HeaderError::NoKeyColumn {
            name: name.clone(),
            found: names.to_vec(),
        })?;
        if positions.contains(&at) {
            return Err(SchemaError::Duplicate { name: name.clone() }.into());
        }
        positions.push(at);
    }
    Ok((positions, false))
}
