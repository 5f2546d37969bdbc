//! A model file is input: cut short, with bits flipped or made up, it is refused or it loads, and
//! what loads scores or fails; nothing panics.

use crate::zoo_models::{bytes, load_bytes, matrix};
use proptest::prelude::*;

/// One model for each way in which a file is read: trees, linear, tract, cut-off `ZipMap`.
const SEEDS: [&str; 7] = [
    "gbdt-binary",
    "random-forest-binary-double",
    "logistic-multi-double",
    "mlp-binary-relu",
    "ada-boost-binary",
    "columns-imputed-random-forest",
    "standard-scaler-logistic-zipmap",
];

fn try_out(bytes: &[u8]) {
    if let Ok(mut model) = load_bytes(bytes)
        && model.columns() < 1000
    {
        let features =
            matrix(&model, &[vec![0.5; model.columns()], vec![f64::NAN; model.columns()]]);
        let mut scores = Vec::new();
        if model.score(&features, &mut scores).is_ok() {
            assert_eq!(scores.len(), 2);
        }
    }
}

#[test]
fn truncated_files_are_refused() {
    for seed in SEEDS {
        let bytes = bytes(seed);
        for length in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            try_out(&bytes[..length]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_do_no_harm(
        seed in 0..SEEDS.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
    ) {
        let mut bytes = bytes(SEEDS[seed]);
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        try_out(&bytes);
    }

    #[test]
    fn changed_bytes_do_no_harm(
        seed in 0..SEEDS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = bytes(SEEDS[seed]);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        try_out(&bytes);
    }

    #[test]
    fn made_up_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(load_bytes(&bytes).is_err());
    }
}
