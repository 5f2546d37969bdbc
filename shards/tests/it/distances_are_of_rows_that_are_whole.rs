//! Models that compare a row with those of the training give it no score where a cell is missing: all
//! distances would be alike, and the nearest row any.

use crate::zoo_models::{load, score};

/// A row of the zoo's columns, and the same with one cell changed.
fn rows(cell: f64) -> Vec<Vec<f64>> {
    let whole = vec![0.5, 52.0, 0.1, -1.0, 2.0, 1.0];
    let mut changed = whole.clone();
    changed[2] = cell;
    vec![whole.clone(), changed, whole]
}

#[test]
fn a_missing_or_infinite_cell_has_no_score_and_harms_no_other() {
    for name in [
        "neighbours-regressor",
        "radius-regressor",
        "local-outlier-factor",
        "gaussian-process-rbf",
        "kernel-pca-rbf",
    ] {
        let mut model = load(name);
        let expected = score(&mut model, &rows(0.1)[..1])[0];
        assert!(expected.is_finite(), "{name}");
        for cell in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let scores = score(&mut model, &rows(cell));
            assert!(scores[1].is_nan(), "{name} by {cell}: {scores:?}");
            let found = [scores[0], scores[2]].map(f64::to_bits);
            assert_eq!(found, [expected; 2].map(f64::to_bits), "{name} beside {cell}");
        }
    }
}
