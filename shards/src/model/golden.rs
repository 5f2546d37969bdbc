//! Replays a model's recorded predictions: what its own library said, row by row.
//!
//! A golden file is a CSV with a header. It either holds the features themselves (`COLUMN,…,score`)
//! or says whose they are (`user_id,score`), and they lie in `features.csv` beside it or in the
//! folder above it; a user who is not there is scored on the model's defaults. A model of several outputs has one score column
//! for each. Texts are those that the model's columns know.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::StringRecord;
use thiserror::Error;

use super::scorer::{Model, ScoreError};
use crate::features::column::ColumnType;
use crate::features::inputs::{InputColumn, NanMeaning};
use crate::features::join::{JoinError, categories_by_column};
use crate::features::{Categories, FeatureMatrix};

/// The largest difference at which a score still agrees with its library's, by
/// [`GoldenReport::difference_max`].
pub const DIFFERENCE_ALLOWED: f64 = 1e-5;

/// The file of features beside a golden file that names users.
pub(super) const FEATURES_FILE: &str = "features.csv";

/// The header of the column that names users.
const USER_COLUMN: &str = "user_id";

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

/// What is known of a model's rows.
pub(super) struct RowFormat<'a> {
    /// The columns that are found by their names, if they have any.
    pub(super) named: Option<&'a [InputColumn]>,
    /// Those of `model.toml`.
    pub(super) described: &'a [InputColumn],
    /// How many columns a row has.
    pub(super) columns: usize,
}

impl<'a> RowFormat<'a> {
    fn of(model: &'a Model) -> Self {
        Self {
            named: model.input_columns(),
            described: model.manifest().columns.as_deref().unwrap_or_default(),
            columns: model.columns(),
        }
    }
}

/// The rows of a file of a model's columns, as they come to it; `categories` are the model's own.
pub(super) fn read_rows(
    path: &Path,
    format: &RowFormat<'_>,
    categories: &ByColumn,
) -> Result<Vec<Vec<f64>>, GoldenError> {
    let described = Some(format.described).filter(|columns| !columns.is_empty());
    let categories = categories_by_column(described, categories)?;
    rows_in_place(format, &categories, &Table::read(path)?)
}

/// A column's name without its type, which the features have as `shardgate import` reads them:
/// `purpose:text`.
fn name_of(header: &str) -> String {
    let typed = header.rsplit_once(':').filter(|(_, word)| word.parse::<ColumnType>().is_ok());
    typed.map_or(header, |(name, _)| name).to_owned()
}

/// The categories of each column of a model; `None` for those of numbers.
type ByColumn = [Option<Arc<Categories>>];

/// A CSV file in memory.
struct Table {
    path: PathBuf,
    header: Vec<String>,
    /// Each record with its line.
    records: Vec<(u64, StringRecord)>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, GoldenError> {
        let failed = |source| GoldenError::Csv { path: path.to_owned(), source };
        let file = File::open(path).map_err(|error| failed(error.into()))?;
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.headers().map_err(failed)?.iter().map(name_of).collect();
        let mut records = Vec::new();
        for record in reader.into_records() {
            let record = record.map_err(failed)?;
            records.push((record.position().map_or(0, csv::Position::line), record));
        }
        Ok(Self { path: path.to_owned(), header, records })
    }

    fn place(&self, column: &str) -> Result<usize, GoldenError> {
        let place = self.header.iter().position(|name| name == column);
        place.ok_or_else(|| GoldenError::NoColumn {
            path: self.path.clone(),
            column: column.to_owned(),
            found: self.header.clone(),
        })
    }

    fn number(&self, line: u64, record: &StringRecord, place: usize) -> Result<f64, GoldenError> {
        match record.get(place).unwrap_or_default().trim() {
            "" => Ok(f64::NAN),
            text => text.parse().map_err(|_| GoldenError::Cell {
                path: self.path.clone(),
                line,
                column: self.header[place].clone(),
                found: text.to_owned(),
            }),
        }
    }

    /// The code of a text. An empty cell is a missing value, unless the model knows the empty text; a
    /// missing one has the column's default, where the store's join would give it that.
    fn code(
        &self,
        texts: &Categories,
        column: Option<&InputColumn>,
        line: u64,
        record: &StringRecord,
        place: usize,
    ) -> Result<f64, GoldenError> {
        let text = record.get(place).unwrap_or_default();
        let code = match texts.code(text.as_bytes()) {
            // What is hashed knows every text.
            Some(code) if !text.is_empty() || !texts.texts().is_empty() => Some(code),
            _ if text.is_empty() => match column {
                Some(column) if column.nan == NanMeaning::Default => {
                    column.text.default_code(texts)
                }
                _ => texts.missing(),
            },
            _ => texts.unknown(),
        };
        code.ok_or_else(|| GoldenError::Text {
            path: self.path.clone(),
            line,
            column: self.header[place].clone(),
            found: text.to_owned(),
        })
    }

