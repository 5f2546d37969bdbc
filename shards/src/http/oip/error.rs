//! Why an inference request asks nothing that can be answered.

use thiserror::Error;

/// Why an inference request is refused; each is answered with 400.
#[derive(Debug, Error)]
pub enum InferError {
    /// The JSON part is not JSON, or not that of an inference request.
    #[error("the request's JSON cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// `Inference-Header-Content-Length` is beyond the end of the body.
    #[error("Inference-Header-Content-Length is {length}, and the body has {body} bytes")]
    HeaderLength {
        /// What the field says, in bytes.
        length: usize,
        /// The length of the body, in bytes.
        body: usize,
    },
    /// A tensor announces more binary data than the body has.
    #[error("input `{input}`: binary_data_size is {size}, and {left} bytes of the body are left")]
    BinaryCut {
        /// The tensor.
        input: String,
        /// What it announces, in bytes.
        size: usize,
        /// What the body has left, in bytes.
        left: usize,
    },
    /// The body has more bytes than the tensors announce.
    #[error("{0} bytes of the body belong to no input")]
    BinaryLeft(usize),
    /// A tensor has both `data` and binary data, or neither.
    #[error("input `{0}`: expected either `data` or the parameter `binary_data_size`")]
    OneData(String),
    /// A type that is not read.
    #[error("input `{input}`: the datatype `{found}` is not supported")]
    Datatype {
        /// The tensor.
        input: String,
        /// Its type.
        found: String,
    },
    /// A tensor's data are not of its datatype.
    #[error("input `{input}`: its data are not elements of {datatype}")]
    NotOfDatatype {
        /// The tensor.
        input: String,
        /// Its type.
        datatype: &'static str,
    },
    /// A tensor's data are not as many as its shape says.
    #[error("input `{input}`: {found} elements, expected those of the shape {shape:?}")]
    Elements {
        /// The tensor.
        input: String,
        /// How many elements it has.
        found: usize,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor's shape is not one that the model reads.
    #[error("input `{input}`: found shape {found:?}, expected {expected}")]
    Shape {
        /// The tensor.
        input: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it may be.
        expected: String,
    },
    /// A tensor's type is not one that the model reads there.
    #[error("input `{input}`: found {found}, expected {expected}")]
    Type {
        /// The tensor.
        input: String,
        /// Its type.
        found: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A tensor that the model does not read.
    #[error("unexpected input `{input}`: {expected}")]
    UnknownInput {
        /// The tensor.
        input: String,
        /// What may be given.
        expected: String,
    },
    /// A tensor is there twice.
    #[error("input `{0}` is there twice")]
    InputTwice(String),
    /// A tensor is not there.
    #[error("input `{input}` is missing: {expected}")]
    InputMissing {
        /// The tensor.
        input: String,
        /// What is to be given.
        expected: String,
    },
    /// No row at all.
    #[error("the request has no row")]
    NoRows,
    /// More rows than the limit.
    #[error("the request has {found} rows, at most {limit} are allowed")]
    TooManyRows {
        /// How many it has.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A user id that cannot be one.
    #[error("input `user_id`: element {row} is empty, longer than {limit} bytes or not UTF-8")]
    UserId {
        /// The row, from 0.
        row: usize,
        /// The longest user id, in bytes.
        limit: usize,
    },
    /// An output that this request does not have.
    #[error("unexpected output `{output}`: {expected}")]
    UnknownOutput {
        /// The output.
        output: String,
        /// What may be asked for.
        expected: &'static str,
    },
    /// The classification extension.
    #[error("output `{0}`: the classification extension is not supported")]
    Classification(String),
}
