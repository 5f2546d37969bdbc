//! Reads the rows that stand for the average one.

use std::path::PathBuf;
use std::sync::Arc;

use super::ExplainError;
use crate::features::{Categories, FeatureMatrix, Precision};
use crate::model::golden_rows::{self as golden, RowFormat};
use crate::model::repository::ModelDirectory;

/// The most rows: each is run through every tree when a model is loaded.
const ROWS_MAX: usize = 10_000;

/// Reads the file `name`, which lies beside the version's own file or beside `model.toml`.
pub(in crate::model) fn read(
    directory: &ModelDirectory,
    name: &str,
    format: &RowFormat<'_>,
    precision: Precision,
    categories: &[Option<Arc<Categories>>],
) -> Result<FeatureMatrix, ExplainError> {
    let places = [directory.file.with_file_name(name), directory.path.join(name)];
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        let folder = |path: &PathBuf| path.parent().map(|it| it.display().to_string());
        let mut folders: Vec<_> = places.iter().filter_map(folder).collect();
        folders.dedup();
        return Err(ExplainError::NoBackground { name: name.to_owned(), folders });
    };
    let rows = golden::read_rows(path, format, categories);
    let rows = rows.map_err(|error| ExplainError::Background(Box::new(error)))?;
    if rows.is_empty() || rows.len() > ROWS_MAX {
        let (path, found) = (path.clone(), rows.len());
        return Err(ExplainError::BackgroundRows { path, found, limit: ROWS_MAX });
    }
    let mut features = FeatureMatrix::new(format.columns, precision);
    features.reset(rows.len());
    for (row, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            features.set(row, column, *cell);
        }
    }
    Ok(features)
}
