//! Loads models of the zoo, as they are or changed, for the tests of `model`.

// Each test file takes what it needs of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use shards::features::FeatureMatrix;
use shards::model::manifest::{ClassChoice, Manifest, ScoreOutput};
use shards::model::repository::ModelDirectory;
use shards::model::{LoadOptions, Model, ModelError};

/// The folder of one model of the zoo.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo").join(name)
}

/// What `model.toml` has to say of the score of a model of the zoo, by the place of its column.
pub(crate) fn output_of(name: &str, class: Option<usize>) -> ScoreOutput {
    #[derive(serde::Deserialize)]
    struct Zoo {
        models: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        name: String,
        #[serde(default)]
        tensor: String,
        /// Whether the tensor has to be named.
        #[serde(default)]
        named: bool,
    }
    static ZOO: OnceLock<Zoo> = OnceLock::new();
    let zoo = ZOO.get_or_init(|| {
        let text = fs::read_to_string(folder("zoo.toml")).expect("the zoo has a list");
        toml::from_str(&text).expect("the list is well-formed")
    });
    let entry = zoo.models.iter().find(|entry| entry.name == name).expect("it is in the zoo");
    let tensor = entry.named.then(|| entry.tensor.clone());
    ScoreOutput::of(tensor, class.map(ClassChoice::Index))
}

/// The bytes of a model's file.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder(name).join("model.onnx")).expect("the model is in the zoo")
}

/// Loads the file at `file` as version 1 of a model without `model.toml`.
pub(crate) fn load_file(file: &Path, output: ScoreOutput) -> Result<Model, ModelError> {
    let directory = ModelDirectory {
        name: "zoo".to_owned(),
        path: file.parent().expect("a file has a folder").to_owned(),
        manifest: Manifest { output, ..Manifest::default() },
        version: 1,
        file: file.to_owned(),
    };
    Model::load(&directory, &LoadOptions::default())
}

/// Loads a model of the zoo whose score needs no `model.toml`.
pub(crate) fn load(name: &str) -> Model {
    load_file(&folder(name).join("model.onnx"), ScoreOutput::default()).expect("it loads")
}

/// Loads these bytes.
pub(crate) fn load_bytes(bytes: &[u8]) -> Result<Model, ModelError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("model.onnx");
    fs::write(&file, bytes).expect("the temporary folder can be written");
    load_file(&file, ScoreOutput::default())
}

/// A matrix of these rows for `model`.
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

/// The scores of these rows as one batch.
pub(crate) fn score(model: &mut Model, rows: &[Vec<f64>]) -> Vec<f64> {
    let features = matrix(model, rows);
    let mut scores = Vec::new();
    model.score(&features, &mut scores).expect("the rows can be scored");
    scores
}
