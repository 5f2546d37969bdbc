//! The bundled models score every row of their golden files as scikit-learn itself does.

use std::fs;
use std::path::{Path, PathBuf};

use shards::model::golden::{self, GoldenReport};
use shards::model::repository::Repository;
use shards::model::{LoadOptions, Model};

fn load(name: &str) -> (Model, PathBuf) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models");
    let directory = Repository::new(&root).find(name, None).expect("the model is bundled");
    let model = Model::load(&directory, &LoadOptions::default()).expect("it loads");
    (model, directory.path.clone())
}

fn replay(name: &str, file: &str) -> GoldenReport {
    let (mut model, folder) = load(name);
    let path: &Path = &folder.join(file);
    golden::replay(&mut model, path, "score").expect("its golden file can be replayed")
}

/// Of texts and numbers; the header of its features has types.
#[test]
fn credit_risk_agrees_for_all_applicants() {
    let report = replay("credit-risk", "golden.csv");
    assert_eq!(report.rows, 1000);
    assert!(report.agrees() && report.difference_max < 1e-6, "{report:?}");
}

#[test]
fn the_model_of_numbers_agrees_for_all_applicants() {
    let report = replay("bench-credit-numeric", "golden.csv");
    assert_eq!(report.rows, 1000);
    assert!(report.agrees(), "{report:?}");
}

#[test]
fn the_model_of_numbers_agrees_at_its_thresholds_and_one_step_beside_them() {
    let report = replay("bench-credit-numeric", "golden_edges.csv");
    assert!(report.agrees(), "{report:?}");
}

#[test]
fn demo_logistic_agrees() {
    let report = replay("demo-logistic", "golden.csv");
    assert!(report.agrees(), "{report:?}");
}

#[test]
fn a_user_whom_nobody_knows_has_the_default_texts() {
    let (mut model, _) = load("credit-risk");
    let columns = model.manifest().columns.clone().expect("columns");
    let (names, cells): (Vec<_>, Vec<_>) = columns
        .iter()
        .map(|column| {
            let text = column.text.default.clone();
            (column.name.clone(), text.unwrap_or_else(|| column.default.to_string()))
        })
        .unzip();
    let folder = tempfile::tempdir().expect("a folder");
    let mut features = csv::Writer::from_path(folder.path().join("features.csv")).expect("a file");
    features.write_record([vec!["user_id".to_owned()], names].concat()).expect("a header");
    features.write_record([vec!["usual".to_owned()], cells].concat()).expect("a row");
    features.flush().expect("it is written");
    let mut score = |user: &str| {
        let golden = folder.path().join("golden.csv");
        fs::write(&golden, format!("user_id,score\n{user},0\n")).expect("it is written");
        let report = golden::replay(&mut model, &golden, "score").expect("it is replayed");
        report.worst.expect("a row").found
    };
    let (known, unknown) = (score("usual"), score("nobody"));
    assert_eq!(known.to_bits(), unknown.to_bits());
}
