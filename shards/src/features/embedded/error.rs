//! What can be wrong with a store's folder and file.

use std::path::PathBuf;

use super::layout::FORMAT;
use super::tables::TableName;

/// Why the embedded store can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no store in the folder.
    #[error(
        "{path}: no feature store here; `shardgate import FILE.csv --store embedded:{path}` makes one"
    )]
    NoStore {
        /// The store's folder.
        path: PathBuf,
    },
    /// The store has no table of this name.
    #[error(
        "{path}: no table `{table}` in this store; `shardgate import FILE.csv --table {table} --store \
         embedded:{path}` makes one"
    )]
    NoTable {
        /// The store's folder.
        path: PathBuf,
        /// The table.
        table: TableName,
    },
    /// There is one of an earlier version, which has other files.
    #[error(
        "{path}: an earlier version made this store (data.mdb), in a format without checksums that \
         this one does not read: import all features again with --replace; data.mdb and lock.mdb may \
         then be removed"
    )]
    EarlierFormat {
        /// The store's folder.
        path: PathBuf,
    },
    /// The system refused something.
    #[error("{path}: {operation}: {source}")]
    Io {
        /// The store's folder or file.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no store's.
    #[error(
        "{path}: this is no feature store's file: put back the one that was there, or import all \
         features again with --replace"
    )]
    NotAStore {
        /// The store's file.
        path: PathBuf,
    },
    /// Another version wrote it.
    #[error("{path}: the store's format is {found}, this version reads {FORMAT}: import it again")]
    Format {
        /// The store's file.
        path: PathBuf,
        /// The format it is in, as written.
        found: u32,
    },
    /// The file is not as long as it says.
    #[error(
        "{path}: the file has {found} bytes and says that it has {expected}: it was cut, or is being \
         copied at this moment; copy it whole, under another name that is then moved here, or import \
         all features again with --replace"
    )]
    Length {
        /// The store's file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// What its header says, in bytes.
        expected: u64,
    },
    /// Its header or its schema is not as it was written.
    #[error(
        "{path}: the {part} is damaged: put back a copy of the file, or import all features again with \
         --replace"
    )]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// Which part.
        part: &'static str,
    },
    /// Records are not as they were written, and an import would keep them.
    #[error(
        "{path}: {damaged} of {rows} records are damaged, and this import would keep them: import all \
         features with --replace"
    )]
    RecordsDamaged {
        /// The store's file.
        path: PathBuf,
        /// How many do not match their checksums.
        damaged: u64,
        /// How many there are.
        rows: u64,
    },
    /// The record of a key is not as it was written, or what leads to it.
    #[error("{path}: the record of this key is damaged: import all features again with --replace")]
    RecordDamaged {
        /// The store's file.
        path: PathBuf,
    },
    /// The rows at hand have other columns than the store's.
    #[error("{path}: {reason}; import with --replace to replace the whole store")]
    SchemaDiffers {
        /// The store's folder.
        path: PathBuf,
        /// Which column, its type found and expected.
        reason: String,
    },
    /// The log of changes is not as it was written.
    #[error(
        "{path}: the {part} of the log of changes is damaged: put back a copy of the folder, or import \
         all features again with --replace"
    )]
    LogDamaged {
        /// The log's file, or the store's folder.
        path: PathBuf,
        /// Which part.
        part: &'static str,
    },
    /// There is no room for the new file.
    #[error(
        "{path}: the disk is full: {} of the new copy were written, which is made beside the old one \
         and takes {} in all; {} are free; the store is as it was: free some space, or import into a \
         folder on another disk",
        mib(*written_bytes), needed(*needed_bytes), mib(*free_bytes)
    )]
    Full {
        /// The store's folder.
        path: PathBuf,
        /// How much was written.
        written_bytes: u64,
        /// How much it takes at least.
        needed_bytes: u64,
        /// How much is free, without what was written, which has been removed.
        free_bytes: u64,
    },
    /// More rows than a file can have.
    #[error("{path}: the store would have more than 2^48 bytes")]
    TooLarge {
        /// The store's folder.
        path: PathBuf,
    },
}

impl EmbeddedError {
    /// Whether there is nothing at the store's place, or the table's, which an import would make.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NoStore { .. } | Self::NoTable { .. })
    }

    /// Puts the path and the operation to what the system said.
    pub(super) fn io(
        path: &std::path::Path,
        operation: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, operation, source }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}

fn needed(bytes: u64) -> String {
    format!("{} or more", mib(bytes))
}
