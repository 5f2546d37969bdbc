//! A matrix that the model does not read is refused, and the next batch is scored as if nothing
//! had happened: in a program of our own operators and in a plan of tract's.

use crate::zoo_models::{load, matrix, score};
use shards::features::{FeatureMatrix, Precision};
use shards::model::ScoreError;

#[test]
fn a_matrix_of_the_wrong_width_poisons_nothing() {
    for name in ["gbdt-binary", "ada-boost-binary", "logistic-binary-double"] {
        let mut model = load(name);
        let rows = vec![vec![0.5; model.columns()]; 3];
        let before = score(&mut model, &rows);
        let mut scores = vec![1.0];
        let mut wide = FeatureMatrix::new(model.columns() + 1, model.precision());
        wide.reset(2);
        let error = model.score(&wide, &mut scores).expect_err("too wide");
        assert!(matches!(error, ScoreError::Shape { found_columns: 7, columns: 6, .. }), "{error}");
        assert!(scores.is_empty());
        assert_eq!(score(&mut model, &rows), before, "{name}");
    }
}

#[test]
fn a_matrix_of_the_wrong_precision_poisons_nothing() {
    let mut model = load("mlp-binary-relu");
    let rows = vec![vec![0.5; 6]];
    let before = score(&mut model, &rows);
    let doubles = FeatureMatrix::new(6, Precision::F64);
    let error = model.score(&doubles, &mut Vec::new()).expect_err("doubles");
    let text = error.to_string();
    assert_eq!(text, "a matrix of 6 columns of F64, expected 6 of F32");
    assert_eq!(score(&mut model, &rows), before);
}

#[test]
fn an_empty_batch_has_no_scores() {
    let mut model = load("mlp-binary-relu");
    let mut scores = vec![1.0];
    let features = matrix(&model, &[]);
    model.score(&features, &mut scores).expect("nothing to do");
    assert!(scores.is_empty());
}
