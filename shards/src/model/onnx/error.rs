//! Why an ONNX file is refused.

use thiserror::Error;
use tract_onnx::pb::NodeProto;

use crate::model::FileError;

/// Why an ONNX file is refused; [`ModelError`](crate::model::ModelError) names the file.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// The file is not read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The graph has more nodes than the limit.
    #[error("{nodes} nodes, the limit is {nodes_max}")]
    TooManyNodes {
        /// What the file has.
        nodes: usize,
        /// The limit.
        nodes_max: usize,
    },
    /// A node makes rows of more columns than the limit.
    #[error("node `{node}`: rows of {columns} columns, the limit is {columns_max}")]
    TooWide {
        /// The node's name.
        node: String,
        /// Columns of its output.
        columns: usize,
        /// The limit.
        columns_max: usize,
    },
    /// The bytes are no ONNX model.
    #[error("not an ONNX model: {reason}")]
    Decode {
        /// What is wrong with them.
        reason: String,
    },
    /// A tensor of the file is malformed.
    #[error("tensor `{tensor}`: {reason}")]
    Tensor {
        /// The tensor's name.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The graph does not hold together: a name that nothing makes, or a cycle.
    #[error("malformed graph: {reason}")]
    Graph {
        /// What is wrong with it.
        reason: String,
    },
    /// A node that is not supported, or not with these attributes.
    #[error("node `{node}` (operator {operator}): {advice}")]
    Unsupported {
        /// The node's name.
        node: String,
        /// Its operator, with the domain where it is not ONNX's own.
        operator: String,
        /// What about it is not supported, and what to do.
        advice: String,
    },
    /// The score cannot be chosen among the outputs.
    #[error("{reason}")]
    Output {
        /// Why, and what `model.toml` can say.
        reason: String,
    },
    /// The input's columns are not what the model reads.
    #[error("{reason}")]
    Input {
        /// Why, and what to do.
        reason: String,
    },
    /// tract does not make a plan of it.
    #[error("tract cannot plan it: {reason}")]
    Plan {
        /// What tract said.
        reason: String,
    },
}

impl OnnxError {
    /// An error that names a node.
    pub(super) fn unsupported(node: &NodeProto, advice: impl Into<String>) -> Self {
        let operator = match node.domain.as_str() {
            "" | "ai.onnx" => node.op_type.clone(),
            domain => format!("{domain}.{}", node.op_type),
        };
        Self::Unsupported { node: node_name(node).to_owned(), operator, advice: advice.into() }
    }
}

/// A node's name, or that of what it makes.
pub(super) fn node_name(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}
