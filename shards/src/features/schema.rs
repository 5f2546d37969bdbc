//! What a store holds for each user: named, typed columns in order, and when the row was written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::column::ColumnType;

/// The most columns that a store may have.
pub const COLUMNS_MAX: usize = 4096;

/// The column that says when a row was last written; it is never one of [`Schema::columns`].
pub const LAST_UPDATED: &str = "last_updated";

/// One feature column of a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoreColumn {
    /// The column's name.
    pub name: String,
    /// The type of its cells; each may be null.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
}

/// A column of a cluster's table whose type can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnreadColumn {
    /// The column's name.
    pub name: String,
    /// Its type, as the cluster writes it.
    pub found: String,
}

/// The feature columns of a store, in order. Every row has a `last_updated` besides. Two are equal that
/// have the same columns, whatever is known of their keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "SchemaText", into = "SchemaText")]
pub struct Schema {
    columns: Vec<StoreColumn>,
    /// What the store has besides, for those who ask for it by name.
    unread: Vec<UnreadColumn>,
    /// The store's other tables, by name.
    tables: Vec<NamedTable>,
    /// How many columns its key has, where the store knows that.
    key_parts: Option<usize>,
    /// The columns of its key, in order, where an import said them.
    keys: Vec<String>,
    fingerprint: u64,
}

/// How a store's file has it: the columns, beside the key's where an import said these.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SchemaText {
    Columns(Vec<StoreColumn>),
    Keyed { columns: Vec<StoreColumn>, key: Vec<String> },
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        (&self.columns, &self.unread, &self.tables)
            == (&other.columns, &other.unread, &other.tables)
    }
}

impl Eq for Schema {}

/// A table that a store has beside its own, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTable {
    /// Its name.
    pub name: String,
    /// Its columns, or why they can't be read.
    pub schema: Result<Schema, Arc<str>>,
}

impl NamedTable {
    /// A number that is another one whenever its columns are.
    pub fn fingerprint(&self) -> u64 {
        match &self.schema {
            Ok(schema) => schema.fingerprint(),
            Err(reason) => fingerprint_of_reason(reason),
        }
    }
}

/// A number that tells reasons apart for which a table can't be read.
pub(crate) fn fingerprint_of_reason(reason: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    reason.hash(&mut hasher);
    hasher.finish()
}

/// The fingerprint of a store with this one and those of its other tables, in order.
pub(crate) fn fingerprint_of_all(own: u64, tables: impl Iterator<Item = u64>) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    tables.fold(own, |all, table| (all.rotate_left(29) ^ table).wrapping_mul(ODD))
}

/// Tells the fingerprints of tables apart whose keys have other numbers of columns.
const KEY_PARTS_ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Columns that can't form a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// There is no feature column.
    #[error("the store has no feature column")]
    Empty,
    /// There are more columns than [`COLUMNS_MAX`].
    #[error("{found} feature columns, at most {COLUMNS_MAX} are supported")]
    TooManyColumns {
        /// How many there are.
        found: usize,
    },
    /// A column has no name.
    #[error("feature column {position} has no name")]
    Unnamed {
        /// The column's position, from 1.
        position: usize,
    },
    /// Two columns have one name, or a column is named like [`LAST_UPDATED`].
    #[error("there is more than one column `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
}

impl Schema {
    /// Checks that the columns can be told apart and keeps their order.
    pub fn new(columns: Vec<StoreColumn>) -> Result<Self, SchemaError> {
        if columns.is_empty() {
            return Err(SchemaError::Empty);
        }
        if columns.len() > COLUMNS_MAX {
            return Err(SchemaError::TooManyColumns { found: columns.len() });
        }
        let mut names = std::collections::HashSet::from([LAST_UPDATED]);
        for (index, column) in columns.iter().enumerate() {
            if column.name.is_empty() {
                return Err(SchemaError::Unnamed { position: index + 1 });
            }
            if !names.insert(&column.name) {
                return Err(SchemaError::Duplicate { name: column.name.clone() });
            }
        }
        let fingerprint = fingerprint_of(&columns, &[]);
        let (unread, tables, key_parts, keys) = (Vec::new(), Vec::new(), None, Vec::new());
        Ok(Self { columns, unread, tables, key_parts, keys, fingerprint })
    }

