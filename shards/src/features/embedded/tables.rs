//! The named tables of a store, each a folder beside the default one's file: `DIR/tables/NAME` has what
//! `DIR` has of the default table.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::error::EmbeddedError;
use super::store::EmbeddedStore;

/// Where named tables are in a store's folder.
pub(super) const TABLES: &str = "tables";

/// The name of a table: letters, digits, `_` and `-`, at most [`TableName::BYTES_MAX`] of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

/// A text that names no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is no table's name: expected 1 to {} letters, digits, `_` and `-`",
    TableName::BYTES_MAX
)]
pub struct BadTableName {
    /// The text.
    pub name: String,
}

impl TableName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TableName {
    type Err = BadTableName;

    fn from_str(name: &str) -> Result<Self, BadTableName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let fits = (1..=Self::BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
        let name = name.to_owned();
        if fits { Ok(Self(name)) } else { Err(BadTableName { name }) }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The names of the tables in the folder of a store, in order; folders of other names are none.
pub(super) fn names_in(folder: &Path) -> Result<Vec<TableName>, EmbeddedError> {
    let path = folder.join(TABLES);
    let entries = match std::fs::read_dir(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(EmbeddedError::io(&path, "listing the tables"))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(EmbeddedError::io(&path, "listing the tables"))?;
        let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
        names.extend(name.filter(|_| entry.path().join(super::store::FILE).exists()));
    }
    names.sort_unstable();
    Ok(names)
}

impl EmbeddedStore {
    /// Opens a table of the store in the folder `path`, the default one where `table` is none.
    ///
    /// # Errors
    /// There is no such store or table, or its file cannot be read.
    pub fn open_table(path: &Path, table: Option<&TableName>) -> Result<Self, EmbeddedError> {
        match table {
            None => Self::open(path),
            Some(name) => {
                let store = Self::at(path, None).table(name);
                store.snapshot()?;
                Ok(store)
            }
        }
    }

    /// [`Self::open_table`], which makes the folder, and an empty table that has no schema until an
    /// import made one.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open_or_create_table(
        path: &Path,
        table: Option<&TableName>,
    ) -> Result<Self, EmbeddedError> {
        let Some(name) = table else { return Self::open_or_create(path) };
        let table = Self::open_or_create(path)?.table(name);
        let folder = table.path();
        std::fs::create_dir_all(folder).map_err(EmbeddedError::io(folder, "making the folder"))?;
        Ok(table)
    }

    /// The names of the tables beside the default one that something was imported to, in order.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn tables(&self) -> Result<Vec<TableName>, EmbeddedError> {
        names_in(self.path())
    }

    /// Whether there are any: then the default one need not be there.
    pub fn has_tables(&self) -> bool {
        self.tables().is_ok_and(|names| !names.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::TableName;

    #[test]
    fn a_name_is_no_path() {
        for name in ["merchants", "a-b_9", "X"] {
            assert_eq!(name.parse::<TableName>().unwrap().as_str(), name);
        }
        let long = "x".repeat(65);
        for name in ["", ".", "..", "a/b", "a.b", "ä", "a b", &long] {
            let error = name.parse::<TableName>().unwrap_err().to_string();
            assert!(error.contains("is no table's name"), "{error}");
        }
    }
}
