//! `Scan`s that are only a converter's way to say distance: skl2onnx compares each row with those of
//! the training data by one. Each, with the `Transpose` behind it, becomes a `CDist`; any other stays
//! and is refused.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use super::constants::{integers, numbers};
use super::graph::constant;

/// Puts a `CDist` in the place of each pair of `Scan` and `Transpose` that computes distances.
pub(super) fn recognise(graph: &mut GraphProto) {
    for place in 0..graph.node.len() {
        let Some((distances, transposed)) = distance_of(graph, &graph.node[place]) else {
            continue;
        };
        graph.node[transposed] = distances;
        graph.node[place] = NodeProto::default();
    }
    graph.node.retain(|node| !node.op_type.is_empty());
    correct_weights(graph);
}

/// Has weights by distance be the reciprocals of distances, as the library's are. skl2onnx takes the
/// least of them and then their negatives, in place of which the next node, a `Max`, puts one and the
/// same small number: all weights would be equal.
fn correct_weights(graph: &mut GraphProto) {
    let is_least = |name: &str| {
        let node = maker(graph, name);
        node.is_some_and(|node| {
            let largest = node.attribute.iter().find(|known| known.name == "largest");
            node.op_type == "TopK"
                && node.output[0] == name
                && largest.is_some_and(|largest| largest.i == 0)
                && is_distance(graph, &node.input[0])
        })
    };
    let is_weight = |node: &NodeProto| {
        let factor = || numbers(constant(graph, node.input.get(1)?)?);
        node.op_type == "Mul"
            && node.input.first().is_some_and(|name| is_least(name))
            && factor().is_some_and(|factor| factor == [-1.0])
            && graph
                .node
                .iter()
                .filter(|reader| reader.input.contains(&node.output[0]))
                .all(|reader| reader.op_type == "Max")
    };
    let found: Vec<bool> = graph.node.iter().map(is_weight).collect();
    for (node, _) in graph.node.iter_mut().zip(found).filter(|(_, is_weight)| *is_weight) {
        "Identity".clone_into(&mut node.op_type);
        node.input.truncate(1);
    }
}

/// Whether a value is a distance, which is never below 0.
fn is_distance(graph: &GraphProto, name: &str) -> bool {
    let node = maker(graph, name);
    node.is_some_and(|node| match node.op_type.as_str() {
        "CDist" => true,
        "Sqrt" | "Pow" => {
            let root = node.input.first().and_then(|name| maker(graph, name));
            root.is_some_and(|root| root.op_type == "CDist")
        }
        _ => false,
    })
}

/// The node that a `Scan` and the `Transpose` at the place returned stand for.
fn distance_of(graph: &GraphProto, scan: &NodeProto) -> Option<(NodeProto, usize)> {
    if scan.op_type != "Scan" {
        return None;
    }
    let attribute = |name: &str| scan.attribute.iter().find(|known| known.name == name);
    let is_plain = scan.attribute.iter().all(|known| {
        matches!(known.name.as_str(), "body" | "num_scan_inputs")
            || known.ints.iter().all(|direction| *direction == 0)
    });
    let ([rows, others], [_, made]) = (scan.input.as_slice(), scan.output.as_slice()) else {
        return None;
    };
    if attribute("num_scan_inputs")?.i != 1 || !is_plain {
        return None;
    }
    let term = term_of(attribute("body")?.g.as_ref()?)?;
    let mut readers = graph.node.iter().enumerate().filter(|(_, node)| node.input.contains(made));
    let (transposed, transpose) = readers.next()?;
    let perm = transpose.attribute.iter().find(|known| known.name == "perm");
    let is_transpose = transpose.op_type == "Transpose" && perm.is_none_or(|it| it.ints == [1, 0]);
    // What else the scan makes is its input again.
    let is_read = |name: &String| {
        graph.node.iter().any(|node| node.input.contains(name))
            || graph.output.iter().any(|output| output.name == *name)
    };
    if !is_transpose || readers.next().is_some() || is_read(&scan.output[0]) {
        return None;
    }
    let distances = NodeProto {
        op_type: "CDist".to_owned(),
        domain: "com.microsoft".to_owned(),
        name: scan.name.clone(),
        input: vec![rows.clone(), others.clone()],
        output: transpose.output.clone(),
        attribute: term.attributes(),
        ..NodeProto::default()
    };
    Some((distances, transposed))
}

/// What is summed of each difference.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Term {
    Square,
    Magnitude,
    Power(f32),
}

impl Term {
    fn attributes(self) -> Vec<AttributeProto> {
        let metric = match self {
            Self::Square => "sqeuclidean",
            Self::Magnitude => "cityblock",
            Self::Power(_) => "powers",
        };
        let mut attributes = vec![AttributeProto {
            name: "metric".to_owned(),
            r#type: AttributeType::String as i32,
            s: metric.as_bytes().to_vec(),
            ..AttributeProto::default()
        }];
        if let Self::Power(power) = self {
            attributes.push(AttributeProto {
                name: "p".to_owned(),
                r#type: AttributeType::Float as i32,
                f: power,
                ..AttributeProto::default()
            });
        }
        attributes
    }
}

/// What a scan's body sums along the columns of (its state − its element); `None` where it does
/// anything else.
fn term_of(body: &GraphProto) -> Option<Term> {
    let [state, element] = body.input.as_slice() else { return None };
    let [next, made] = body.output.as_slice() else { return None };
    if origin(body, &next.name)? != state.name {
        return None;
    }
    let sum = maker(body, origin(body, &made.name)?)?;
    if !sums_columns(body, sum) {
        return None;
    }
    let mut term = Term::Square;
    let mut summed = sum.input.first()?;
    if sum.op_type == "ReduceSum" {
        let mut node = maker(body, summed)?;
        term = Term::Magnitude;
        if node.op_type == "Pow" {
            let power = numbers(constant(body, node.input.get(1)?)?)?;
            let [power] = power.as_slice() else { return None };
            term = Term::Power(*power as f32);
            node = maker(body, node.input.first()?)?;
        }
        if node.op_type != "Abs" {
            return None;
        }
        summed = node.input.first()?;
    }
    let difference = maker(body, summed)?;
    let is_difference = difference.op_type == "Sub"
        && difference.input.as_slice() == [state.name.clone(), element.name.clone()];
    is_difference.then_some(term)
}

/// Whether a node sums along axis 1 and leaves it out.
fn sums_columns(body: &GraphProto, sum: &NodeProto) -> bool {
    let attribute = |name: &str| sum.attribute.iter().find(|known| known.name == name);
    let axes = match attribute("axes") {
        Some(axes) => Some(axes.ints.clone()),
        None => sum.input.get(1).and_then(|axes| integers(constant(body, axes)?)),
    };
    matches!(sum.op_type.as_str(), "ReduceSum" | "ReduceSumSquare")
        && attribute("keepdims").is_some_and(|keeps| keeps.i == 0)
        && axes.is_some_and(|axes| axes == [1])
}

fn maker<'g>(body: &'g GraphProto, name: &str) -> Option<&'g NodeProto> {
    body.node.iter().find(|node| node.output.iter().any(|made| made == name))
}

/// The name of what a value is, through `Identity`.
fn origin<'g>(body: &'g GraphProto, name: &'g str) -> Option<&'g str> {
    let mut name = name;
    // A chain is no longer than the graph, whatever a hostile file says.
    for _ in 0..body.node.len() {
        match maker(body, name) {
            Some(node) if node.op_type == "Identity" => name = node.input.first()?,
            _ => break,
        }
    }
    Some(name)
}
