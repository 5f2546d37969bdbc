//! Checks the arrays of a model file, which may be hostile: lengths, sizes and numbers.

use super::attributes::{EnsembleKind, TreeAttributes};
use super::ensemble::EnsembleLimits;
use super::error::EnsembleError;
use crate::features::Precision;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// Whether each array is as long as those that it goes with.
pub(super) fn check_lengths(attributes: &TreeAttributes) -> Result<(), EnsembleError> {
    let nodes = attributes.nodes_treeids.len();
    let weights = attributes.leaf_weights.len();
    let tracks = attributes.nodes_missing_value_tracks_true.len();
    let (by_node, by_weight) = ("nodes_treeids", "class_weights or target_weights");
    let lengths = [
        ("nodes_nodeids", attributes.nodes_nodeids.len(), nodes, by_node),
        ("nodes_featureids", attributes.nodes_featureids.len(), nodes, by_node),
        ("nodes_modes", attributes.nodes_modes.len(), nodes, by_node),
        ("nodes_values", attributes.nodes_values.len(), nodes, by_node),
        ("nodes_truenodeids", attributes.nodes_truenodeids.len(), nodes, by_node),
        ("nodes_falsenodeids", attributes.nodes_falsenodeids.len(), nodes, by_node),
        (
            "nodes_missing_value_tracks_true",
            if tracks == 0 { nodes } else { tracks },
            nodes,
            by_node,
        ),
        ("class_treeids or target_treeids", attributes.leaf_treeids.len(), weights, by_weight),
        ("class_nodeids or target_nodeids", attributes.leaf_nodeids.len(), weights, by_weight),
        ("class_ids or target_ids", attributes.leaf_outputs.len(), weights, by_weight),
    ];
    match lengths.into_iter().find(|(_, found, expected, _)| found != expected) {
        Some((attribute, found, expected, like)) => {
            Err(EnsembleError::Length { attribute, found, expected, like })
        }
        None => Ok(()),
    }
}

/// Returns the number of outputs.
pub(super) fn check_sizes(
    attributes: &TreeAttributes,
    limits: &EnsembleLimits,
) -> Result<usize, EnsembleError> {
    let outputs = match attributes.kind {
        EnsembleKind::Classifier { labels } => labels,
        EnsembleKind::Regressor { targets } => targets,
    };
    if outputs == 0 {
        return Err(EnsembleError::NoOutput);
    }
    // Positions are 32 bits wide, whatever the limits say.
    let nodes_max = limits.nodes_max.min(NONE as usize - 1);
    let weights_max = limits.weights_max.min(NONE as usize - 1);
    at_most("classes or targets", outputs, limits.outputs_max)?;
    at_most("nodes", attributes.nodes_treeids.len(), nodes_max)?;
    at_most("leaf weights", attributes.leaf_weights.len(), weights_max)?;
    Ok(outputs)
}

pub(super) fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), EnsembleError> {
    if found > limit { Err(EnsembleError::TooMany { what, found, limit }) } else { Ok(()) }
}

/// Whether weights are numbers that the precision holds.
pub(super) fn check_numbers(attributes: &TreeAttributes) -> Result<(), EnsembleError> {
    let arrays = [
        ("class_weights or target_weights", &attributes.leaf_weights),
        ("base_values", &attributes.base_values),
    ];
    for (attribute, values) in arrays {
        let fits = |value: &f64| value.is_finite() && fits(*value, attributes.precision);
        if let Some(index) = values.iter().position(|value| !fits(value)) {
            let precision = name_of(attributes.precision);
            return Err(EnsembleError::Number {
                attribute,
                index,
                value: values[index],
                precision,
            });
        }
    }
    Ok(())
}

#[expect(clippy::float_cmp, reason = "asks whether rounding changes the value at all")]
pub(super) fn fits(value: f64, precision: Precision) -> bool {
    match precision {
        Precision::F32 => f64::from(value as f32) == value,
        Precision::F64 => !value.is_nan(),
    }
}

pub(super) fn name_of(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "32-bit",
        Precision::F64 => "64-bit",
    }
}