    /// The places of the model's columns: by name, else all that is neither user nor score.
    fn features(&self, format: &RowFormat<'_>) -> Result<Vec<usize>, GoldenError> {
        if let Some(columns) = format.named {
            let mut known: HashMap<&str, usize> = HashMap::with_capacity(self.header.len());
            for (place, name) in self.header.iter().enumerate() {
                known.entry(name).or_insert(place);
            }
            let place = |column: &InputColumn| match known.get(column.name.as_str()) {
                Some(place) => Ok(*place),
                None => self.place(&column.name),
            };
            return columns.iter().map(place).collect();
        }
        let is_feature = |name: &str| name != USER_COLUMN && !name.starts_with("score");
        let places: Vec<_> =
            (0..self.header.len()).filter(|place| is_feature(&self.header[*place])).collect();
        if places.len() != format.columns {
            let (path, found) = (self.path.clone(), places.len());
            return Err(GoldenError::Width { path, found, expected: format.columns });
        }
        Ok(places)
    }

    fn row(
        &self,
        format: &RowFormat<'_>,
        categories: &ByColumn,
        places: &[usize],
        (line, record): (u64, &StringRecord),
    ) -> Result<Vec<f64>, GoldenError> {
        let columns = format.described;
        let cell = |(column, place): (usize, &usize)| {
            if let Some(texts) = categories.get(column).and_then(Option::as_deref) {
                return self.code(texts, columns.get(column), line, record, *place);
            }
            let cell = self.number(line, record, *place)?;
            Ok(columns.get(column).map_or(cell, |column| known(column, cell)))
        };
        places.iter().enumerate().map(cell).collect()
    }
}

/// A cell as the store's join would pass it on.
fn known(column: &InputColumn, cell: f64) -> f64 {
    if cell.is_nan() && column.nan == NanMeaning::Default { column.default } else { cell }
}

/// The model's row for a user whom nobody knows; `None` where a column has no default.
fn defaults(model: &Model, categories: &ByColumn) -> Option<Vec<f64>> {
    let cell = |(place, column): (usize, &InputColumn)| {
        let texts = categories.get(place).and_then(Option::as_deref);
        texts.map_or(Some(column.default), |texts| column.text.default_code(texts))
    };
    model.manifest().columns.as_deref()?.iter().enumerate().map(cell).collect()
}

fn rows_in_place(
    format: &RowFormat<'_>,
    categories: &ByColumn,
    table: &Table,
) -> Result<Vec<Vec<f64>>, GoldenError> {
    let places = table.features(format)?;
    let records = table.records.iter();
    records.map(|(line, record)| table.row(format, categories, &places, (*line, record))).collect()
}

fn rows_of_users(
    model: &Model,
    categories: &ByColumn,
    golden: &Table,
    user: usize,
) -> Result<Vec<Vec<f64>>, GoldenError> {
    let beside = golden.path.with_file_name(FEATURES_FILE);
    // A version's own golden file may share the features of the whole model.
    let of_model =
        golden.path.parent().and_then(|folder| Some(folder.parent()?.join(FEATURES_FILE)));
    let features = Table::read(match &of_model {
        Some(of_model) if !beside.exists() && of_model.exists() => of_model,
        _ => &beside,
    })?;
    let feature_user = features.place(USER_COLUMN)?;
    let format = RowFormat::of(model);
    let places = features.features(&format)?;
    let by_user: HashMap<_, _> = features
        .records
        .iter()
        .map(|(line, record)| (record.get(feature_user).unwrap_or_default(), (*line, record)))
        .collect();
    let row = |(line, record): &(u64, StringRecord)| {
        let user = record.get(user).unwrap_or_default();
        match by_user.get(user) {
            Some((line, record)) => features.row(&format, categories, &places, (*line, record)),
            None => defaults(model, categories).ok_or_else(|| GoldenError::NoUser {
                path: golden.path.clone(),
                line: *line,
                user: user.to_owned(),
            }),
        }
    };
    golden.records.iter().map(row).collect()
}
