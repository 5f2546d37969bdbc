//! The rows of a golden file, or of a file of features, as a model's columns read them.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::StringRecord;

use super::golden::GoldenError;
use super::scorer::Model;
use crate::features::Categories;
use crate::features::column::ColumnType;
use crate::features::inputs::{InputColumn, NanMeaning};
use crate::features::join::categories_by_column;

/// The header of the column that names users.
pub(super) const USER_COLUMN: &str = "user_id";

/// The file of features beside a golden file that names users.
pub(super) const FEATURES_FILE: &str = "features.csv";

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
    pub(super) fn of(model: &'a Model) -> Self {
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
pub(super) struct Table {
    path: PathBuf,
    pub(super) header: Vec<String>,
    /// Each record with its line.
    pub(super) records: Vec<(u64, StringRecord)>,
}

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self, GoldenError> {
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

    pub(super) fn place(&self, column: &str) -> Result<usize, GoldenError> {
        let place = self.header.iter().position(|name| name == column);
        place.ok_or_else(|| GoldenError::NoColumn {
            path: self.path.clone(),
            column: column.to_owned(),
            found: self.header.clone(),
        })
    }

    pub(super) fn number(
        &self,
        line: u64,
        record: &StringRecord,
        place: usize,
    ) -> Result<f64, GoldenError> {
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

pub(super) fn rows_in_place(
    format: &RowFormat<'_>,
    categories: &ByColumn,
    table: &Table,
) -> Result<Vec<Vec<f64>>, GoldenError> {
    let places = table.features(format)?;
    let records = table.records.iter();
    records.map(|(line, record)| table.row(format, categories, &places, (*line, record))).collect()
}

pub(super) fn rows_of_users(
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
