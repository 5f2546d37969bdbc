//! Replays a model's recorded predictions: what its own library said, row by row.
//!
//! A golden file is a CSV with a header. It either holds the features themselves (`COLUMN,…,score`)
//! or says whose they are (`user_id,score`), and they lie in `features.csv` beside it or in the
//! folder above it; a user who is not there is scored on the model's defaults. A model of several outputs has one score column
//! for each. Texts are those that the model's columns know.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::error::ScoreError;
use super::golden_rows::{
    FEATURES_FILE, RowFormat, Table, USER_COLUMN, rows_in_place, rows_of_users,
};
use super::scorer::Model;
use crate::features::FeatureMatrix;
use crate::features::join::{JoinError, categories_by_column};

/// The largest difference at which a score still agrees with its library's, by
/// [`GoldenReport::difference_max`].
pub const DIFFERENCE_ALLOWED: f64 = 1e-5;

const BATCH_ROWS: usize = 64;

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GoldenReport {
    /// How many rows were compared.
    pub rows: usize,
    /// The largest `|found - expected| / max(1, |expected|)`; infinite where one of the two is
    /// not finite and the other is.
    pub difference_max: f64,
    /// The row with the largest difference.
    pub worst: Option<GoldenRow>,
}

/// One row of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoldenRow {
    /// Its line in the golden file, from 1; the header is line 1.
    pub line: u64,
    /// What the library said.
    pub expected: f64,
    /// What the model says here.
    pub found: f64,
}

impl GoldenReport {
    /// Whether every row agrees.
    pub fn agrees(&self) -> bool {
        self.rows > 0 && self.difference_max <= DIFFERENCE_ALLOWED
    }

    fn add(&mut self, row: GoldenRow) {
        // Infinities of one sign and NaNs are equal, and have no difference.
        let same = row.found.total_cmp(&row.expected).is_eq()
            || (row.found.is_nan() && row.expected.is_nan());
        let difference = (row.found - row.expected).abs() / row.expected.abs().max(1.0);
        let difference = match difference {
            _ if same => 0.0,
            difference if difference.is_finite() => difference,
            _ => f64::INFINITY,
        };
        if self.worst.is_none() || difference > self.difference_max {
            self.difference_max = difference;
            self.worst = Some(row);
        }
        self.rows += 1;
    }
}

/// Why a golden file was not replayed.
#[derive(Debug, Error)]
pub enum GoldenError {
    /// The columns of `model.toml` and the model's own categories do not fit together.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A file cannot be read as CSV.
    #[error("{}: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: csv::Error,
    },
    /// A column is missing.
    #[error("{}: no column `{column}`; there is: {}", path.display(), found.join(", "))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        column: String,
        /// The file's header.
        found: Vec<String>,
    },
    /// The file has another number of columns than the model, whose columns have no names.
    #[error("{}: {found} feature columns, the model reads {expected}", path.display())]
    Width {
        /// The file.
        path: PathBuf,
        /// What the file has.
        found: usize,
        /// What the model reads.
        expected: usize,
    },
    /// A cell is no number.
    #[error("{}:{line}: column `{column}`: found \"{found}\", expected a number", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// The cell.
        found: String,
    },
    /// A text that the model has no answer for, or a missing one.
    #[error(
        "{}:{line}: column `{column}`: found {found:?}, expected one of the texts that the model \
         knows: on another one, its library fails or its file doesn't say what it does",
        path.display()
    )]
    Text {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// The cell; empty where it is missing.
        found: String,
    },
    /// A user of the golden file has no features, and the model no defaults.
    #[error("{}:{line}: user `{user}` is not in {FEATURES_FILE}", path.display())]
    NoUser {
        /// The golden file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The user.
        user: String,
    },
    /// The model failed on a batch.
    #[error(transparent)]
    Score(#[from] ScoreError),
}

/// Replays `golden` and compares with its column `score`.
pub fn replay(model: &mut Model, golden: &Path, score: &str) -> Result<GoldenReport, GoldenError> {
    let table = Table::read(golden)?;
    let expected = table.place(score)?;
    let columns = model.manifest().columns.as_deref();
    let categories = categories_by_column(columns, model.categories())?;
    let rows = match table.header.iter().position(|name| name == USER_COLUMN) {
        Some(user) => rows_of_users(model, &categories, &table, user)?,
        None => rows_in_place(&RowFormat::of(model), &categories, &table)?,
    };
    let mut report = GoldenReport::default();
    let mut features = FeatureMatrix::new(model.columns(), model.precision());
    let mut scores = Vec::new();
    for (batch, records) in rows.chunks(BATCH_ROWS).zip(table.records.chunks(BATCH_ROWS)) {
        features.reset(batch.len());
        for (row, cells) in batch.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                features.set(row, column, *cell);
            }
        }
        model.score(&features, &mut scores)?;
        for ((line, record), found) in records.iter().zip(&scores) {
            let expected = table.number(*line, record, expected)?;
            report.add(GoldenRow { line: *line, expected, found: *found });
        }
    }
    Ok(report)
}
