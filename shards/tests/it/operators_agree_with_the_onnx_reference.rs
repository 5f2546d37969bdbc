//! Operators that no exporter of the zoo writes score as ONNX's own reference evaluator does; the
//! graphs are made by `operators/make.py`.

use std::path::{Path, PathBuf};

use crate::zoo_models::{load_file, score};
use shards::model::golden::{self, GoldenReport};
use shards::model::manifest::{ClassChoice, ScoreOutput};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators").join(name)
}

/// Replays each score column of an operator's golden file.
fn check(name: &str, scores: usize) {
    for class in 0..scores {
        let output = ScoreOutput::of(None, Some(ClassChoice::Index(class)));
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
fn tree_ensemble_of_version_5_that_tests_for_membership() {
    check("tree-ensemble-v5-member", 2);
    check("tree-ensemble-v5-members", 1);
    check("tree-ensemble-v5-members-double", 1);
}

/// A missing cell goes where its node says.
#[test]
fn a_cell_is_a_member_or_is_not() {
    let file = folder("tree-ensemble-v5-members").join("model.onnx");
    let mut model = load_file(&file, ScoreOutput::default()).expect("it loads");
    let rows = [[0.25, 0.0, 1.0], [0.25, 0.0, 1.5], [2.0, 0.0, -0.5], [2.5, 0.0, 1.0], [-2.0; 3]];
    let rows: Vec<_> = rows.iter().map(|row| row.to_vec()).collect();
    let expected = score(&mut model, &rows);
    assert_eq!(expected, [0.5, 3.5, 1.5, 5.5, 2.5]);
    let mut missing = rows;
    missing[0][2] = f64::NAN;
    missing[2][2] = f64::NAN;
    missing[3][0] = f64::NAN;
    assert_eq!(score(&mut model, &missing), [0.5, 3.5, 4.5, 0.5, 2.5]);
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
fn weights_that_lie_beside_the_file() {
    check("weights-beside", 2);
}

#[test]
fn nodes_of_branches_and_functions() {
    check("branch-constant", 2);
    check("function-of-the-file", 2);
}

#[test]
fn a_graph_of_one_row_row_by_row() {
    check("one-row", 1);
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

#[test]
fn integers_are_compared_looked_up_and_gathered_exactly() {
    check("integer-keys", 1);
    check("integer-values", 1);
    check("integer-columns", 1);
    check("integer-imputed", 1);
    check("integer-trees", 1);
    check("integer-gather", 1);
}

#[test]
fn what_is_missing_never_becomes_a_category() {
    check("cast-missing", 1);
    check("cast-missing-int32", 1);
    check("label-encoder-default", 1);
    check("label-encoder-nan", 1);
    check("label-encoder-nan-version-2", 1);
    check("one-hot", 1);
}

#[test]
fn one_hot_encoder_of_integers_and_of_several_columns() {
    check("one-hot-columns", 1);
    check("one-hot-integers", 1);
}

#[test]
fn binarizer_of_floats_and_of_integers() {
    check("binarizer", 1);
    check("binarizer-integers", 1);
}

#[test]
fn a_number_that_is_no_place_leaves_all_cells_off() {
    let file = folder("one-hot").join("model.onnx");
    let mut model = load_file(&file, ScoreOutput::default()).expect("it loads");
    let rows: Vec<_> = [4.0, -5.0, 1e30, 4_294_967_297.0, 0.5].map(|cell| vec![cell]).to_vec();
    assert_eq!(score(&mut model, &rows), [0.0; 5]);
}

#[test]
fn a_place_beyond_the_last_fails_its_row_alone() {
    let file = folder("integer-gather").join("model.onnx");
    let mut model = load_file(&file, ScoreOutput::default()).expect("it loads");
    let rows: Vec<_> =
        [900_000_001.0, 900_000_003.0, 900_000_000.0].map(|cell| vec![cell]).to_vec();
    let scores = score(&mut model, &rows);
    assert_eq!((scores[0], scores[2]), (2.25, 1.5));
    assert!(scores[1].is_nan(), "{scores:?}");
}

#[test]
fn rows_that_are_moved_and_normalized_by_themselves() {
    check("normalized-layers", 1);
    check("moved-rows", 1);
    check("attention", 1);
    check("constant-of-shape", 1);
}

#[test]
fn integers_are_divided_and_a_row_that_divides_by_zero_fails_alone() {
    check("integer-division", 1);
    let file = folder("integer-division").join("model.onnx");
    let mut model = load_file(&file, ScoreOutput::default()).expect("it loads");
    for zero in 0..3 {
        let mut rows = vec![vec![1.0, 2.0, 3.0]; 3];
        rows[zero][1] = 0.0;
        let scores = score(&mut model, &rows);
        for (row, score) in scores.iter().enumerate() {
            assert!(
                if row == zero { score.is_nan() } else { score.total_cmp(&110.0).is_eq() },
                "{scores:?}"
            );
        }
    }
}

/// The scores are ONNX Runtime's.
#[test]
fn operators_of_text() {
    for (name, scores) in [
        ("text-equal", 1),
        ("text-filled", 1),
        ("text-mapped-twice", 2),
        ("text-mapper", 1),
        ("text-matrix", 2),
        ("text-several", 3),
        ("text-split", 4),
        ("text-tensors", 1),
    ] {
        check(name, scores);
    }
}
