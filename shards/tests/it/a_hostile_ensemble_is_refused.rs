//! A model file is hostile input: a wrong ensemble is refused with what is wrong, or it is scored
//! by all kernels alike; nothing panics, loops or reads out of bounds.

use crate::forest::{Growth, Random, Shape, forest};
use proptest::prelude::*;
use shards::features::{Cells, Precision};
use shards::model::trees::{
    Ensemble, EnsembleError, EnsembleKind, EnsembleLimits, KernelChoice, NodeMode, Outputs,
    PostTransform, Scores, TreeAttributes, TreeKernel,
};

/// One tree: node 0 splits into leaf 1 and node 2, which splits into leaves 3 and 4.
fn valid() -> TreeAttributes {
    let mut tree = TreeAttributes::new(Precision::F32, EnsembleKind::Classifier { labels: 2 });
    tree.nodes_treeids = vec![7; 5];
    tree.nodes_nodeids = vec![0, 1, 2, 3, 4];
    tree.nodes_featureids = vec![0, 0, 1, 0, 0];
    let (branch, leaf) = (NodeMode::BranchLeq, NodeMode::Leaf);
    tree.nodes_modes = vec![branch, leaf, branch, leaf, leaf];
    tree.nodes_values = vec![0.5, 0.0, -0.25, 0.0, 0.0];
    tree.nodes_truenodeids = vec![1, 0, 3, 0, 0];
    tree.nodes_falsenodeids = vec![2, 0, 4, 0, 0];
    tree.leaf_treeids = vec![7; 3];
    tree.leaf_nodeids = vec![1, 3, 4];
    tree.leaf_outputs = vec![0; 3];
    tree.leaf_weights = vec![0.5, -1.0, 2.0];
    tree.post_transform = PostTransform::Logistic;
    tree
}

fn refusal(change: impl FnOnce(&mut TreeAttributes)) -> EnsembleError {
    let mut attributes = valid();
    change(&mut attributes);
    let limits = EnsembleLimits { depth_max: 3, ..EnsembleLimits::default() };
    Ensemble::build(&attributes, &limits).expect_err("this ensemble is wrong")
}

#[test]
fn the_example_itself_is_right() {
    let ensemble = Ensemble::build(&valid(), &EnsembleLimits::default()).unwrap();
    assert_eq!((ensemble.trees(), ensemble.columns(), ensemble.outputs()), (1, 2, 2));
    let mut kernel =
        TreeKernel::new(&ensemble, KernelChoice::Walk, None, Outputs::Only(1)).unwrap();
    let mut scores = [0.0; 3];
    let cells = [0.5, 9.0, 0.6, -0.25, 0.6, 0.0];
    kernel.score(Cells::F32(&cells), 3, 2, Scores::F32(&mut scores)).unwrap();
    let expected = [0.5_f32, -1.0, 2.0].map(|sum| 1.0 / (1.0 + (-sum).exp()));
    for (score, expected) in scores.iter().zip(expected) {
        assert!((score - expected).abs() < 1e-6, "{score} {expected}");
    }
}

#[test]
fn wrong_lengths() {
    let error = refusal(|tree| tree.nodes_values.truncate(4));
    assert!(matches!(
        error,
        EnsembleError::Length { attribute: "nodes_values", found: 4, expected: 5, .. }
    ));
    let error = refusal(|tree| tree.nodes_missing_value_tracks_true = vec![0]);
    assert!(matches!(error, EnsembleError::Length { found: 1, expected: 5, .. }));
    let error = refusal(|tree| tree.leaf_outputs = Vec::new());
    assert!(matches!(error, EnsembleError::Length { found: 0, expected: 3, .. }));
    let error = refusal(|tree| *tree = TreeAttributes::new(tree.precision, tree.kind));
    assert_eq!(error, EnsembleError::Empty);
    let error = refusal(|tree| tree.kind = EnsembleKind::Regressor { targets: 0 });
    assert_eq!(error, EnsembleError::NoOutput);
}

