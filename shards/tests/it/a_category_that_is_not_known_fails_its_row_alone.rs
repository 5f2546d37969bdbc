//! A one-hot encoder that was trained to refuse a category that it does not know has no score for
//! the row, and one that was trained to ignore it has the library's: for NaN and a fraction too.

use crate::zoo_models::{load, score};

/// Column 4 holds the categories 0 to 4.
const STRANGE: [f64; 7] = [5.0, -1.0, 2.5, 0.999, -0.5, f64::NAN, 1e30];

fn row(category: f64) -> Vec<f64> {
    vec![0.25, 48.0, 0.5, -1.0, category, 2.0]
}

/// Models that our own operators compute alone, and others that tract takes part in.
#[test]
fn the_rows_beside_it_have_their_scores() {
    for name in ["one-hot-logistic", "one-hot-gbdt", "one-hot-network-double"] {
        let mut model = load(name);
        let known: Vec<_> = (0..5).map(|category| row(f64::from(category))).collect();
        let expected = score(&mut model, &known);
        assert!(expected.iter().all(|score| score.is_finite()), "{name} {expected:?}");
        for strange in STRANGE {
            for place in 0..=known.len() {
                let mut rows = known.clone();
                rows.insert(place, row(strange));
                let mut scores = score(&mut model, &rows);
                assert!(scores.remove(place).is_nan(), "{name} {strange}");
                assert_eq!(scores, expected, "{name} {strange} at {place}");
            }
        }
    }
}

/// Each has the score of a category that nothing is known of.
#[test]
fn what_is_no_category_is_none_where_it_is_ignored() {
    for name in
        ["one-hot-ignore-logistic", "one-hot-ignore-logistic-double", "one-hot-ignore-ridge"]
    {
        let mut model = load(name);
        let known: Vec<_> = (0..5).map(|category| row(f64::from(category))).collect();
        let known = score(&mut model, &known);
        let strange: Vec<_> = STRANGE.map(row).to_vec();
        let strange = score(&mut model, &strange);
        assert!(strange.iter().all(|score| score.to_bits() == strange[0].to_bits()), "{name}");
        assert!(known.iter().all(|score| score.to_bits() != strange[0].to_bits()), "{name}");
    }
}

/// The library refuses a row with a missing value, which is neither above nor below a threshold.
#[test]
fn what_is_missing_is_no_bit() {
    for name in ["binarizer-logistic", "binarizer-one-hot-gbdt"] {
        let mut model = load(name);
        let whole = score(&mut model, &[row(1.0), row(2.0)]);
        for column in [0, 3, 5] {
            let mut rows = [row(1.0), row(0.0), row(2.0)];
            rows[1][column] = f64::NAN;
            let scores = score(&mut model, &rows);
            assert!(scores[1].is_nan(), "{name} {column} {scores:?}");
            assert_eq!(vec![scores[0], scores[2]], whole, "{name} {column}");
        }
    }
}
