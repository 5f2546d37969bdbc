//! The bundled models score every row of their golden files as scikit-learn itself does.

use std::path::{Path, PathBuf};

use shards::model::golden::{self, GoldenReport};
use shards::model::repository::Repository;
use shards::model::{LoadOptions, Model};

fn replay(name: &str, file: &str) -> GoldenReport {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models");
    let directory = Repository::new(&root).find(name, None).expect("the model is bundled");
    let mut model = Model::load(&directory, &LoadOptions::default()).expect("it loads");
    let path: &Path = &directory.path.join(file);
    golden::replay(&mut model, path, "score").expect("its golden file can be replayed")
}

#[test]
fn credit_risk_agrees_for_all_applicants() {
    let report = replay("credit-risk", "golden.csv");
    assert_eq!(report.rows, 1000);
    assert!(report.agrees(), "{report:?}");
}

#[test]
fn credit_risk_agrees_at_its_thresholds_and_one_step_beside_them() {
    let report = replay("credit-risk", "golden_edges.csv");
    assert!(report.agrees(), "{report:?}");
}

#[test]
fn demo_logistic_agrees() {
    let report = replay("demo-logistic", "golden.csv");
    assert!(report.agrees(), "{report:?}");
}
