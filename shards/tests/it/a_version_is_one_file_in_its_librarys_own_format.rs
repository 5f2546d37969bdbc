//! A repository serves the file that a model's own library wrote, by its name; two files in one
//! version are refused by name. Columns, categories, classes and the objective come from the file.

use std::fs;
use std::path::Path;

use crate::native_models::file;
use shards::features::inputs::NanMeaning;
use shards::model::forest::{Category, ColumnKind, Link};
use shards::model::golden;
use shards::model::repository::Repository;
use shards::model::{LoadOptions, Model};

/// A repository with one model, whose version 1 holds a fixture's file.
fn repository(fixture: &str, manifest: &str) -> (tempfile::TempDir, Repository) {
    let folder = tempfile::tempdir().unwrap();
    let version = folder.path().join("risk/1");
    fs::create_dir_all(&version).unwrap();
    let from = file(fixture);
    fs::copy(&from, version.join(from.file_name().unwrap())).unwrap();
    fs::write(folder.path().join("risk/model.toml"), manifest).unwrap();
    let repository = Repository::new(folder.path());
    (folder, repository)
}

fn load(fixture: &str, manifest: &str) -> Result<Model, String> {
    let (_folder, repository) = repository(fixture, manifest);
    let found = repository.find("risk", None).map_err(|error| error.to_string())?;
    Model::load(&found, &LoadOptions::default()).map_err(|error| error.to_string())
}

fn names(model: &Model) -> Vec<String> {
    model.model_columns().iter().map(|column| column.name.clone()).collect()
}

fn texts(texts: &[&str]) -> ColumnKind {
    ColumnKind::Categories(texts.iter().map(|text| Category::Text((*text).to_owned())).collect())
}

#[test]
fn each_format_is_found() {
    for fixture in [
        "lightgbm-4.6.0-binary",
        "xgboost-3.4.1-binary",
        "xgboost-3.4.1-binary-ubj",
        "catboost-1.2.10-logloss",
        "catboost-1.2.10-logloss-json",
    ] {
        let model = load(fixture, "").unwrap();
        assert_eq!(names(&model), ["x0", "x1", "x2", "x3", "c0", "c1"], "{fixture}");
        assert_eq!(model.objective().unwrap().link(), Link::Logit, "{fixture}");
        assert_eq!(model.labels(), ["0", "1"], "{fixture}");
        let inputs = model.input_columns().expect("the file names them");
        assert!(inputs.iter().all(|column| column.nan == NanMeaning::Missing));
        assert!(inputs.iter().all(|column| column.default.is_nan()));
    }
}

#[test]
fn two_files_are_refused_by_name() {
    let (folder, repository) = repository("lightgbm-4.6.0-binary", "");
    fs::write(folder.path().join("risk/1/model.onnx"), b"").unwrap();
    let error = repository.find("risk", None).unwrap_err().to_string();
    assert!(error.contains("model.onnx and model.txt"), "{error}");
    assert_eq!(repository.names().unwrap(), ["risk"]);
}

#[test]
fn a_golden_file_is_replayed_by_the_files_own_names() {
    let fixture = "lightgbm-4.6.0-regression";
    let golden_file = file(fixture).with_file_name("golden.csv");
    let mut model = load(fixture, "").unwrap();
    let report = golden::replay(&mut model, &golden_file, "score_0").unwrap();
    assert!(report.agrees() && report.rows == 40, "{report:?}");
}

#[test]
fn categories_are_those_of_the_data_frame() {
    let shades = ["blue", "green", "grey", "pink", "red", "teal"];
    let model = load("lightgbm-4.6.0-pandas", "").unwrap();
    assert_eq!(names(&model), ["amount_due", "shade", "code"]);
    assert_eq!(model.model_columns()[0].kind, ColumnKind::Numeric);
    assert_eq!(model.model_columns()[1].kind, texts(&shades));
    let codes =
        ColumnKind::Categories((0..9).map(|n| Category::Number(f64::from(n) * 10.0)).collect());
    assert_eq!(model.model_columns()[2].kind, codes);

    let model = load("xgboost-3.4.1-pandas", "").unwrap();
    assert_eq!(model.model_columns()[1].kind, texts(&shades));
    assert_eq!(model.model_columns()[2].kind, codes);
    // Before 3.1 the file has the type alone.
    let model = load("xgboost-2.1.4-pandas", "").unwrap();
    assert_eq!(model.model_columns()[1].kind, texts(&[]));

    let model = load("catboost-1.2.10-one-hot", "").unwrap();
    assert!(matches!(model.model_columns()[4].kind, ColumnKind::Hashed(_)));
}

#[test]
fn columns_of_the_manifest_agree_with_the_files() {
    let columns = |names: &[&str]| -> String {
        let column = |name: &&str| format!("[[columns]]\nname = \"{name}\"\n");
        names.iter().map(column).collect::<Vec<_>>().concat()
    };
    let fixture = "xgboost-3.4.1-binary";
    let error = |names: &[&str]| load(fixture, &columns(names)).unwrap_err();
    assert!(load(fixture, &columns(&["x0", "x1", "x2", "x3", "c0", "c1"])).is_ok());
    // Other names are the user's to give.
    assert!(load(fixture, &columns(&["a", "b", "c", "d", "e", "f"])).is_ok());
    let other_order = error(&["x0", "x1", "x3", "x2", "c0", "c1"]);
    assert!(other_order.contains("another order"), "{other_order}");
    assert!(other_order.contains("`x3`, the file's is `x2`"), "{other_order}");
    let too_few = error(&["x0"]);
    assert!(too_few.contains("reads 6 columns, model.toml names 1"), "{too_few}");
}

#[test]
fn an_output_is_chosen_by_label_or_place() {
    let output = |what: &str| format!("[output]\n{what}");
    let three = "catboost-1.2.10-multiclass";
    let error = load(three, "").unwrap_err();
    assert!(error.contains("3 columns") && error.contains("labels: 0, 1, 2"), "{error}");
    assert!(load(three, &output("class = \"2\"")).is_ok());
    let error = load(three, &output("class = 3")).unwrap_err();
    assert!(error.contains("class = 3"), "{error}");
    // Two targets are no two classes.
    let error = load("xgboost-3.4.1-two-targets", "").unwrap_err();
    assert!(error.contains("2 columns"), "{error}");
    let error = load(three, &output("tensor = \"probabilities\"")).unwrap_err();
    assert!(error.contains("\"prediction\"") && error.contains("\"margin\""), "{error}");
}

#[test]
fn a_fixture_has_the_name_that_a_repository_expects() {
    for fixture in ["lightgbm-3.3.5-binary", "catboost-1.0.6-logloss"] {
        assert!(Path::new(&file(fixture)).is_file());
    }
}
