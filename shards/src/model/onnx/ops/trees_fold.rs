//! Trees behind a one-hot encoder, as trees on the columns that it encodes.
//!
//! A test of a column that is 0 or 1 is a test of the encoded cell for one category, or for any
//! other. A cell that is NaN is no category: its column is 0.

use super::Piece;
use crate::model::trees::{NodeMode, TreeAttributes};

/// The same ensemble on the cells that its columns are made of; none if a node reads a column that
/// is not there, or tests a category's column in a way that both its numbers pass or fail.
pub(super) fn read_through(
    attributes: &TreeAttributes,
    pieces: &[Piece<usize>],
) -> Option<TreeAttributes> {
    let mut folded = attributes.clone();
    for (node, mode) in attributes.nodes_modes.iter().enumerate() {
        if *mode == NodeMode::Leaf {
            continue;
        }
        let column = usize::try_from(*attributes.nodes_featureids.get(node)?).ok()?;
        let piece = pieces.get(column)?;
        folded.nodes_featureids[node] = i64::try_from(*piece.place()).ok()?;
        let Piece::Is(_, category) = *piece else { continue };
        let threshold = *attributes.nodes_values.get(node)?;
        folded.nodes_modes[node] = match [0.0, 1.0].map(|cell| holds(*mode, cell, threshold)) {
            [Some(false), Some(true)] => NodeMode::BranchEq,
            [Some(true), Some(false)] => NodeMode::BranchNeq,
            _ => return None,
        };
        folded.nodes_values[node] = category as f64;
        if let Some(tracks) = folded.nodes_missing_value_tracks_true.get_mut(node) {
            *tracks = 0;
        }
    }
    Some(folded)
}

/// Whether a number passes a node's test; none where that is not known of numbers.
fn holds(mode: NodeMode, cell: f64, threshold: f64) -> Option<bool> {
    let order = cell.partial_cmp(&threshold)?;
    match mode {
        NodeMode::BranchLeq => Some(order.is_le()),
        NodeMode::BranchLt => Some(order.is_lt()),
        NodeMode::BranchGte => Some(order.is_ge()),
        NodeMode::BranchGt => Some(order.is_gt()),
        NodeMode::BranchEq => Some(order.is_eq()),
        NodeMode::BranchNeq => Some(order.is_ne()),
        NodeMode::BranchMember | NodeMode::Leaf => None,
    }
}
