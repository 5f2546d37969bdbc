//! Writes CSV to the embedded store, as one new file.

use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use super::csv::{CsvError, CsvRows};
use super::notes::ImportNote;
use super::options::{
    ImportObserver, ImportOptions, ImportProgress, OnBadRow, ROWS_BETWEEN_REPORTS,
};
use crate::features::embedded::{
    EmbeddedError, EmbeddedStore, EmbeddedWriter, ImportTurn, PutError,
};
use crate::features::schema::{Schema, StoreColumn};

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The CSV can't be read, or a line is no row and that is fatal.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// The store can't be written.
    #[error(transparent)]
    Store(#[from] EmbeddedError),
    /// A row does not fit the store.
    #[error(transparent)]
    Put(#[from] PutError),
    /// Who asked for the import does not want the columns that the store would have.
    #[error("{reason}")]
    Unwanted {
        /// Why not.
        reason: String,
    },
    /// There is no row at all.
    #[error("there is no row to import in {path}")]
    NoRows {
        /// The store's folder.
        path: PathBuf,
    },
}

/// Imports the rows of `input`, all or, on an error, none. Readers see the store as it was until
/// the import is committed, whichever process they are in.
pub fn import_embedded(
    store: &EmbeddedStore,
    input: impl Read,
    options: &ImportOptions,
    observer: &mut dyn ImportObserver,
) -> Result<ImportProgress, ImportError> {
    import_embedded_in(store.take_turn()?, store, input, options, observer)
}

/// [`import_embedded`] for an import that has its turn.
pub fn import_embedded_in(
    turn: ImportTurn,
    store: &EmbeddedStore,
    input: impl Read,
    options: &ImportOptions,
    observer: &mut dyn ImportObserver,
) -> Result<ImportProgress, ImportError> {
    let start = Instant::now();
    let mut progress = ImportProgress::default();
    let stored = if options.replace { None } else { store.schema()? };
    let mut rows = CsvRows::open(input, &options.csv, stored.as_ref())?;
    rows.header_notes().iter().for_each(|note| observer.noted(note));
    let mut writer = EmbeddedWriter::begin_in(turn, store, rows.schema(), options.replace)?;
    note_merge(&writer, rows.schema(), observer);
    let before = if options.replace { store.schema().ok().flatten() } else { stored };
    let wanted = observer.columns_change(before.as_ref(), writer.schema());
    wanted.map_err(|reason| ImportError::Unwanted { reason })?;
    loop {
        match rows.read() {
            Ok(None) => break,
            Ok(Some(row)) => {
                writer.put(row.key, row.last_updated_us, &row.cells)?;
                progress.rows += 1;
                progress.bytes = row.bytes_read;
            }
            Err(CsvError::Row(error)) if options.on_bad_row == OnBadRow::Skip => {
                progress.skipped += 1;
                observer.skipped(&error);
            }
            Err(error) => return Err(error.into()),
        }
        if (progress.rows + progress.skipped).is_multiple_of(ROWS_BETWEEN_REPORTS) {
            progress.elapsed = start.elapsed();
            observer.progress(progress);
        }
    }
    if progress.rows == 0 {
        return Err(ImportError::NoRows { path: store.path().to_owned() });
    }
    writer.commit()?;
    rows.notes().iter().for_each(|note| observer.noted(note));
    progress.elapsed = start.elapsed();
    Ok(progress)
}

/// Says which columns the import adds, and how many it leaves as they are.
fn note_merge(writer: &EmbeddedWriter<'_>, given: &Schema, observer: &mut dyn ImportObserver) {
    let Some(stored) = writer.base_schema() else { return };
    let known = stored.positions();
    let is_new = |column: &&StoreColumn| !known.contains_key(&*column.name);
    let added: Vec<_> =
        given.columns().iter().filter(is_new).map(|column| column.name.clone()).collect();
    let kept = stored.columns().len() + added.len() - given.columns().len();
    if !added.is_empty() || kept > 0 {
        observer.noted(&ImportNote::Merged { added, kept });
    }
}
