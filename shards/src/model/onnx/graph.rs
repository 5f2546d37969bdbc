//! The part of a model's graph that its score depends on; all else is pruned before anything is
//! built, so that labels, argmax branches and `ZipMap` cost nothing and need no operator.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{self, dimension};
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto, ValueInfoProto, type_proto};

use super::decisions;
use super::error::OnnxError;
use super::labels::{self, Classes};
use super::simplify::simplify;
use super::texts::{self, InputTexts};
use crate::model::manifest::ScoreOutput;

/// Operators whose first output is a label and whose second holds the scores.
pub(super) const CLASSIFIERS: [&str; 3] =
    ["TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"];

/// One input of the graph, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GraphInput {
    pub(super) name: String,
    pub(super) data_type: DataType,
    /// Columns a row has; `None` where the file does not say.
    pub(super) columns: Option<usize>,
    /// 1 for an input of shape `[rows]`, else 2.
    pub(super) rank: usize,
    /// Whether the score depends on it.
    pub(super) used: bool,
    /// Whether the file fixes it to one row.
    pub(super) is_one_row: bool,
}

/// The pruned graph.
pub(super) struct ScoreGraph {
    /// The model with only the nodes, constants and inputs that the score needs, and one output.
    pub(super) proto: ModelProto,
    /// Every input of the file, used or not: together they are the model's columns.
    pub(super) inputs: Vec<GraphInput>,
    /// What is known of each input's texts, which are codes in the graph; empty where no input is
    /// one of text.
    pub(super) texts: Vec<InputTexts>,
    /// The tensor that holds the score.
    pub(super) score: String,
    /// The output's name in the file: differs from `score` where a `ZipMap` was cut off.
    pub(super) output: String,
    /// What the columns of the output are.
    pub(super) classes: Classes,
}

impl ScoreGraph {
    pub(super) fn select(mut proto: ModelProto, wanted: &ScoreOutput) -> Result<Self, OnnxError> {
        let mut graph = proto.graph.take().unwrap_or_default();
        simplify(&mut graph);
        let producers = producers(&graph)?;
        let output = match &wanted.tensor {
            Some(name) => named_output(&graph, &producers, name)?,
            None => default_output(&graph, &producers)?,
        };
        let mut score = output.clone();
        if let Some(&place) = producers.get(output.as_str())
            && graph.node[place].op_type == "ZipMap"
        {
            score = graph.node[place].input.first().cloned().unwrap_or_default();
        }
        read_before_casts(&mut graph, &producers);
        let needed = needed_nodes(&graph, &producers, &score)?;
        let decides = decisions::decide(&graph, &needed);
        let classes = Classes::of(&graph, &producers, &output, &score, decides);
        decisions::turn(&mut graph, &needed, &score)?;
        let mut inputs = prune(&mut graph, &needed, &score)?;
        let texts = texts::encode(&mut graph, &mut inputs)?;
        proto.graph = Some(graph);
        Ok(Self { proto, inputs, texts, score, output, classes })
    }

    pub(super) fn graph(&self) -> Result<&GraphProto, OnnxError> {
        self.proto.graph.as_ref().ok_or_else(|| OnnxError::Graph { reason: "no graph".to_owned() })
    }
}

/// The version of ai.onnx.ml that a model is written for; 1 where it does not say.
pub(super) fn ml_version(model: &ModelProto) -> i64 {
    let found = model.opset_import.iter().find(|opset| opset.domain == "ai.onnx.ml");
    found.map_or(1, |opset| opset.version)
}

/// The constants of a graph, by name: initializers and `Constant` nodes.
pub(super) fn constant<'g>(graph: &'g GraphProto, name: &str) -> Option<&'g TensorProto> {
    let initializer = graph.initializer.iter().find(|tensor| tensor.name == name);
    initializer.or_else(|| {
        let node = graph.node.iter().find(|node| node.output.iter().any(|made| made == name))?;
        if node.op_type != "Constant" {
            return None;
        }
        node.attribute.iter().find(|attribute| attribute.name == "value")?.t.as_ref()
    })
}

fn producers(graph: &GraphProto) -> Result<HashMap<String, usize>, OnnxError> {
    let mut producers = HashMap::new();
    for (place, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if producers.insert(output.clone(), place).is_some() {
                return Err(OnnxError::Graph { reason: format!("`{output}` is made twice") });
            }
        }
    }
    Ok(producers)
}