#[test]
fn wrong_shapes() {
    let error = refusal(|tree| tree.nodes_truenodeids[2] = 9);
    assert_eq!(error, EnsembleError::NoSuchChild { tree: 7, node: 2, side: "true", child: 9 });
    let error = refusal(|tree| tree.nodes_falsenodeids[2] = -1);
    assert_eq!(error, EnsembleError::NoSuchChild { tree: 7, node: 2, side: "false", child: -1 });
    let error = refusal(|tree| tree.nodes_falsenodeids[2] = 3);
    assert_eq!(error, EnsembleError::SharedChild { tree: 7, node: 3 });
    let error = refusal(|tree| tree.nodes_falsenodeids[2] = 0);
    let (found, expected) = (1, 5);
    assert_eq!(error, EnsembleError::Unreachable { tree: 7, root: 4, found, expected });
    let error = refusal(|tree| tree.nodes_truenodeids[0] = 0);
    assert!(matches!(error, EnsembleError::SharedChild { .. } | EnsembleError::Unreachable { .. }));
    let error = refusal(|tree| tree.nodes_nodeids[4] = 3);
    assert_eq!(error, EnsembleError::DuplicateNode { tree: 7, node: 3 });
    let error = refusal(|tree| tree.nodes_modes[2] = NodeMode::Leaf);
    let (found, expected) = (3, 5);
    assert_eq!(error, EnsembleError::Unreachable { tree: 7, root: 0, found, expected });
}

#[test]
fn a_cycle_that_the_root_does_not_reach() {
    let error = refusal(|tree| {
        tree.nodes_treeids.extend([7; 4]);
        tree.nodes_nodeids.extend([5, 6, 7, 8]);
        tree.nodes_featureids.extend([0; 4]);
        tree.nodes_modes.extend([NodeMode::BranchLeq; 2]);
        tree.nodes_modes.extend([NodeMode::Leaf; 2]);
        tree.nodes_values.extend([0.0; 4]);
        tree.nodes_truenodeids.extend([6, 5, 0, 0]);
        tree.nodes_falsenodeids.extend([7, 8, 0, 0]);
    });
    let (found, expected) = (5, 9);
    assert_eq!(error, EnsembleError::Unreachable { tree: 7, root: 0, found, expected });
}

#[test]
fn wrong_numbers() {
    let error = refusal(|tree| tree.nodes_values[2] = f64::NAN);
    assert!(matches!(error, EnsembleError::Threshold { tree: 7, node: 2, .. }));
    let error = refusal(|tree| tree.nodes_values[2] = 0.1);
    assert!(matches!(error, EnsembleError::Threshold { precision: "32-bit", .. }));
    let error = refusal(|tree| tree.leaf_weights[1] = f64::INFINITY);
    assert!(matches!(error, EnsembleError::Number { index: 1, .. }));
    let error = refusal(|tree| tree.base_values = vec![f64::NAN]);
    assert!(matches!(error, EnsembleError::Number { attribute: "base_values", .. }));
    let error = refusal(|tree| tree.base_values = vec![0.0; 3]);
    assert!(matches!(error, EnsembleError::BaseValues { found: 3, .. }));
    let error = refusal(|tree| tree.leaf_weights[1] = f64::from(f32::MAX));
    assert!(matches!(error, EnsembleError::Overflow { precision: "32-bit", .. }));
    let error = refusal(|tree| tree.nodes_featureids[2] = -1);
    assert!(matches!(error, EnsembleError::Column { tree: 7, node: 2, column: -1, .. }));
    let error = refusal(|tree| tree.nodes_featureids[0] = i64::MAX);
    assert!(matches!(error, EnsembleError::Column { column: i64::MAX, .. }));
    let error = refusal(|tree| tree.leaf_outputs[2] = 2);
    assert_eq!(error, EnsembleError::NoSuchOutput { index: 2, output: 2, limit: 1 });
    let error = refusal(|tree| tree.leaf_nodeids[2] = 2);
    assert_eq!(error, EnsembleError::NotALeaf { index: 2, tree: 7, node: 2 });
    let error = refusal(|tree| tree.leaf_treeids[0] = 8);
    assert_eq!(error, EnsembleError::NotALeaf { index: 0, tree: 8, node: 1 });
    let error = refusal(|tree| tree.post_transform = PostTransform::Probit);
    assert_eq!(error, EnsembleError::BinaryProbit);
}

