//! What a graph may ask of tract: operators that somebody runs, and no tensors whose size a few
//! bytes of the file could blow up.
//!
//! A graph can still make large constants in roundabout ways (by broadcasting them against each
//! other): who may not be trusted with the process's memory may not be trusted with its models.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::adapter;
use super::error::OnnxError;
use super::ops::NodeContext;

/// The most cells that an operator may make of a shape that is written down in the file.
const CELLS_MAX: f64 = 16_777_216.0;

/// Operators that make tensors of a size that one of their inputs says, and which one that is.
const SIZED_BY_INPUT: [(&str, usize); 6] =
    [("ConstantOfShape", 0), ("Expand", 1), ("OneHot", 1), ("Pad", 1), ("Resize", 3), ("Tile", 1)];

/// Refuses nodes that cannot be run, naming them, before tract looks at the graph.
pub(super) fn check(graph: &GraphProto) -> Result<(), OnnxError> {
    let known = adapter::onnx().op_register;
    for node in &graph.node {
        if !known.0.contains_key(&node.op_type) || node.op_type == "Range" {
            return Err(OnnxError::unsupported(
                node,
                "this operator is not supported: export the model without it, or serve it by a \
                 remote backend",
            ));
        }
        if node.op_type == "Transpose" && !is_permutation(node) {
            return Err(OnnxError::unsupported(
                node,
                "its `perm` names an axis twice or not at all: export the model again",
            ));
        }
        let sized = SIZED_BY_INPUT.iter().find(|(operator, _)| *operator == node.op_type);
        if let Some((_, place)) = sized
            && !is_bounded(graph, node, *place)
        {
            return Err(OnnxError::unsupported(
                node,
                "the size of what it makes is not bounded: export the model with fixed sizes",
            ));
        }
    }
    Ok(())
}

/// Whether each axis has one place; tract makes axes of any number out of anything else.
fn is_permutation(node: &NodeProto) -> bool {
    let perm = node.attribute.iter().find(|attribute| attribute.name == "perm");
    let mut axes = perm.map_or_else(Vec::new, |perm| perm.ints.clone());
    axes.sort_unstable();
    axes.iter().enumerate().all(|(place, axis)| *axis == place as i64)
}

/// Whether a size is a small constant, or the shape of another tensor.
fn is_bounded(graph: &GraphProto, node: &NodeProto, place: usize) -> bool {
    let context = NodeContext { node, graph, ml_version: 0 };
    if let Some(size) = context.constant(place) {
        return size.iter().map(|dim| dim.abs().max(1.0)).product::<f64>() <= CELLS_MAX;
    }
    let made_by = |name: &String| {
        graph.node.iter().find(|node| node.output.contains(name)).map(|node| node.op_type.as_str())
    };
    node.input.get(place).and_then(made_by) == Some("Shape")
}