    /// The schema where there is no store: it has no column.
    pub fn none() -> Self {
        Self {
            columns: Vec::new(),
            unread: Vec::new(),
            tables: Vec::new(),
            key_parts: None,
            keys: Vec::new(),
            fingerprint: fingerprint_of(&[], &[]),
        }
    }

    /// Whether there is no store, so that every cell comes from the request.
    pub fn is_none(&self) -> bool {
        self.columns.is_empty() && self.tables.is_empty()
    }

    /// A number that tells schemas apart: equal for equal columns in the same order, within this
    /// process. It is what a batch compares, not the columns.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The columns, in the store's order.
    pub fn columns(&self) -> &[StoreColumn] {
        &self.columns
    }

    /// The same schema of a store that has these columns too, which are not read.
    #[must_use]
    pub fn with_unread(self, unread: Vec<UnreadColumn>) -> Self {
        Self { fingerprint: fingerprint_of(&self.columns, &unread), unread, ..self }
    }

    /// The same schema of a table whose key has so many columns.
    #[must_use]
    pub fn with_key_parts(self, parts: usize) -> Self {
        // Plans are bound again where the key is another. One column is what most tables have.
        let several = if parts == 1 { 0 } else { parts as u64 };
        let fingerprint = self.fingerprint ^ several.wrapping_mul(KEY_PARTS_ODD);
        Self { key_parts: Some(parts), fingerprint, ..self }
    }

    /// The same schema of a table whose key has these columns, in this order.
    #[must_use]
    pub fn with_keys(self, keys: Vec<String>) -> Self {
        let mut hasher = DefaultHasher::new();
        keys.hash(&mut hasher);
        let of_several = if keys.len() > 1 { hasher.finish() } else { 0 };
        let keyed = self.with_key_parts(keys.len());
        Self { fingerprint: keyed.fingerprint ^ of_several, keys, ..keyed }
    }

    /// The columns of the table's key, in order; empty where the store does not know them.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// How many columns the table's key has, where the store knows that.
    pub fn key_parts(&self) -> Option<usize> {
        self.key_parts
    }

    /// The same schema of a store that has these tables too.
    #[must_use]
    pub fn with_tables(self, tables: Vec<NamedTable>) -> Self {
        Self { tables, ..self }
    }

    /// The tables that the store has beside its own.
    pub fn tables(&self) -> &[NamedTable] {
        &self.tables
    }

    /// The columns of a table of the store, or why they can't be read; `None` where it has no such
    /// table.
    pub fn table(&self, name: &str) -> Option<Result<&Self, &Arc<str>>> {
        self.tables.iter().find(|table| table.name == name).map(|table| table.schema.as_ref())
    }

    /// The store's own table alone.
    #[must_use]
    pub fn own(&self) -> Self {
        Self { tables: Vec::new(), ..self.clone() }
    }

    /// [`Self::fingerprint`] of this table and of all others.
    pub fn fingerprint_of_all(&self) -> u64 {
        fingerprint_of_all(self.fingerprint, self.tables.iter().map(NamedTable::fingerprint))
    }

    /// The columns that the store has besides and that are not read.
    pub fn unread(&self) -> &[UnreadColumn] {
        &self.unread
    }

    /// The type of the column `name`, where the store has it and it can't be read.
    pub fn unread_type(&self, name: &str) -> Option<&str> {
        let found = self.unread.iter().find(|column| column.name == name);
        found.map(|column| column.found.as_str())
    }

    /// Where each column stands, by its name: for those who look for many.
    pub(crate) fn positions(&self) -> HashMap<&str, usize> {
        self.columns.iter().enumerate().map(|(at, column)| (&*column.name, at)).collect()
    }

    /// Where the column `name` stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

fn fingerprint_of(columns: &[StoreColumn], unread: &[UnreadColumn]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (columns, unread).hash(&mut hasher);
    hasher.finish()
}

impl TryFrom<SchemaText> for Schema {
    type Error = SchemaError;

    fn try_from(text: SchemaText) -> Result<Self, SchemaError> {
        match text {
            SchemaText::Columns(columns) => Self::new(columns),
            SchemaText::Keyed { columns, key } => Ok(Self::new(columns)?.with_keys(key)),
        }
    }
}

impl From<Schema> for SchemaText {
    fn from(Schema { columns, keys: key, .. }: Schema) -> Self {
        if key.is_empty() { Self::Columns(columns) } else { Self::Keyed { columns, key } }
    }
}
