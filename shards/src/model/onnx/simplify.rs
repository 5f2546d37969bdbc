//! What converters compute though the file says it already: it is replaced by what it comes to, so
//! that the widths of rows are known before a graph is run.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use super::constants::{integers, numbers};
use super::graph::{CLASSIFIERS, constant};

/// Replaces shapes that a row has already, constants that distances are measured to, and matrices of
/// zeros.
pub(super) fn simplify(graph: &mut GraphProto) {
    replace_zeros(graph);
    for place in 0..graph.node.len() {
        match graph.node[place].op_type.as_str() {
            "Reshape" if keeps_scores(graph, &graph.node[place]) => {
                "Identity".clone_into(&mut graph.node[place].op_type);
                graph.node[place].input.truncate(1);
                graph.node[place].attribute.clear();
            }
            "CDist" => {
                if let Some(folded) = folded(graph, &graph.node[place]) {
                    graph.node[place].input[1].clone_from(&folded.name);
                    graph.initializer.push(folded);
                }
            }
            _ => {}
        }
    }
}

/// The number that stands for a matrix of zeros.
const ZERO: &str = "shardgate.zero";

/// Puts one zero in the place of products of zeros that are added or multiplied: skl2onnx makes the
/// part of a Gaussian process's kernel so that is the same for all pairs of rows.
fn replace_zeros(graph: &mut GraphProto) {
    let zeros = |node: &NodeProto| {
        let of = |name: &String| zeros_of(graph, name);
        let types: Option<Vec<i32>> = node.input.iter().map(of).collect();
        let data_type = *types?.first()?;
        let made = node.output.first()?;
        let mut readers = graph.node.iter().filter(|reader| reader.input.contains(made));
        let are_by_cells =
            readers.all(|reader| matches!(reader.op_type.as_str(), "Add" | "Mul" | "Sub"));
        let is_output = graph.output.iter().any(|output| output.name == *made);
        (node.op_type == "MatMul" && are_by_cells && !is_output).then(|| (made.clone(), data_type))
    };
    let found: Vec<(String, i32)> = graph.node.iter().filter_map(zeros).collect();
    for (name, data_type) in found {
        let zero = format!("{ZERO}.{data_type}");
        if graph.initializer.iter().all(|known| known.name != zero) {
            graph.initializer.push(TensorProto {
                name: zero.clone(),
                dims: vec![1, 1],
                data_type,
                raw_data: vec![0; if data_type == DataType::Double as i32 { 8 } else { 4 }],
                ..TensorProto::default()
            });
        }
        for input in graph.node.iter_mut().flat_map(|node| &mut node.input) {
            if *input == name {
                input.clone_from(&zero);
            }
        }
    }
}

/// The type of a value that is a matrix of zeros.
fn zeros_of(graph: &GraphProto, name: &str) -> Option<i32> {
    let mut node = maker(graph, name)?;
    if node.op_type == "Transpose" {
        node = maker(graph, node.input.first()?)?;
    }
    let value = node.attribute.iter().find(|known| known.name == "value")?.t.as_ref()?;
    let is_float = [DataType::Float as i32, DataType::Double as i32].contains(&value.data_type);
    let is_zero = numbers(value).is_some_and(|numbers| numbers == [0.0]);
    (node.op_type == "ConstantOfShape" && is_float && is_zero).then_some(value.data_type)
}

fn maker<'g>(graph: &'g GraphProto, name: &str) -> Option<&'g NodeProto> {
    graph.node.iter().find(|node| node.output.iter().any(|made| made == name))
}

/// Whether a `Reshape` gives a classifier's scores the shape that they have: rows, and what is left.
fn keeps_scores(graph: &GraphProto, node: &NodeProto) -> bool {
    let is_scores = || {
        let classifier = maker(graph, node.input.first()?)?;
        let is_one = CLASSIFIERS.contains(&classifier.op_type.as_str());
        Some(is_one && classifier.output.get(1) == node.input.first())
    };
    let keeps = || {
        let shape = maker(graph, node.input.get(1)?)?;
        let [rows, rest] = shape.input.as_slice() else { return None };
        let rest = integers(constant(graph, rest)?)?;
        Some(shape.op_type == "Concat" && counts_rows(graph, rows)? && rest == [-1])
    };
    is_scores() == Some(true) && keeps() == Some(true)
}

/// Whether a value is the number of rows of one of the graph's inputs.
fn counts_rows(graph: &GraphProto, name: &str) -> Option<bool> {
    let dimension = maker(graph, name)?;
    let place = integers(constant(graph, dimension.input.get(1)?)?)?;
    let shape = maker(graph, dimension.input.first()?)?;
    let of = shape.input.first()?;
    Some(
        dimension.op_type == "Gather"
            && place == [0]
            && shape.op_type == "Shape"
            && graph.input.iter().any(|input| input.name == *of),
    )
}

/// The constant rows that a node compares with, where the graph makes them of two constants.
fn folded(graph: &GraphProto, node: &NodeProto) -> Option<TensorProto> {
    let maker = maker(graph, node.input.get(1)?)?;
    let [one, other] = maker.input.as_slice() else { return None };
    let (one, other) = (constant(graph, one)?, constant(graph, other)?);
    let apply: fn(f64, f64) -> f64 = match maker.op_type.as_str() {
        "Add" => |a, b| a + b,
        "Sub" => |a, b| a - b,
        "Mul" => |a, b| a * b,
        "Div" => |a, b| a / b,
        _ => return None,
    };
    let (cells, others) = (numbers(one)?, numbers(other)?);
    let columns = usize::try_from(*one.dims.last()?).ok()?;
    if one.dims.len() != 2 || !(others.len() == 1 || others.len() == columns) {
        return None;
    }
    let cells = cells.iter().zip(others.iter().cycle()).map(|(a, b)| apply(*a, *b));
    let mut tensor = TensorProto {
        name: format!("{}.folded", maker.output.first()?),
        dims: one.dims.clone(),
        data_type: one.data_type,
        ..TensorProto::default()
    };
    match DataType::try_from(one.data_type).ok()? {
        // A 64-bit result of 32-bit operands is rounded as the 32-bit operation rounds.
        DataType::Float => tensor.float_data = cells.map(|cell| cell as f32).collect(),
        DataType::Double => tensor.double_data = cells.collect(),
        _ => return None,
    }
    Some(tensor)
}
