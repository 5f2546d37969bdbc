//! Small random ensembles of every kind score as ONNX Runtime scores them, within 1e-5.
//!
//! `onnx_runtime/make.py` wrote the ensembles, the rows and the scores.

use crate::forest::kernel_scores;
use serde::Deserialize;
use shards::features::Precision;
use shards::model::trees::{
    Ensemble, EnsembleKind, EnsembleLimits, KernelChoice, Outputs, TreeAttributes, TreeKernel,
};

/// Numbers are the integers with the same bits: 64-bit ones if `double`, else 32-bit ones.
#[derive(Deserialize)]
struct Case {
    node: Nodes,
    leaf: Leaves,
    classifier: bool,
    outputs: usize,
    transform: String,
    aggregate: String,
    double: bool,
    bases: Vec<u64>,
    cells: Vec<u64>,
    /// Always 32-bit.
    scores: Vec<u64>,
}

#[derive(Deserialize)]
struct Nodes {
    treeids: Vec<i64>,
    nodeids: Vec<i64>,
    featureids: Vec<i64>,
    modes: Vec<String>,
    values: Vec<u64>,
    truenodeids: Vec<i64>,
    falsenodeids: Vec<i64>,
    missing_value_tracks_true: Vec<i64>,
}

#[derive(Deserialize)]
struct Leaves {
    treeids: Vec<i64>,
    nodeids: Vec<i64>,
    ids: Vec<i64>,
    weights: Vec<u64>,
}

fn numbers(bits: &[u64], double: bool) -> Vec<f64> {
    let number = |bits: &u64| match u32::try_from(*bits) {
        Ok(bits) if !double => f64::from(f32::from_bits(bits)),
        _ => f64::from_bits(*bits),
    };
    bits.iter().map(number).collect()
}

fn attributes(case: &Case) -> TreeAttributes {
    let precision = if case.double { Precision::F64 } else { Precision::F32 };
    let kind = if case.classifier {
        EnsembleKind::Classifier { labels: case.outputs }
    } else {
        EnsembleKind::Regressor { targets: case.outputs }
    };
    let mut attributes = TreeAttributes::new(precision, kind);
    let (node, leaf) = (&case.node, &case.leaf);
    attributes.nodes_treeids.clone_from(&node.treeids);
    attributes.nodes_nodeids.clone_from(&node.nodeids);
    attributes.nodes_featureids.clone_from(&node.featureids);
    attributes.nodes_modes = node.modes.iter().map(|mode| mode.parse().unwrap()).collect();
    attributes.nodes_values = numbers(&node.values, case.double);
    attributes.nodes_truenodeids.clone_from(&node.truenodeids);
    attributes.nodes_falsenodeids.clone_from(&node.falsenodeids);
    attributes.nodes_missing_value_tracks_true.clone_from(&node.missing_value_tracks_true);
    attributes.leaf_treeids.clone_from(&leaf.treeids);
    attributes.leaf_nodeids.clone_from(&leaf.nodeids);
    attributes.leaf_outputs.clone_from(&leaf.ids);
    attributes.leaf_weights = numbers(&leaf.weights, case.double);
    attributes.base_values = numbers(&case.bases, case.double);
    attributes.aggregate = case.aggregate.parse().unwrap();
    attributes.post_transform = case.transform.parse().unwrap();
    attributes
}

#[test]
fn every_case_of_the_recorded_run() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../onnx_runtime/trees.json")).expect("valid JSON");
    assert!(cases.len() > 100, "{} cases", cases.len());
    for (number, case) in cases.iter().enumerate() {
        let ensemble =
            Ensemble::build(&attributes(case), &EnsembleLimits::default()).expect("a right model");
        let expected = numbers(&case.scores, false);
        let rows = expected.len() / case.outputs;
        for choice in [KernelChoice::Walk, KernelChoice::Auto, KernelChoice::Portable] {
            let mut kernel = TreeKernel::new(&ensemble, choice, None, Outputs::All).unwrap();
            let cells = numbers(&case.cells, case.double);
            let found = kernel_scores(&mut kernel, &cells, cells.len() / rows);
            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                // PROBIT of what is no probability is NaN or infinite.
                let same = (found - expected).abs() <= 1e-5
                    || found.to_bits() == expected.to_bits()
                    || (found.is_nan() && expected.is_nan());
                let (output, row) = (at % case.outputs, at / case.outputs);
                assert!(
                    same,
                    "case {number} ({} {} {} classifier: {}, bases: {}, double: {}), row {row}, \
                     output {output}: {found}, ONNX Runtime has {expected}",
                    case.transform,
                    case.aggregate,
                    case.outputs,
                    case.classifier,
                    case.bases.len(),
                    case.double,
                );
            }
        }
    }
}
