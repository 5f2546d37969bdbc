//! Reads a model's file within bounds: how large it is, how many nodes and tensors it holds, and
//! whether each tensor's data is as long as its shape says.

use std::io::Read;
use std::path::Path;

use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::prelude::Framework;

use super::distances;
use super::error::OnnxError;
use super::external::Beside;
use super::inline::inline;
use crate::fnv::{FNV1A_START, fnv1a_more};
use crate::model::bounded;

/// What a model's file may ask for; a file is input, and may be hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// The file's size, in bytes.
    pub file_bytes_max: u64,
    /// Nodes of the graph.
    pub nodes_max: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { file_bytes_max: 1 << 30, nodes_max: 20_000 }
    }
}

/// A decoded file.
pub(super) struct OnnxFile {
    pub(super) proto: ModelProto,
    /// FNV-1a (64 bits) of the bytes: tells versions apart, and is no protection from forgery.
    pub(super) hash: u64,
}

impl OnnxFile {
    pub(super) fn read(path: &Path, limits: FileLimits) -> Result<Self, OnnxError> {
        let bytes_max = limits.file_bytes_max;
        let file = bounded::open(path, bytes_max)?;
        let mut reader = Hashed { file, bytes: 0, hash: FNV1A_START };
        let decoded = tract_onnx::onnx().proto_model_for_read(&mut reader);
        let Hashed { bytes, hash, .. } = reader;
        bounded::ensure_within(bytes, bytes_max)?;
        let mut proto =
            decoded.map_err(|error| OnnxError::Decode { reason: format!("{error:#}") })?;
        let graph = proto
            .graph
            .as_mut()
            .ok_or_else(|| OnnxError::Decode { reason: "there is no graph".to_owned() })?;
        check_size(graph, limits)?;
        let mut beside = Beside::new(path, bytes, hash, bytes_max);
        beside.read(graph)?;
        inline(&mut proto, limits.nodes_max)?;
        let graph = proto.graph.get_or_insert_default();
        distances::recognise(graph);
        check_graph(graph)?;
        let hash = beside.hash;
        Ok(Self { proto, hash })
    }
}

/// A file whose bytes are hashed as they are read, so that they are kept once: by the decoder.
struct Hashed<R> {
    file: R,
    bytes: u64,
    hash: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bytes += count as u64;
        self.hash = fnv1a_more(self.hash, buffer[..count].iter().copied());
        Ok(count)
    }
}

fn check_size(graph: &GraphProto, limits: FileLimits) -> Result<(), OnnxError> {
    if graph.node.len() > limits.nodes_max {
        return Err(OnnxError::TooManyNodes {
            nodes: graph.node.len(),
            nodes_max: limits.nodes_max,
        });
    }
    Ok(())
}

fn check_graph(graph: &GraphProto) -> Result<(), OnnxError> {
    if !graph.sparse_initializer.is_empty() {
        return Err(OnnxError::Decode { reason: "sparse initializers are not read".to_owned() });
    }
    graph.initializer.iter().try_for_each(check_tensor)?;
    graph.node.iter().try_for_each(check_node)
}

fn check_node(node: &NodeProto) -> Result<(), OnnxError> {
    for attribute in &node.attribute {
        if attribute.g.is_some() || !attribute.graphs.is_empty() {
            return Err(OnnxError::unsupported(
                node,
                if node.op_type == "Scan" {
                    "it is not known as a distance from each row to the rows of a constant: export \
                     the model without Scan, or serve it by a remote backend"
                } else {
                    "control flow: export the model without Loop, and without an If that is not decided by \
                     a constant"
                },
            ));
        }
        attribute.t.iter().chain(&attribute.tensors).try_for_each(check_tensor)?;
    }
    Ok(())
}

/// A tensor whose shape promises more than its data holds makes readers allocate or read too much.
fn check_tensor(tensor: &TensorProto) -> Result<(), OnnxError> {
    let wrong = |reason: String| OnnxError::Tensor { tensor: tensor.name.clone(), reason };
    if tensor.data_location == Some(DataLocation::External as i32)
        || !tensor.external_data.is_empty()
    {
        return Err(wrong("its data are in another file: save it with the model's".to_owned()));
    }
    let cells = tensor
        .dims
        .iter()
        .try_fold(1_usize, |cells, dim| cells.checked_mul(usize::try_from(*dim).ok()?))
        .ok_or_else(|| wrong(format!("its shape {:?} is no shape", tensor.dims)))?;
    let data_type = DataType::try_from(tensor.data_type)
        .map_err(|_| wrong(format!("unknown data type {}", tensor.data_type)))?;
    let (cell_bytes, listed) = match data_type {
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        DataType::Bool | DataType::Uint8 | DataType::Int8 => (1, tensor.int32_data.len()),
        DataType::Uint16 | DataType::Int16 | DataType::Float16 => (2, tensor.int32_data.len()),
        DataType::String => (0, tensor.string_data.len()),
        other => return Err(wrong(format!("data type {} is not read", other.as_str_name()))),
    };
    let found = match (tensor.raw_data.len(), cell_bytes) {
        (0, _) => listed,
        (_, 0) => return Err(wrong("strings cannot be raw data".to_owned())),
        (bytes, cell_bytes) if bytes % cell_bytes == 0 => bytes / cell_bytes,
        (bytes, _) => return Err(wrong(format!("{bytes} bytes are no whole number of cells"))),
    };
    if found != cells {
        let shape = &tensor.dims;
        return Err(wrong(format!("its shape {shape:?} needs {cells} cells, it has {found}")));
    }
    Ok(())
}
