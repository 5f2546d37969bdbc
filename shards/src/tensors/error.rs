//! Why a tensor cannot be read.

use thiserror::Error;

/// Why a tensor, or the body that holds it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TensorError {
    /// `Inference-Header-Content-Length` is beyond the end of the body.
    #[error("Inference-Header-Content-Length is {length}, and the body has {body} bytes")]
    HeaderLength {
        /// What the field says, in bytes.
        length: usize,
        /// The length of the body, in bytes.
        body: usize,
    },
    /// A tensor announces more binary data than the body has.
    #[error("tensor `{tensor}`: binary_data_size is {size}, and {left} bytes of the body are left")]
    BinaryCut {
        /// The tensor.
        tensor: String,
        /// What it announces, in bytes.
        size: usize,
        /// What the body has left, in bytes.
        left: usize,
    },
    /// The body has more bytes than the tensors announce.
    #[error("{0} bytes of the body belong to no tensor")]
    BinaryLeft(usize),
    /// A tensor has both `data` and binary data, or neither.
    #[error("tensor `{0}`: expected either `data` or the parameter `binary_data_size`")]
    OneData(String),
    /// A type that is not read.
    #[error("tensor `{tensor}`: the datatype `{found}` is not supported")]
    Datatype {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor's data are not of its datatype.
    #[error("tensor `{tensor}`: its data are not elements of {datatype}")]
    NotOfDatatype {
        /// The tensor.
        tensor: String,
        /// Its type.
        datatype: &'static str,
    },
    /// A tensor's data are not as many as its shape says.
    #[error("tensor `{tensor}`: {found} elements, expected those of the shape {shape:?}")]
    Elements {
        /// The tensor.
        tensor: String,
        /// How many elements it has.
        found: usize,
        /// Its shape.
        shape: Vec<usize>,
    },
}
