//! Every kind of model that users bring scores its golden rows as its own library does.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::zoo_models::output_of;
use shards::features::Precision;
use shards::model::golden;
use shards::model::manifest::Manifest;
use shards::model::repository::ModelDirectory;
use shards::model::{LoadOptions, Model};

#[derive(Deserialize)]
struct Zoo {
    models: Vec<Entry>,
}

/// What the tests read of `zoo.toml`.
#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    precision: String,
    /// How many score columns its golden file has.
    #[serde(default)]
    scores: usize,
    /// What is said of a model that is refused.
    refused: Option<String>,
}

impl Entry {
    /// The golden file's score columns, each with the class that `model.toml` has to name: none
    /// for a regressor and a classifier of two classes.
    fn score_columns(&self) -> Vec<(String, Option<usize>)> {
        if self.scores == 1 {
            return vec![("score".to_owned(), None)];
        }
        (0..self.scores).map(|class| (format!("score_{class}"), Some(class))).collect()
    }

    fn load(&self, class: Option<usize>) -> Result<Model, String> {
        let output = output_of(&self.name, class);
        let directory = ModelDirectory {
            name: self.name.clone(),
            path: zoo().join(&self.name),
            manifest: Manifest { output, ..Manifest::default() },
            version: 1,
            file: zoo().join(&self.name).join("model.onnx"),
        };
        Model::load(&directory, &LoadOptions::default()).map_err(|error| error.to_string())
    }

    fn check(&self) -> Result<(), String> {
        if let Some(said) = &self.refused {
            return match self.load(None) {
                Ok(_) => Err("it is served".to_owned()),
                Err(text) if text.contains(said) => Ok(()),
                Err(text) => Err(text),
            };
        }
        for (column, class) in self.score_columns() {
            let mut model = self.load(class)?;
            let precision = model.precision();
            let expected = if self.precision == "double" { Precision::F64 } else { Precision::F32 };
            if precision != expected {
                return Err(format!("reads {precision:?}, expected {expected:?}"));
            }
            let golden = zoo().join(&self.name).join("golden.csv");
            let report =
                golden::replay(&mut model, &golden, &column).map_err(|error| error.to_string())?;
            if !report.agrees() {
                return Err(format!("{column}: {report:?}"));
            }
            println!(
                "{:40} {:8} {:.1e}",
                self.name,
                model.describe().kernel,
                report.difference_max
            );
        }
        Ok(())
    }
}

fn zoo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zoo")
}

#[test]
fn every_model_agrees() {
    let text = fs::read_to_string(zoo().join("zoo.toml")).expect("the zoo has a list");
    let zoo: Zoo = toml::from_str(&text).expect("the list is well-formed");
    assert!(zoo.models.len() > 100, "only {} models", zoo.models.len());
    let problems: Vec<_> = zoo
        .models
        .iter()
        .filter_map(|entry| Some(format!("{}: {}", entry.name, entry.check().err()?)))
        .collect();
    assert!(problems.is_empty(), "{} disagree:\n{}", problems.len(), problems.join("\n"));
}
