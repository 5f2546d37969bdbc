//! A row's score does not depend on the batch it is in: it has the same bits, whether the model is
//! made of our own operators or planned by tract.

use crate::zoo_models::{load, score};
use proptest::prelude::*;

const OURS: [&str; 13] = [
    "gbdt-binary",
    "logistic-binary",
    "standard-scaler-gbdt",
    "imputer-median-scaler-gbdt",
    "random-forest-binary-double",
    "normalizer-l2-logistic",
    "svc-rbf-binary",
    "svr-linear",
    "mlp-binary-relu",
    "columns-scaled-logistic",
    "torch-mlp-binary",
    "calibrated-sigmoid-gbdt",
    "pca-logistic",
];
const OF_TRACT: [&str; 7] = [
    "ada-boost-binary",
    "ada-boost-regressor",
    "polynomial-ridge",
    "../operators/large-matrix",
    "../operators/normalized-layers",
    "../operators/moved-rows",
    "../operators/attention",
];

fn rows() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let cell = prop_oneof![4 => -60.0..60.0_f64, 1 => Just(0.0), 1 => Just(50.0)];
    prop::collection::vec(prop::collection::vec(cell, 6), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn our_own_operators_give_the_same_bits(rows in rows(), pick in any::<prop::sample::Index>()) {
        for name in OURS {
            let mut model = load(name);
            let place = pick.index(rows.len());
            let together = score(&mut model, &rows)[place];
            let alone = score(&mut model, &rows[place..=place])[0];
            prop_assert_eq!(together.to_bits(), alone.to_bits(), "{}", name);
        }
    }

    #[test]
    fn a_plan_of_tracts_gives_the_same_bits(rows in rows(), pick in any::<prop::sample::Index>()) {
        for name in OF_TRACT {
            let mut model = load(name);
            let columns = model.columns();
            let rows: Vec<_> = rows.iter().map(|row| row[..columns].to_vec()).collect();
            let place = pick.index(rows.len());
            let together = score(&mut model, &rows)[place];
            let alone = score(&mut model, &rows[place..=place])[0];
            prop_assert_eq!(together.to_bits(), alone.to_bits(), "{}", name);
        }
    }
}
