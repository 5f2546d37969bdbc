//! The classes of an output: their labels, and which of its columns is the score.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

use super::constants::{integers, numbers};
use super::decisions;
use super::error::OnnxError;
use super::graph::{CLASSIFIERS, constant, dimensions, element_type};
use crate::model::manifest::ClassChoice;

/// Nodes whose columns are those of their first input.
pub(super) const COPIES: [&str; 4] = ["Cast", "Identity", "Reshape", "ZipMap"];

/// What is known of the columns of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Classes {
    /// The output's name in the file.
    output: String,
    /// The labels, one a column, as text; empty where they are not known.
    labels: Vec<String>,
    /// Whether the labels are text in the file too.
    are_text: bool,
    /// Whether the columns are classes, with labels or without.
    is_classifier: bool,
    /// Whether the columns may be decision values, which are no probabilities.
    may_decide: bool,
}

/// The labels that a node or a constant has.
#[derive(Debug, Default)]
struct Labels {
    names: Vec<String>,
    are_text: bool,
}

impl Classes {
    /// Of the output `output`, which is `score` without its `ZipMap`; `decides`: it is known to be
    /// no probability.
    pub(super) fn of(
        graph: &GraphProto,
        producers: &HashMap<String, usize>,
        output: &str,
        score: &str,
        decides: bool,
    ) -> Self {
        let node_of = |name: &str| producers.get(name).map(|place| &graph.node[*place]);
        let maps = node_of(output).filter(|node| node.op_type == "ZipMap");
        let origin = decisions::origin(graph, producers, score).map(|place| &graph.node[place]);
        let classifier = origin.filter(|node| CLASSIFIERS.contains(&node.op_type.as_str()));
        let chosen: Vec<Labels> = graph
            .output
            .iter()
            .filter(|other| other.name != output && holds_a_label(other))
            .filter_map(|label| behind(graph, producers, &label.name))
            .collect();
        let is_classifier = maps.is_some() || classifier.is_some() || !chosen.is_empty();
        let labels = maps
            .or(classifier)
            .map(labels_of)
            .into_iter()
            .chain(chosen)
            .find(|labels| !labels.names.is_empty())
            .unwrap_or_default();
        let (names, is_of_pairs) = match classifier {
            Some(node) if decisions::are_made_by(node) && labels.names.len() > 2 => {
                (decisions::pairs(&labels.names), true)
            }
            _ => (labels.names, false),
        };
        Self {
            output: output.to_owned(),
            is_classifier,
            are_text: labels.are_text && !is_of_pairs,
            labels: names,
            may_decide: decides || classifier.is_some_and(may_decide),
        }
    }

    /// The score's column in an output of `width` columns.
    pub(super) fn choose(
        &self,
        wanted: Option<&ClassChoice>,
        width: usize,
    ) -> Result<usize, OnnxError> {
        let Self { output, .. } = self;
        let known = self.known(width);
        let labels = if known.is_empty() { "not known".to_owned() } else { known.join(", ") };
        let reason = match wanted {
            None if width == 1 => return Ok(0),
            None if width == 2 && self.is_classifier => return Ok(1),
            None if self.is_classifier => format!(
                "output `{output}` has {width} columns: name the one that is the score in \
                 model.toml with [output] class = INDEX or \"LABEL\" (labels: {labels})"
            ),
            None => format!(
                "output `{output}` has {width} columns and is no classifier's: name the one that \
                 is the score in model.toml with [output] class = INDEX, counted from 0"
            ),
            Some(ClassChoice::Index(index)) if *index < width => return Ok(*index),
            Some(ClassChoice::Index(index)) => format!(
                "[output] class = {index}: output `{output}` has {width} columns, counted from 0"
            ),
            Some(ClassChoice::Label(label)) => {
                if let Some(place) = known.iter().position(|known| known == label) {
                    return Ok(place);
                }
                format!("[output] class = \"{label}\": the model's labels are: {labels}")
            }
        };
        Err(OnnxError::Output { reason })
    }

    /// What column `column` of `width` is, for people: `P(class "bad")`.
    pub(super) fn describe(&self, column: usize, width: usize) -> String {
        let Self { output, .. } = self;
        match self.known(width).get(column) {
            Some(label) if self.may_decide => format!("decision value of class \"{label}\""),
            Some(label) => format!("P(class \"{label}\")"),
            None if width > 1 => format!("column {column} of output \"{output}\""),
            None if self.labels.len() == 2 => {
                let [first, second] = [&self.labels[0], &self.labels[1]];
                format!("output \"{output}\", one number for classes \"{first}\" and \"{second}\"")
            }
            None => format!("output \"{output}\""),
        }
    }

    /// Whether a class that has a name in the file is the score only by its place.
    pub(super) fn is_by_place(&self, wanted: Option<&ClassChoice>, width: usize) -> bool {
        wanted.is_none() && self.are_text && width > 1
    }

    /// Whether the columns are probabilities of classes.
    pub(super) fn are_probabilities(&self) -> bool {
        self.is_classifier && !self.may_decide
    }

