//! Every kernel gives a row the same bits as the plain walk, in any batch, at any position.

use crate::forest::{Growth, Random, Shape, cell, forest};
use proptest::prelude::*;
use shards::features::{Cells, Precision};
use shards::model::trees::{
    Ensemble, EnsembleKind, EnsembleLimits, KernelChoice, KernelError, NodeMode, Outputs,
    PostTransform, Scaler, Scores, TreeKernel,
};

const KERNELS: [KernelChoice; 4] =
    [KernelChoice::Auto, KernelChoice::Portable, KernelChoice::Avx2, KernelChoice::Avx512];

/// The bits of all scores of a batch.
fn score(kernel: &mut TreeKernel, cells: &[f64], columns: usize) -> Vec<u64> {
    let rows = cells.len().checked_div(columns).unwrap();
    match kernel.precision() {
        Precision::F32 => {
            let cells: Vec<f32> = cells.iter().map(|cell| *cell as f32).collect();
            let mut scores = vec![0.0; rows * kernel.outputs()];
            kernel.score(Cells::F32(&cells), rows, columns, Scores::F32(&mut scores)).unwrap();
            scores.into_iter().map(|score| u64::from(score.to_bits())).collect()
        }
        Precision::F64 => {
            let mut scores = vec![0.0; rows * kernel.outputs()];
            kernel.score(Cells::F64(cells), rows, columns, Scores::F64(&mut scores)).unwrap();
            scores.into_iter().map(f64::to_bits).collect()
        }
    }
}

/// A kernel, or none where this CPU cannot run it.
fn kernel(
    ensemble: &Ensemble,
    choice: KernelChoice,
    scaler: Option<&Scaler>,
    outputs: Outputs,
) -> Option<TreeKernel> {
    match TreeKernel::new(ensemble, choice, scaler, outputs) {
        Ok(kernel) => Some(kernel),
        Err(KernelError::Unavailable { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn check(seed: u64, shape: &Shape, rows: usize, scaled: bool) {
    let mut random = Random::new(seed);
    let attributes = forest(&mut random, shape);
    let ensemble = Ensemble::build(&attributes, &EnsembleLimits::default()).unwrap();
    let columns = shape.columns;
    let scaler = scaled.then(|| {
        let mut numbers = || (0..columns).map(|_| random.unit()).collect::<Vec<_>>();
        Scaler::new(&numbers(), &numbers(), columns).unwrap()
    });
    let scaler = scaler.as_ref();
    let cells: Vec<f64> = (0..rows * columns).map(|_| cell(&mut random, shape.precision)).collect();
    let outputs = [Outputs::All, Outputs::Only(random.below(ensemble.outputs()))];
    for wanted in outputs {
        let mut walk = kernel(&ensemble, KernelChoice::Walk, scaler, wanted).unwrap();
        let expected = score(&mut walk, &cells, columns);
        if let (Outputs::Only(output), Some(mut all)) =
            (wanted, kernel(&ensemble, KernelChoice::Walk, scaler, Outputs::All))
        {
            let all_scores = score(&mut all, &cells, columns);
            let column: Vec<u64> =
                all_scores.chunks(ensemble.outputs()).map(|row| row[output]).collect();
            assert_eq!(column, expected, "one output alone differs from the same among all");
        }
        for choice in KERNELS {
            let Some(mut kernel) = kernel(&ensemble, choice, scaler, wanted) else { continue };
            assert_eq!(score(&mut kernel, &cells, columns), expected, "{choice:?} {wanted:?}");
            let per_row = expected.len() / rows;
            for _ in 0..3 {
                let start = random.below(rows);
                let end = start + 1 + random.below(rows - start);
                let part = score(&mut kernel, &cells[start * columns..end * columns], columns);
                let expected = &expected[start * per_row..end * per_row];
                assert_eq!(part, expected, "{choice:?} rows {start}..{end}");
            }
        }
    }
}

const ALL_MODES: [NodeMode; 6] = [
    NodeMode::BranchLeq,
    NodeMode::BranchLt,
    NodeMode::BranchGte,
    NodeMode::BranchGt,
    NodeMode::BranchEq,
    NodeMode::BranchNeq,
];

fn shapes() -> impl Strategy<Value = Shape> {
    let trees = prop_oneof![4 => 1..20_usize, 2 => 20..200_usize, 1 => 200..1_001_usize];
    let leaves = prop_oneof![
        1 => Just(1_usize),
        2 => 2..17_usize,
        3 => 17..33_usize,
        3 => 33..65_usize,
        2 => 65..300_usize
    ];
    let columns = prop_oneof![3 => 1..40_usize, 1 => 40..301_usize];
    let kinds = prop_oneof![
        2 => Just(EnsembleKind::Classifier { labels: 2 }),
        1 => (1..6_usize).prop_map(|labels| EnsembleKind::Classifier { labels }),
        1 => (1..4_usize).prop_map(|targets| EnsembleKind::Regressor { targets }),
    ];
    let modes = prop_oneof![
        3 => Just(vec![NodeMode::BranchLeq]),
        1 => Just(vec![NodeMode::BranchLt]),
        1 => Just(ALL_MODES.to_vec()),
    ];
    let precisions = prop_oneof![2 => Just(Precision::F32), 1 => Just(Precision::F64)];
    let transforms = prop_oneof![
        Just(PostTransform::None),
        Just(PostTransform::Logistic),
        Just(PostTransform::Softmax),
        Just(PostTransform::SoftmaxZero),
    ];
    let growths =
        prop_oneof![1 => Just(Growth::Level), 1 => Just(Growth::Leaf), 2 => Just(Growth::Any)];
    let size = (trees, leaves, columns, growths);
    let semantics = (kinds, modes, any::<bool>(), any::<bool>(), precisions, transforms);
    (size, semantics).prop_map(|((trees, leaves_max, columns, growth), semantics)| {
        let (kind, modes, tracks_nan, dense_leaves, precision, post_transform) = semantics;
        // The largest forests are made of small trees, so that a case takes milliseconds.
        let leaves_max = if trees > 200 { leaves_max.min(40) } else { leaves_max };
        Shape {
            trees,
            leaves_max,
            growth,
            columns,
            kind,
            modes,
            tracks_nan,
            dense_leaves,
            precision,
            post_transform,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn for_random_forests(
        seed in any::<u64>(),
        shape in shapes(),
        rows in prop_oneof![2 => 1..20_usize, 2 => 20..70_usize, 1 => 70..258_usize],
        scaled in any::<bool>(),
    ) {
        check(seed, &shape, rows, scaled);
    }
}

#[test]
fn for_every_number_of_leaves_around_a_word() {
    for leaves_max in [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 97, 128, 129, 256, 257] {
        for growth in [Growth::Level, Growth::Leaf, Growth::Any] {
            for tracks_nan in [false, true] {
                let shape = Shape { tracks_nan, ..Shape::boosted(7, leaves_max, growth, 5) };
                check(leaves_max as u64, &shape, 67, false);
            }
        }
    }
}

#[test]
fn for_every_batch_size_to_257() {
    for rows in 1..=257 {
        check(rows as u64, &Shape::boosted(5, 20, Growth::Any, 7), rows, false);
    }
}
