//! How an import is asked for, and how it reports.

use std::time::Duration;

use super::csv::{CsvOptions, RowError};
use super::notes::ImportNote;
use crate::features::schema::Schema;

/// How many rows are written between two calls of the progress callback.
pub(super) const ROWS_BETWEEN_REPORTS: u64 = 4096;

/// What to do with a line that is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBadRow {
    /// End the import and leave the store as it was.
    #[default]
    Fatal,
    /// Report it and go on.
    Skip,
}

/// How rows are to be imported.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// How the CSV is to be read.
    pub csv: CsvOptions,
    /// What to do with a line that is no row.
    pub on_bad_row: OnBadRow,
    /// Remove what the store has first, its columns too. Without it the rows are merged by key.
    pub replace: bool,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// Rows written so far.
    pub rows: u64,
    /// Lines skipped so far.
    pub skipped: u64,
    /// Input read so far, in bytes.
    pub bytes: u64,
    /// Time since the start.
    pub elapsed: Duration,
}

/// Hears of an import on its way.
pub trait ImportObserver {
    /// Called every few thousand rows.
    fn progress(&mut self, progress: ImportProgress);
    /// Called for each line that is skipped.
    fn skipped(&mut self, error: &RowError);
    /// Called for what is to be said of the file: of its header before the first row is read, of
    /// the rows after the last.
    fn noted(&mut self, note: &ImportNote);
    /// Called before anything changes, with the columns that the store has (`None` where it has
    /// none) and those that it would have. An error, which says why, ends the import.
    fn columns_change(&mut self, _before: Option<&Schema>, _after: &Schema) -> Result<(), String> {
        Ok(())
    }
}
