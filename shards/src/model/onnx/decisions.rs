//! The decision values of support-vector classifiers without probabilities: their signs, and which
//! classes they are of.
//!
//! Of two classes the graph has them turned around: the second class's value is above 0 where the
//! library says that it is the first. Where such values are the score themselves they are turned
//! back. A graph that turns them itself (`raw_scores`) is computed as it is, and one that computes
//! anything else from them is refused: skl2onnx forgets the sign there.

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, NodeProto};

use super::constants::numbers;
use super::error::OnnxError;
use super::graph::constant;
use super::labels::COPIES;

/// Operators that make probabilities of decision values.
const CURVES: [&str; 4] = ["Exp", "Sigmoid", "Softmax", "Tanh"];

/// Operators of a linear model, which makes none.
const LINEAR: [&str; 9] =
    ["Add", "Cast", "Constant", "Gemm", "Identity", "MatMul", "Mul", "Scaler", "Sub"];

/// Whether a node's scores are decision values of support vectors.
pub(super) fn are_made_by(node: &NodeProto) -> bool {
    let slopes = node.attribute.iter().find(|attribute| attribute.name == "prob_a");
    node.op_type == "SVMClassifier" && slopes.is_none_or(|slopes| slopes.floats.is_empty())
}

/// Whether they are those of one pair of classes.
fn are_of_one_pair(node: &NodeProto) -> bool {
    let offsets = node.attribute.iter().find(|attribute| attribute.name == "rho");
    are_made_by(node) && offsets.is_some_and(|offsets| offsets.floats.len() == 1)
}

fn is_copy(node: &NodeProto) -> bool {
    COPIES.contains(&node.op_type.as_str())
}

/// The place of the node that the cells of `name` come from, through copies.
pub(super) fn origin(
    graph: &GraphProto,
    producers: &HashMap<String, usize>,
    name: &str,
) -> Option<usize> {
    let mut place = *producers.get(name)?;
    // A chain is no longer than the graph, whatever a hostile file says.
    for _ in 0..graph.node.len() {
        let node = &graph.node[place];
        if !is_copy(node) {
            break;
        }
        place = *producers.get(node.input.first()?)?;
    }
    Some(place)
}

/// Whether the score, which these nodes make, is a decision value and no probability.
pub(super) fn decide(graph: &GraphProto, needed: &[usize]) -> bool {
    let nodes = || needed.iter().map(|place| &graph.node[*place]);
    let is_one_of = |node: &NodeProto, known: &[&str]| known.contains(&node.op_type.as_str());
    nodes().all(|node| is_one_of(node, &LINEAR))
        || nodes().any(are_made_by) && !nodes().any(|node| is_one_of(node, &CURVES))
}

/// Turns the decision values of two classes that are the score `score` to the library's signs, and
/// refuses those that a graph computes on.
pub(super) fn turn(graph: &mut GraphProto, needed: &[usize], score: &str) -> Result<(), OnnxError> {
    for &place in needed {
        if !are_of_one_pair(&graph.node[place]) {
            continue;
        }
        let mut names: Vec<&str> =
            graph.node[place].output.get(1).map(String::as_str).into_iter().collect();
        let mut known = 0;
        while let Some(name) = names.get(known).copied() {
            known += 1;
            let readers = needed.iter().map(|place| &graph.node[*place]);
            for reader in readers.filter(|reader| reader.input.iter().any(|read| read == name)) {
                if is_copy(reader) {
                    names.extend(reader.output.first().map(String::as_str));
                } else if !turns(graph, reader) {
                    return Err(OnnxError::unsupported(
                        &graph.node[place],
                        format!(
                            "node `{}` computes on its decision values, whose sign the converter \
                             forgets there: train it with probability=True",
                            reader.name
                        ),
                    ));
                }
            }
        }
        let is_score = names.contains(&score);
        if is_score {
            negate(&mut graph.node[place]);
        }
    }
    Ok(())
}

/// Whether a node multiplies by −1.
fn turns(graph: &GraphProto, node: &NodeProto) -> bool {
    let factor = || numbers(constant(graph, node.input.get(1)?)?);
    node.op_type == "Mul" && factor().is_some_and(|factor| factor == [-1.0])
}

fn negate(node: &mut NodeProto) {
    let is_of_pairs = |name: &str| matches!(name, "coefficients" | "rho");
    for attribute in node.attribute.iter_mut().filter(|known| is_of_pairs(&known.name)) {
        for value in &mut attribute.floats {
            *value = -*value;
        }
    }
}

/// What each column is, where each of more than two classes is compared with each other one: the
/// value is above 0 for the first that is named.
pub(super) fn pairs(classes: &[String]) -> Vec<String> {
    let pair = |one: usize, other: usize| format!("{} against {}", classes[one], classes[other]);
    let all = 0..classes.len();
    all.flat_map(|one| (one + 1..classes.len()).map(move |other| pair(one, other))).collect()
}
