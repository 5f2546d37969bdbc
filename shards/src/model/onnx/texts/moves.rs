//! Operators that move and choose cells, whatever these are: on codes they stay as they are.

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, NodeProto};

use super::super::constants::integers;
use super::super::graph;
use super::attributes;
use super::reach::Value;

/// Operators that put the cells of their first input in other places, or a part of them.
const MOVE: [&str; 10] = [
    "Expand",
    "Flatten",
    "GatherElements",
    "GatherND",
    "Identity",
    "Slice",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// What the outputs of a node are that moves texts; `None` where it does anything else.
pub(super) fn follow(
    node: &NodeProto,
    graph: &GraphProto,
    values: &HashMap<String, Value>,
) -> Option<Vec<Value>> {
    let texts: Vec<_> = node.input.iter().map(|name| values.get(name)).collect();
    match node.op_type.as_str() {
        "Concat" => {
            let parts = texts.into_iter().collect::<Option<Vec<_>>>()?;
            let beside = matches!(axis(node), Some(1 | -1));
            let whole = || Value::mixed(parts.iter().copied());
            return Some(vec![if beside { Value::joined(&parts) } else { whole() }]);
        }
        "Where" => {
            let [None, Some(one), Some(other)] = *texts.as_slice() else { return None };
            return Some(vec![one.either(other)]);
        }
        _ => {}
    }
    // All others read texts in their first place alone.
    let [Some(first), ref others @ ..] = *texts.as_slice() else { return None };
    if others.iter().any(Option::is_some) {
        return None;
    }
    let mixed = || Value::mixed([first]);
    Some(match node.op_type.as_str() {
        "Identity" => vec![first.clone()],
        "Gather" if matches!(axis(node), Some(1 | -1)) => vec![picked(first, node, graph)],
        "Gather" => vec![mixed()],
        "ArrayFeatureExtractor" => vec![picked(first, node, graph)],
        "Reshape" => vec![if keeps_columns(first, node, graph) { first.clone() } else { mixed() }],
        "Split" => split(first, node, graph),
        name if MOVE.contains(&name) => vec![mixed()],
        _ => return None,
    })
}

fn axis(node: &NodeProto) -> Option<i64> {
    attributes::find(node, "axis").map(|attribute| attribute.i)
}

/// The integers of a constant input.
fn constant(node: &NodeProto, place: usize, graph: &GraphProto) -> Option<Vec<i64>> {
    integers(graph::constant(graph, node.input.get(place)?)?)
}

/// The columns that a node picks by constant places.
fn picked(value: &Value, node: &NodeProto, graph: &GraphProto) -> Value {
    let mixed = || Value::mixed([value]);
    let Value::Each(each) = value else { return mixed() };
    let width = each.len() as i64;
    let place = |place: i64| usize::try_from(if place < 0 { place + width } else { place }).ok();
    let places = constant(node, 1, graph).and_then(|it| it.into_iter().map(place).collect());
    let Some(places) = places else { return mixed() };
    let places: Vec<usize> = places;
    let picked = value.picked(&places);
    // A lone place that is no list takes the axis away.
    let dims = node.input.get(1).and_then(|name| graph::constant(graph, name));
    let takes_axis = node.op_type == "Gather" && dims.is_none_or(|it| it.dims.len() != 1);
    if takes_axis { Value::mixed([&picked]) } else { picked }
}

/// Whether a `Reshape` leaves rows × columns as they are.
fn keeps_columns(value: &Value, node: &NodeProto, graph: &GraphProto) -> bool {
    let Value::Each(each) = value else { return false };
    let shape = constant(node, 1, graph);
    matches!(shape.as_deref(), Some([-1 | 0, columns]) if *columns == each.len() as i64)
}

/// The parts of a value along its columns.
fn split(value: &Value, node: &NodeProto, graph: &GraphProto) -> Vec<Value> {
    let outputs = node.output.len();
    let mixed = || vec![Value::mixed([value]); outputs];
    let (Value::Each(each), Some(1 | -1)) = (value, axis(node)) else { return mixed() };
    let given = attributes::find(node, "split").map(|attribute| attribute.ints.clone());
    let sizes = given
        .or_else(|| constant(node, 1, graph))
        .unwrap_or_else(|| vec![each.len().div_ceil(outputs.max(1)) as i64; outputs]);
    let mut start = 0;
    let part = |size: i64| {
        let end = usize::try_from(size).ok().and_then(|size| size.checked_add(start))?;
        let part = each.get(start..end)?.to_vec();
        start = end;
        Some(Value::Each(part))
    };
    let parts: Option<Vec<_>> = sizes.into_iter().map(part).collect();
    parts.filter(|parts| parts.len() == outputs).unwrap_or_else(mixed)
}
