//! Operators that no exporter of the zoo writes score as ONNX's own reference evaluator does; the
//! graphs are made by `operators/make.py`.

use std::path::{Path, PathBuf};

use crate::zoo_models::load_file;
use shards::model::golden::{self, GoldenReport};
use shards::model::manifest::{ClassChoice, ScoreOutput};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators").join(name)
}

/// Replays each score column of an operator's golden file.
fn check(name: &str, scores: usize) {
    for class in 0..scores {
        let output = ScoreOutput { tensor: None, class: Some(ClassChoice::Index(class)) };
        let mut model = load_file(&folder(name).join("model.onnx"), output).expect("it loads");
        let file = folder(name).join("golden.csv");
        let report: GoldenReport =
            golden::replay(&mut model, &file, &format!("score_{class}")).expect("it is replayed");
        assert!(report.agrees(), "{name} {class}: {report:?}");
    }
}

#[test]
fn tree_ensemble_of_version_5() {
    check("tree-ensemble-v5", 2);
    check("tree-ensemble-v5-double", 2);
    check("tree-ensemble-v5-modes", 2);
    check("tree-ensemble-v5-modes-double", 2);
}

#[test]
fn tree_ensemble_of_version_5_with_other_sums_and_curves() {
    check("tree-ensemble-v5-average", 2);
    check("tree-ensemble-v5-min", 1);
    check("tree-ensemble-v5-max", 1);
    check("tree-ensemble-v5-softmax", 2);
    check("tree-ensemble-v5-logistic", 2);
}

#[test]
fn label_encoder_of_numbers() {
    check("label-encoder", 2);
}

#[test]
fn linear_classifier_with_softmax() {
    check("linear-softmax", 3);
}

#[test]
fn feature_vectorizer() {
    check("feature-vectorizer", 1);
}

#[test]
fn gemm_clip_and_softmax() {
    check("gemm-clip-softmax", 2);
}

#[test]
fn a_matrix_that_is_left_to_tract() {
    check("large-matrix", 1);
}

#[test]
fn several_inputs_of_several_types() {
    check("several-inputs", 1);
}