    /// The labels, where there is one for each of `width` columns.
    pub(super) fn known(&self, width: usize) -> &[String] {
        if self.labels.len() == width { &self.labels } else { &[] }
    }
}

/// Whether an output has one label for each row: several are those of a model that gives each row
/// any of them.
fn holds_a_label(output: &ValueInfoProto) -> bool {
    let is_wide = matches!(dimensions(output).as_slice(), [_, Some(columns)] if *columns > 1);
    let data_type = element_type(output);
    matches!(data_type, Some(DataType::Int64 | DataType::Int32 | DataType::String)) && !is_wide
}

/// The labels of a classifier or a `ZipMap`.
fn labels_of(node: &NodeProto) -> Labels {
    let is_known = |name: &str| name.starts_with("classlabels_");
    let Some(attribute) = node.attribute.iter().find(|attribute| is_known(&attribute.name)) else {
        return Labels::default();
    };
    if attribute.strings.is_empty() {
        let names = attribute.ints.iter().map(i64::to_string).collect();
        return Labels { names, are_text: false };
    }
    Labels { names: texts(&attribute.strings), are_text: true }
}

fn texts(strings: &[Vec<u8>]) -> Vec<String> {
    strings.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// The labels that an output of labels is chosen from: a classifier's, or a constant that a node
/// picks from; empty where it is one of the places. `None` where nothing chooses one of several.
fn behind(graph: &GraphProto, producers: &HashMap<String, usize>, label: &str) -> Option<Labels> {
    let mut seen = HashSet::new();
    let mut open = vec![label];
    let mut chosen = None;
    while let Some(name) = open.pop() {
        let Some(&place) = producers.get(name) else { continue };
        if !seen.insert(place) {
            continue;
        }
        let node = &graph.node[place];
        let operator = node.op_type.as_str();
        let is_label = node.output.first().is_some_and(|first| first == name);
        if CLASSIFIERS.contains(&operator) && is_label {
            return Some(labels_of(node));
        }
        if matches!(operator, "ArrayFeatureExtractor" | "Gather")
            && let Some(labels) = node.input.first().and_then(|from| constant(graph, from))
        {
            return in_constant(labels);
        }
        if matches!(operator, "ArgMax" | "TopK") {
            chosen = Some(Labels::default());
        }
        open.extend(node.input.iter().map(String::as_str));
    }
    chosen
}

/// The name of the shape that labels have, and the shape.
pub(super) const LABEL_SHAPE: (&str, [i64; 1]) = ("shardgate.label_shape", [-1]);

pub(super) fn label_shape() -> TensorProto {
    let (name, shape) = LABEL_SHAPE;
    TensorProto {
        name: name.to_owned(),
        data_type: DataType::Int64 as i32,
        dims: vec![shape.len() as i64],
        int64_data: shape.to_vec(),
        ..TensorProto::default()
    }
}

/// The nodes that make `label` alone of what a classifier reads: the class of the greatest score,
/// which no `post_transform` changes.
pub(super) fn label_of(classifier: &NodeProto, label: String) -> Result<[NodeProto; 2], OnnxError> {
    if classifier.op_type == "SVMClassifier" {
        return Err(OnnxError::unsupported(
            classifier,
            "the score depends on its label; choose an output made from its probabilities",
        ));
    }
    let column = format!("{label}.column");
    let mut node = classifier.clone();
    node.op_type.push_str("Label");
    node.name.push_str(".label");
    node.attribute.retain(|attribute| attribute.name != "post_transform");
    node.output = vec![column.clone()];
    let flat = NodeProto {
        op_type: "Reshape".to_owned(),
        name: format!("{}.flat", classifier.name),
        input: vec![column, LABEL_SHAPE.0.to_owned()],
        output: vec![label],
        ..NodeProto::default()
    };
    Ok([node, flat])
}

fn in_constant(tensor: &TensorProto) -> Option<Labels> {
    if tensor.data_type == DataType::String as i32 {
        return Some(Labels { names: texts(&tensor.string_data), are_text: true });
    }
    let names = match integers(tensor) {
        Some(integers) => integers.iter().map(i64::to_string).collect(),
        None => numbers(tensor)?.iter().map(f64::to_string).collect(),
    };
    Some(Labels { names, are_text: false })
}

/// Whether a classifier's scores may be anything but probabilities.
fn may_decide(node: &NodeProto) -> bool {
    let attribute = |name: &str| node.attribute.iter().find(|known| known.name == name);
    let transform =
        attribute("post_transform").filter(|t| t.r#type == AttributeType::String as i32);
    if transform.is_some_and(|transform| transform.s != b"NONE") {
        return false;
    }
    let negative = |name: &str| {
        attribute(name).is_some_and(|weights| weights.floats.iter().any(|weight| *weight < 0.0))
    };
    match node.op_type.as_str() {
        "SVMClassifier" => decisions::are_made_by(node),
        "LinearClassifier" => true,
        _ => negative("class_weights") || negative("base_values"),
    }
}