#[test]
fn more_than_the_limits_allow() {
    let mut random = Random::new(3);
    let attributes = forest(&mut random, &Shape::boosted(20, 30, Growth::Leaf, 4));
    let build = |limits: EnsembleLimits| Ensemble::build(&attributes, &limits).map(|_| ());
    let limits = EnsembleLimits::default();
    assert_eq!(build(limits), Ok(()));
    let what_of = |result: Result<(), EnsembleError>| match result {
        Err(EnsembleError::TooMany { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what_of(build(EnsembleLimits { trees_max: 19, ..limits })), "trees");
    assert_eq!(what_of(build(EnsembleLimits { nodes_max: 1_000, ..limits })), "nodes");
    assert_eq!(what_of(build(EnsembleLimits { weights_max: 599, ..limits })), "leaf weights");
    let outputs = EnsembleLimits { outputs_max: 1, ..limits };
    assert_eq!(what_of(build(outputs)), "classes or targets");
    let deep = build(EnsembleLimits { depth_max: 3, ..limits });
    assert!(matches!(deep, Err(EnsembleError::TooDeep { limit: 3, .. })));
    let wide = build(EnsembleLimits { columns_max: 2, ..limits });
    assert!(matches!(wide, Err(EnsembleError::Column { limit: 1, .. })));
}

/// Changes one number somewhere in the file.
fn corrupt(random: &mut Random, attributes: &mut TreeAttributes) {
    let node = random.below(attributes.nodes_treeids.len());
    let weight = random.below(attributes.leaf_weights.len());
    let id = random.below(70) as i64 - 2;
    match random.below(12) {
        0 => attributes.nodes_treeids[node] = id,
        1 => attributes.nodes_nodeids[node] = id,
        2 => attributes.nodes_featureids[node] = id,
        3 => attributes.nodes_modes[node] = NodeMode::Leaf,
        4 => attributes.nodes_modes[node] = NodeMode::BranchGte,
        5 => attributes.nodes_values[node] = f64::from(random.unit()) * 1e300,
        6 => attributes.nodes_truenodeids[node] = id,
        7 => attributes.nodes_falsenodeids[node] = id,
        8 => attributes.leaf_treeids[weight] = id,
        9 => attributes.leaf_nodeids[weight] = id,
        10 => attributes.leaf_outputs[weight] = id.rem_euclid(3),
        _ => attributes.leaf_weights[weight] = f64::from(random.unit() * 1e30),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_corrupted_file_is_refused_or_scored_alike(seed in any::<u64>(), changes in 1..4_usize) {
        let mut random = Random::new(seed);
        let shape = Shape::boosted(3, 1 + random.below(70), Growth::Any, 4);
        let mut attributes = forest(&mut random, &shape);
        for _ in 0..changes {
            corrupt(&mut random, &mut attributes);
        }
        let Ok(ensemble) = Ensemble::build(&attributes, &EnsembleLimits::default()) else {
            return Ok(());
        };
        let columns = ensemble.columns();
        let cells: Vec<f32> = (0..40 * columns).map(|_| random.unit()).collect();
        let mut all = Vec::new();
        for choice in [KernelChoice::Walk, KernelChoice::Auto, KernelChoice::Portable] {
            let mut kernel = TreeKernel::new(&ensemble, choice, None, Outputs::All).unwrap();
            let mut scores = vec![0.0_f32; 40 * kernel.outputs()];
            kernel.score(Cells::F32(&cells), 40, columns, Scores::F32(&mut scores)).unwrap();
            prop_assert!(scores.iter().all(|score| score.is_finite()));
            all.push(scores);
        }
        prop_assert!(all.iter().all(|scores| *scores == all[0]));
    }
}
