//! Which values of a program have one more axis, of length 1, between rows and columns: what a
//! `OneHotEncoder` makes of a column is rows × 1 × categories, until a `Reshape` takes the axis away.
//!
//! A program's values are rows of cells, which such an axis does not change; but it decides which
//! axis a node means.

use std::collections::HashSet;

use tract_onnx::pb::NodeProto;

use super::ops::{NodeContext, RowShape};

/// The deep values of a graph, by name.
#[derive(Debug, Default)]
pub(super) struct DeepValues<'g> {
    names: HashSet<&'g str>,
}

impl<'g> DeepValues<'g> {
    /// Follows the axis through a node that reads `inputs`; says whether a program may run it.
    pub(super) fn follow(&mut self, context: NodeContext<'g>, inputs: &[RowShape]) -> bool {
        let node = context.node;
        let read = node.input.iter().filter(|name| self.has(name)).count();
        let axis = axis(node);
        let is_deep = match (node.op_type.as_str(), read) {
            // Of several columns it makes several blocks, which a program does not tell apart.
            ("OneHotEncoder", 0) if matches!(inputs, [RowShape { columns: 1, .. }]) => true,
            ("OneHotEncoder", _) => return false,
            ("Concat" | "Gather", 0) => return !matches!(axis, Some(2..)),
            (_, 0) => return true,
            ("Cast" | "Identity", _) => true,
            ("Concat", _) if read == node.input.len() && matches!(axis, Some(-1 | 2)) => true,
            ("Gather", _) if matches!(axis, Some(-1 | 2)) => true,
            // Its parser has seen that its result is rows × columns.
            ("Reshape", 1) => false,
            _ => return false,
        };
        if is_deep {
            self.names.extend(node.output.iter().map(String::as_str));
        }
        true
    }

    /// Whether a value has the axis.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

fn axis(node: &NodeProto) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name == "axis").map(|attribute| attribute.i)
}