/// Has each `OneHotEncoder` of integers read what a `Cast` before it reads: scikit-learn, whose
/// converter alone writes this pair, compares the number itself with its categories, and a cast would
/// make one of 2.7 and of 2.
fn read_before_casts(graph: &mut GraphProto, producers: &HashMap<String, usize>) {
    for place in 0..graph.node.len() {
        if graph.node[place].op_type != "OneHotEncoder" {
            continue;
        }
        let before = graph.node[place].input.first().and_then(|name| producers.get(name));
        let cast = before.map(|before| &graph.node[*before]).filter(|node| {
            let to = node.attribute.iter().find(|attribute| attribute.name == "to");
            node.op_type == "Cast" && to.is_some_and(|to| to.i == DataType::Int64 as i64)
        });
        if let Some(read) = cast.and_then(|cast| cast.input.first()).cloned() {
            graph.node[place].input[0] = read;
        }
    }
}

fn named_output(
    graph: &GraphProto,
    producers: &HashMap<String, usize>,
    name: &str,
) -> Result<String, OnnxError> {
    if producers.contains_key(name) {
        return Ok(name.to_owned());
    }
    let outputs: Vec<_> = graph.output.iter().map(|output| output.name.as_str()).collect();
    Err(OnnxError::Output {
        reason: format!(
            "[output] tensor = \"{name}\": the model has no such output; it has: {}",
            outputs.join(", ")
        ),
    })
}

/// The only output that holds floats: labels are integers or strings.
fn default_output(
    graph: &GraphProto,
    producers: &HashMap<String, usize>,
) -> Result<String, OnnxError> {
    let is_score = |output: &&ValueInfoProto| match element_type(output) {
        Some(data_type) => matches!(data_type, DataType::Float | DataType::Double),
        None => producers.get(&output.name).is_some_and(|&at| graph.node[at].op_type == "ZipMap"),
    };
    let found: Vec<_> = graph.output.iter().filter(is_score).map(|it| it.name.as_str()).collect();
    let outputs: Vec<_> = graph.output.iter().map(|output| output.name.as_str()).collect();
    let reason = match found.as_slice() {
        [score] => return Ok((*score).to_owned()),
        [] => match sequence(graph, producers) {
            Some(output) => format!(
                "output `{output}` is a list of tensors, one for each target: export a model for \
                 each of them"
            ),
            None => format!(
                "no output holds floats (outputs: {}): name the score's tensor in model.toml with \
                 [output] tensor = \"NAME\"",
                outputs.join(", ")
            ),
        },
        several => format!(
            "{} outputs hold floats ({}): name the one that is the score in model.toml with \
             [output] tensor = \"NAME\"",
            several.len(),
            several.join(", ")
        ),
    };
    Err(OnnxError::Output { reason })
}

/// An output that is a list of tensors.
fn sequence<'g>(graph: &'g GraphProto, producers: &HashMap<String, usize>) -> Option<&'g str> {
    let is_list = |output: &&ValueInfoProto| {
        let maker = producers.get(&output.name).map(|&at| graph.node[at].op_type.as_str());
        matches!(maker, Some("SequenceConstruct" | "SplitToSequence"))
    };
    graph.output.iter().find(is_list).map(|output| output.name.as_str())
}

/// The dimensions of a value, as far as the file says.
pub(super) fn dimensions(value: &ValueInfoProto) -> Vec<Option<i64>> {
    let shape = tensor_type(value).and_then(|tensor| tensor.shape.as_ref());
    let known = |dim: &tensor_shape_proto::Dimension| match dim.value {
        Some(dimension::Value::DimValue(length)) => Some(length),
        _ => None,
    };
    shape.map_or_else(Vec::new, |shape| shape.dim.iter().map(known).collect())
}

fn tensor_type(value: &ValueInfoProto) -> Option<&type_proto::Tensor> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    Some(tensor)
}

pub(super) fn element_type(value: &ValueInfoProto) -> Option<DataType> {
    let data_type = DataType::try_from(tensor_type(value)?.elem_type).ok()?;
    (data_type != DataType::Undefined).then_some(data_type)
}

