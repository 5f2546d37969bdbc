//! The models of `tests/texts`, which read columns of text (`models/text_fixtures.py`), with their
//! libraries' scores.

use std::fs;
use std::path::{Path, PathBuf};

use shards::features::FeatureMatrix;
use shards::model::manifest::Manifest;
use shards::model::repository::ModelDirectory;
use shards::model::trees::KernelChoice;
use shards::model::{LoadOptions, MODEL_FILES, Model};

/// The columns of `onehot-ignore` and of the models like it in `model.toml`: `age` and `purpose` are
/// the store's, the others the request's.
pub(crate) const COLUMNS: &str = include_str!("columns.toml");
/// A missing value.
pub(crate) const MISSING: &str = r"\N";
/// Stands in the place of a score where there is none.
const REFUSED: &str = "refused";

/// A model with rows of text.
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) rows: Vec<Vec<String>>,
    /// What the library says of each row; `None` where it, or the gateway for it, refuses the row.
    pub(crate) scores: Vec<Option<f64>>,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/texts")
}

fn records(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).expect("a file of rows");
    let records = reader.records().map(|record| record.expect("a row"));
    records.map(|record| record.iter().map(str::to_owned).collect()).collect()
}

/// How far a score may be from the library's.
const ALLOWED: f64 = 1e-6;

impl Fixture {
    /// The model of a folder of `tests/texts`.
    pub(crate) fn of(name: &str) -> Self {
        Self::read(&folder().join(name))
    }

    /// Compares scores with the library's, row by row.
    ///
    /// # Errors
    /// The first row whose score is another one, or how many rows there are where it is not all.
    pub(crate) fn compare(&self, found: &[Option<f64>]) -> Result<(), String> {
        for (row, (found, expected)) in found.iter().zip(&self.scores).enumerate() {
            let agrees = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= ALLOWED,
                (None, None) => true,
                _ => false,
            };
            if !agrees {
                let short = |cell: &String| cell.chars().take(20).collect::<String>();
                let cells: Vec<_> = self.rows[row].iter().map(short).collect();
                return Err(format!("row {row} {cells:?}: found {found:?}, expected {expected:?}"));
            }
        }
        if found.len() == self.scores.len() {
            Ok(())
        } else {
            Err(format!("{} scores of {} rows", found.len(), self.scores.len()))
        }
    }

    fn read(folder: &Path) -> Self {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let mut rows = records(&folder.join("golden.csv"));
        let score = |row: &mut Vec<String>| match row.pop().expect("a score").as_str() {
            REFUSED => None,
            score => Some(score.parse().expect("a number")),
        };
        let scores = rows.iter_mut().map(score).collect();
        if rows.iter().all(Vec::is_empty) {
            rows = records(&folder.with_file_name("german.csv"));
        }
        let files = MODEL_FILES.iter().map(|(name, _)| folder.join(name));
        let file = files.into_iter().find(|path| path.is_file()).expect("a model's file");
        Self { name, file, rows, scores }
    }

    pub(crate) fn load(&self, kernel: KernelChoice) -> Result<Model, String> {
        let directory = ModelDirectory {
            name: self.name.clone(),
            path: self.file.parent().expect("a folder").to_owned(),
            manifest: Manifest::default(),
            version: 1,
            file: self.file.clone(),
        };
        let options = LoadOptions { kernel, warm_up_rows: 3, ..LoadOptions::default() };
        Model::load(&directory, &options).map_err(|error| error.to_string())
    }
}

/// The fixtures whose names are wanted, in the order of these.
pub(crate) fn fixtures(is_wanted: impl Fn(&str) -> bool) -> Vec<Fixture> {
    let entries = fs::read_dir(folder()).expect("the fixtures' folder");
    let entries = entries.map(|entry| entry.expect("an entry"));
    let entries = entries.filter(|entry| is_wanted(&entry.file_name().to_string_lossy()));
    let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    let mut fixtures: Vec<_> = folders.map(|folder| Fixture::read(&folder)).collect();
    fixtures.sort_by(|one, other| one.name.cmp(&other.name));
    fixtures
}

/// The codes of a row's cells; `None` where the model has no answer for one of them.
pub(crate) fn encoded(model: &Model, row: &[String]) -> Option<Vec<f64>> {
    let cell = |(column, cell): (usize, &String)| match (
        model.categories().get(column).and_then(Option::as_deref),
        cell.as_str(),
    ) {
        (Some(texts), MISSING) => texts.missing(),
        (Some(texts), text) => texts.code(text.as_bytes()).or_else(|| texts.unknown()),
        (None, MISSING) => Some(f64::NAN),
        (None, number) => Some(number.parse().expect("a number")),
    };
    row.iter().enumerate().map(cell).collect()
}

/// The model's scores of rows, in batches of several sizes; `None` where a row has none.
pub(crate) fn scores(model: &mut Model, rows: &[Vec<String>]) -> Vec<Option<f64>> {
    let codes: Vec<_> = rows.iter().map(|row| encoded(model, row)).collect();
    let known: Vec<_> = codes.iter().flatten().collect();
    let (mut found, mut batch) = (Vec::new(), Vec::new());
    let mut rest = known.as_slice();
    for size in [1, 3, 40, 64, 17].into_iter().cycle() {
        let (now, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        if now.is_empty() {
            break;
        }
        let mut features = FeatureMatrix::new(model.columns(), model.precision());
        features.reset(now.len());
        for (row, cells) in now.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                features.set(row, column, *cell);
            }
        }
        match model.score(&features, &mut batch) {
            Ok(()) => {
                found.extend(batch.iter().map(|score| Some(*score).filter(|it| !it.is_nan())));
            }
            // A batch of which no row has a score.
            Err(_) => found.extend(now.iter().map(|_| None)),
        }
    }
    let mut found = found.into_iter();
    codes.iter().map(|codes| codes.as_ref().and_then(|_| found.next().flatten())).collect()
}
