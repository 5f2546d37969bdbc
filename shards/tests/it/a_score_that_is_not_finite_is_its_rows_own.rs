//! A row whose score is NaN changes no other row's score.

use crate::zoo_models::{load, score};

#[test]
fn the_other_rows_keep_their_bits() {
    for name in ["logistic-binary", "standard-scaler-logistic", "linear-regression-double"] {
        let mut model = load(name);
        let good = |value: f64| vec![value; model.columns()];
        let (first, last) = (good(0.25), good(0.75));
        let missing = good(f64::NAN);
        let alone = score(&mut model, &[first.clone(), last.clone()]);
        let together = score(&mut model, &[first, missing, last]);
        assert_eq!(together.len(), 3);
        assert_eq!(together[0].to_bits(), alone[0].to_bits(), "{name}");
        assert!(together[1].is_nan(), "{name}");
        assert_eq!(together[2].to_bits(), alone[1].to_bits(), "{name}");
    }
}