/// The nodes that `score` depends on, in an order in which each follows what it reads.
fn needed_nodes(
    graph: &GraphProto,
    producers: &HashMap<String, usize>,
    score: &str,
) -> Result<Vec<usize>, OnnxError> {
    let mut known: HashSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    known.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    let first = *producers.get(score).ok_or_else(|| OnnxError::Graph {
        reason: format!("no node makes the output `{score}`"),
    })?;
    let mut order = Vec::new();
    let mut done = vec![false; graph.node.len()];
    let mut open = vec![false; graph.node.len()];
    // A stack of (node, next input to look at): a file's depth must not be this program's.
    let mut stack = vec![(first, 0)];
    open[first] = true;
    while let Some((place, next)) = stack.pop() {
        let Some(input) = graph.node[place].input.get(next) else {
            done[place] = true;
            order.push(place);
            continue;
        };
        stack.push((place, next + 1));
        match producers.get(input.as_str()) {
            Some(&producer) if !done[producer] => {
                if open[producer] {
                    let reason = format!("`{input}` depends on itself");
                    return Err(OnnxError::Graph { reason });
                }
                open[producer] = true;
                stack.push((producer, 0));
            }
            None if !input.is_empty() && !known.contains(input.as_str()) => {
                return Err(OnnxError::Graph { reason: format!("nothing makes `{input}`") });
            }
            _ => {}
        }
    }
    Ok(order)
}

fn prune(
    graph: &mut GraphProto,
    needed: &[usize],
    score: &str,
) -> Result<Vec<GraphInput>, OnnxError> {
    graph.node = needed.iter().map(|&place| std::mem::take(&mut graph.node[place])).collect();
    let reads = |graph: &GraphProto| -> HashSet<String> {
        graph.node.iter().flat_map(|node| node.input.iter().cloned()).collect()
    };
    label_nodes(graph, &reads(graph), score)?;
    let read = reads(graph);
    graph.initializer.retain(|tensor| read.contains(&tensor.name));
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut inputs = Vec::new();
    for value in graph.input.iter().filter(|value| !constants.contains(value.name.as_str())) {
        inputs.push(graph_input(value, read.contains(&value.name))?);
    }
    graph.input.retain(|value| read.contains(&value.name));
    graph.value_info.clear();
    graph.output.retain(|output| output.name == score);
    graph.output.truncate(1);
    if graph.output.is_empty() {
        graph.output.push(ValueInfoProto { name: score.to_owned(), ..ValueInfoProto::default() });
    }
    Ok(inputs)
}

/// Makes the scores the only output of each classifier, and a node of its own of a label that the
/// score depends on.
fn label_nodes(
    graph: &mut GraphProto,
    read: &HashSet<String>,
    score: &str,
) -> Result<(), OnnxError> {
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        if CLASSIFIERS.contains(&node.op_type.as_str()) {
            if node.output.len() != 2 {
                return Err(OnnxError::unsupported(&node, "it has no scores: export it with them"));
            }
            let label = node.output.remove(0);
            if label == score || read.contains(&label) {
                nodes.extend(labels::label_of(&node, label)?);
                if graph.initializer.iter().all(|known| known.name != labels::LABEL_SHAPE.0) {
                    graph.initializer.push(labels::label_shape());
                }
                if node.output[0] != score && !read.contains(&node.output[0]) {
                    continue;
                }
            }
        }
        nodes.push(node);
    }
    graph.node = nodes;
    Ok(())
}

fn graph_input(value: &ValueInfoProto, used: bool) -> Result<GraphInput, OnnxError> {
    let refused =
        |what: &str| OnnxError::Input { reason: format!("input `{}` {what}", value.name) };
    let data_type = element_type(value).ok_or_else(|| refused("is no tensor of a known type"))?;
    let shape = tensor_type(value).and_then(|tensor| tensor.shape.as_ref());
    let Some(shape) = shape else {
        return Ok(GraphInput {
            name: value.name.clone(),
            data_type,
            columns: None,
            rank: 2,
            used,
            is_one_row: false,
        });
    };
    let columns = match shape.dim.as_slice() {
        [_] => Some(1),
        [_, columns] => match columns.value {
            Some(dimension::Value::DimValue(count)) => {
                usize::try_from(count).ok().filter(|c| *c > 0)
            }
            _ => None,
        },
        dims => {
            return Err(refused(&format!(
                "has {} dimensions, expected rows × columns",
                dims.len()
            )));
        }
    };
    let is_one_row = dimensions(value).first() == Some(&Some(1));
    let (name, rank) = (value.name.clone(), shape.dim.len());
    Ok(GraphInput { name, data_type, columns, rank, used, is_one_row })
}
