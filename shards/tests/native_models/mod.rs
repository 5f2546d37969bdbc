//! The models of `tests/native`, which their own libraries wrote (`models/native_fixtures.py`), with
//! the libraries' scores.

use std::fs;
use std::path::{Path, PathBuf};

use shards::features::FeatureMatrix;
use shards::model::manifest::{ClassChoice, Manifest, ScoreOutput};
use shards::model::repository::ModelDirectory;
use shards::model::trees::KernelChoice;
use shards::model::{LoadOptions, MODEL_FILES, Model};

/// Which scores of a golden file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The raw sums.
    Margin,
    /// What the library predicts.
    Prediction,
}

/// A golden file.
pub(crate) struct Golden {
    /// The cells of each row.
    pub(crate) rows: Vec<Vec<f64>>,
    margins: Vec<Vec<f64>>,
    predictions: Vec<Vec<f64>>,
}

impl Golden {
    fn read(path: &Path) -> Self {
        let mut reader = csv::Reader::from_path(path).expect("a golden file");
        let header = reader.headers().expect("a header").clone();
        let places = |prefix: &str| {
            let is_one = |(_, name): &(usize, &str)| name.starts_with(prefix);
            header.iter().enumerate().filter(is_one).map(|(at, _)| at).collect::<Vec<_>>()
        };
        let (margins, predictions) = (places("margin_"), places("score_"));
        let cells = header.len() - margins.len() - predictions.len();
        let mut golden = Self {
            rows: Vec::new(),
            margins: vec![Vec::new(); margins.len()],
            predictions: vec![Vec::new(); predictions.len()],
        };
        for record in reader.records() {
            let record = record.expect("a row");
            let number = |at: usize| match &record[at] {
                "" => f64::NAN,
                text => text.parse().expect("a number"),
            };
            golden.rows.push((0..cells).map(number).collect());
            for (scores, at) in golden.margins.iter_mut().zip(&margins) {
                scores.push(number(*at));
            }
            for (scores, at) in golden.predictions.iter_mut().zip(&predictions) {
                scores.push(number(*at));
            }
        }
        golden
    }

    /// The scores of a kind, output by output.
    pub(crate) fn of(&self, kind: Kind) -> &[Vec<f64>] {
        match kind {
            Kind::Margin => &self.margins,
            Kind::Prediction => &self.predictions,
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native")
}

/// The file of a fixture.
pub(crate) fn file(fixture: &str) -> PathBuf {
    let folder = folder().join(fixture);
    let files = MODEL_FILES.iter().map(|(name, _)| folder.join(name));
    files.into_iter().find(|path| path.is_file()).expect("a model's file")
}

/// The golden file of a fixture.
pub(crate) fn golden_of(fixture: &str) -> Golden {
    Golden::read(&folder().join(fixture).join("golden.csv"))
}

/// Does something with each fixture, in the order of their names.
pub(crate) fn each_fixture(mut act: impl FnMut(&str, &Golden)) {
    let folder = folder();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("the fixtures' folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    for name in names {
        let golden = Golden::read(&folder.join(&name).join("golden.csv"));
        act(&name, &golden);
    }
}

/// Loads a model's file.
pub(crate) fn load_file(
    path: &Path,
    output: ScoreOutput,
    kernel: KernelChoice,
) -> Result<Model, String> {
    load_as(path, Manifest { output, ..Manifest::default() }, kernel)
}

/// Loads a model's file as a manifest says.
pub(crate) fn load_as(
    path: &Path,
    manifest: Manifest,
    kernel: KernelChoice,
) -> Result<Model, String> {
    let directory = ModelDirectory {
        name: "native".to_owned(),
        path: path.parent().expect("a folder").to_owned(),
        manifest,
        version: 1,
        file: path.to_owned(),
    };
    let options = LoadOptions { kernel, warm_up_rows: 3, ..LoadOptions::default() };
    Model::load(&directory, &options).map_err(|error| error.to_string())
}

/// Loads a fixture for one of its outputs.
pub(crate) fn load(
    fixture: &str,
    kind: Kind,
    class: Option<usize>,
    kernel: KernelChoice,
) -> Result<Model, String> {
    let tensor = (kind == Kind::Margin).then(|| "margin".to_owned());
    let output = ScoreOutput::of(tensor, class.map(ClassChoice::Index));
    load_file(&file(fixture), output, kernel)
}

/// Rows as a model reads them.
pub(crate) fn matrix(model: &Model, rows: &[Vec<f64>]) -> FeatureMatrix {
    let mut features = FeatureMatrix::new(model.columns(), model.precision());
    features.reset(rows.len());
    for (row, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            features.set(row, column, *cell);
        }
    }
    features
}

/// The model's scores of the golden rows, in batches of several sizes.
pub(crate) fn scores(model: &mut Model, golden: &Golden) -> Result<Vec<f64>, String> {
    let mut scores = Vec::new();
    let mut batch = Vec::new();
    let mut rows = golden.rows.as_slice();
    for size in [1, 3, 40, 64, 17].into_iter().cycle() {
        let (now, later) = rows.split_at(size.min(rows.len()));
        rows = later;
        if now.is_empty() {
            return Ok(scores);
        }
        let features = matrix(model, now);
        model.score(&features, &mut batch).map_err(|error| error.to_string())?;
        scores.extend_from_slice(&batch);
    }
    Ok(scores)
}
