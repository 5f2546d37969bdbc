//! The six comparisons of ONNX as two, and its test of membership.

use super::attributes::NodeMode;
use super::ensemble::Test;
use crate::features::Precision;

/// One of the two tests that is the same as `mode` for every value, its threshold, whether NaN
/// passes it, and whether passing it leads to the false child.
pub(super) fn normal_form(
    mode: NodeMode,
    threshold: f64,
    nan_is_true: bool,
    precision: Precision,
) -> (Test, f64, bool, bool) {
    let less_than = |nan: bool, swapped: bool| {
        if threshold == f64::NEG_INFINITY {
            // Nothing is less: every number goes to the other side.
            (Test::AtMost, f64::INFINITY, !nan, !swapped)
        } else {
            (Test::AtMost, next_below(threshold, precision), nan, swapped)
        }
    };
    match mode {
        // A leaf has no test; build() never asks.
        NodeMode::BranchLeq | NodeMode::Leaf => (Test::AtMost, threshold, nan_is_true, false),
        NodeMode::BranchGt => (Test::AtMost, threshold, !nan_is_true, true),
        NodeMode::BranchLt => less_than(nan_is_true, false),
        NodeMode::BranchGte => less_than(!nan_is_true, true),
        NodeMode::BranchEq => (Test::Equal, threshold, nan_is_true, false),
        // The threshold names the set, and is one of the file's.
        NodeMode::BranchMember => (Test::Member(threshold as u32), 0.0, nan_is_true, false),
        // NaN differs from every threshold, whatever it is said to track.
        NodeMode::BranchNeq => (Test::Equal, threshold, false, true),
    }
}

fn next_below(threshold: f64, precision: Precision) -> f64 {
    match precision {
        Precision::F32 => f64::from((threshold as f32).next_down()),
        Precision::F64 => threshold.next_down(),
    }
}
