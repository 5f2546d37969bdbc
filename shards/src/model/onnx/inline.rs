//! What a graph has in other places than its own nodes: functions of the file, and the branch of an
//! `If` whose condition is a constant. Both are put into the graph, so that nothing else knows them.

use std::collections::HashMap;

use tract_onnx::pb::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto,
};

use super::constants::integers;
use super::error::OnnxError;
use super::graph::constant;

/// The nodes that stand for one, and the constants that they read.
#[derive(Default)]
struct Body {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

/// Inlines functions and branches, within so many nodes.
pub(super) fn inline(model: &mut ModelProto, nodes_max: usize) -> Result<(), OnnxError> {
    let functions = std::mem::take(&mut model.functions);
    let versions = model.opset_import.clone();
    let Some(graph) = model.graph.as_mut() else { return Ok(()) };
    let (mut place, mut steps) = (0, 0);
    while place < graph.node.len() {
        let node = &graph.node[place];
        let is_called = |it: &&FunctionProto| {
            it.name.as_ref() == Some(&node.op_type)
                && it.domain.as_deref().unwrap_or_default() == node.domain
                && it.opset_import.iter().all(|own| versions.contains(own))
        };
        let body = if let Some(function) = functions.iter().find(is_called) {
            called(node, function)
        } else if let Some(branch) = branch(graph, node) {
            taken(node, branch)
        } else {
            place += 1;
            continue;
        };
        // A function that calls itself would be called for ever.
        steps += 1;
        let nodes = (graph.node.len() - 1 + body.nodes.len()).max(steps);
        if nodes > nodes_max {
            return Err(OnnxError::TooManyNodes { nodes, nodes_max });
        }
        graph.initializer.extend(body.constants);
        // What it stands for may hold others.
        graph.node.splice(place..=place, body.nodes);
    }
    Ok(())
}

/// The branch that an `If` takes, where its condition is a constant.
fn branch<'g>(graph: &'g GraphProto, node: &'g NodeProto) -> Option<&'g GraphProto> {
    if node.op_type != "If" || !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return None;
    }
    let condition = integers(constant(graph, node.input.first()?)?)?;
    let name = if *condition.first()? == 0 { "else_branch" } else { "then_branch" };
    let taken = node.attribute.iter().find(|attribute| attribute.name == name)?.g.as_ref()?;
    (taken.output.len() == node.output.len()).then_some(taken)
}

/// A branch in the place of its `If`: its names are its own, and others those around it.
fn taken(node: &NodeProto, branch: &GraphProto) -> Body {
    let outputs: Vec<String> = branch.output.iter().map(|output| output.name.clone()).collect();
    let made = branch.node.iter().flat_map(|inner| &inner.output);
    let constants = branch.initializer.iter().map(|tensor| &tensor.name);
    let mut names: HashMap<String, String> =
        made.chain(constants).map(|name| (name.clone(), inner_name(node, name))).collect();
    let mut body = Body::default();
    // What it gives may be made around it, or be a constant.
    for (name, output) in outputs.iter().zip(&node.output) {
        if branch.node.iter().any(|inner| inner.output.contains(name)) {
            names.insert(name.clone(), output.clone());
        }
    }
    for tensor in &branch.initializer {
        let name = renamed(&names, &tensor.name);
        body.constants.push(TensorProto { name, ..tensor.clone() });
    }
    body.nodes.extend(branch.node.iter().map(|inner| inlined(node, inner, &names)));
    for (name, output) in outputs.iter().zip(&node.output) {
        let name = renamed(&names, name);
        if name != *output {
            body.nodes.push(copy(node, name, output.clone()));
        }
    }
    body
}

/// A function's nodes in the place of the node that calls it.
fn called(node: &NodeProto, function: &FunctionProto) -> Body {
    let FunctionProto { node: nodes, input: inputs, output: outputs, .. } = function;
    let attribute = |name: &str| node.attribute.iter().find(|known| known.name == name).cloned();
    let made = nodes.iter().flat_map(|inner| &inner.output);
    let mut names: HashMap<String, String> =
        made.map(|name| (name.clone(), inner_name(node, name))).collect();
    let none = String::new();
    for (place, name) in inputs.iter().enumerate() {
        names.insert(name.clone(), node.input.get(place).unwrap_or(&none).clone());
    }
    let mut body = Body::default();
    let mut copies = Vec::new();
    for (name, output) in outputs.iter().zip(&node.output).filter(|(_, output)| !output.is_empty())
    {
        if inputs.contains(name) {
            copies.push(copy(node, renamed(&names, name), output.clone()));
        } else {
            names.insert(name.clone(), output.clone());
        }
    }
    for inner in nodes {
        let mut inner = inlined(node, inner, &names);
        inner.attribute = inner
            .attribute
            .into_iter()
            .filter_map(|known| {
                if known.ref_attr_name.is_empty() {
                    return Some(known);
                }
                // One that is not given is left out.
                let given = attribute(&known.ref_attr_name)?;
                Some(AttributeProto { name: known.name, ref_attr_name: String::new(), ..given })
            })
            .collect();
        body.nodes.push(inner);
    }
    body.nodes.extend(copies);
    body
}

/// The name that a value inside of a node has in the graph.
fn inner_name(node: &NodeProto, name: &str) -> String {
    let own = node.output.iter().find(|output| !output.is_empty()).map_or("", String::as_str);
    if name.is_empty() { String::new() } else { format!("{own}/{name}") }
}

fn renamed(names: &HashMap<String, String>, name: &str) -> String {
    names.get(name).cloned().unwrap_or_else(|| name.to_owned())
}

fn inlined(node: &NodeProto, inner: &NodeProto, names: &HashMap<String, String>) -> NodeProto {
    let all = |given: &[String]| given.iter().map(|name| renamed(names, name)).collect();
    let own = if node.name.is_empty() {
        node.output.first().map_or("", String::as_str)
    } else {
        &node.name
    };
    NodeProto {
        name: format!("{own}/{}", inner.name),
        input: all(&inner.input),
        output: all(&inner.output),
        ..inner.clone()
    }
}

fn copy(node: &NodeProto, from: String, to: String) -> NodeProto {
    NodeProto {
        op_type: "Identity".to_owned(),
        name: format!("{}/{to}", node.name),
        input: vec![from],
        output: vec![to],
        ..NodeProto::default()
    }
}
