//! Why an inference request is refused.

use thiserror::Error;

use crate::features::inputs::IntegerRange;
use crate::tensors::TensorError;

/// Why an inference request is refused: each is a fault of the request.
#[derive(Debug, Error)]
pub enum InferError {
    /// The JSON part is not UTF-8, which JSON must be.
    #[error("the request's JSON cannot be read: it is not valid UTF-8")]
    NotUtf8,
    /// The JSON part is not JSON, or not that of an inference request.
    #[error("the request's JSON cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A message whose raw contents are not one for each tensor.
    #[error(
        "raw_input_contents has {found} elements, expected one for each of the {inputs} inputs"
    )]
    RawContents {
        /// How many there are.
        found: usize,
        /// How many tensors there are.
        inputs: usize,
    },
    /// A tensor that cannot be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A tensor's shape is not one that the model reads.
    #[error("input `{input}`: found shape {found:?}, expected {expected}")]
    Shape {
        /// The tensor.
        input: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shapes or types that the model reads.
        expected: String,
    },
    /// A tensor's type is not one that the model reads there.
    #[error("input `{input}`: found {found}, expected {expected}")]
    Type {
        /// The tensor.
        input: String,
        /// Its type.
        found: &'static str,
        /// The shapes or types that the model reads.
        expected: &'static str,
    },
    /// A cell of a column of integers is anything else, or may have been rounded on its way.
    #[error(
        "input `{input}`: column `{column}` of row {row} is {found}, expected a whole number from \
         {} to {}", range.low, range.high
    )]
    NotInteger {
        /// The tensor.
        input: String,
        /// The model's column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// The cell; NaN for null.
        found: f64,
        /// The range of the model's tensor.
        range: IntegerRange,
    },
    /// A cell is not of its column's type.
    #[error("input `{input}`, row {row}: {reason}")]
    NotOfColumn {
        /// The tensor.
        input: String,
        /// The row, from 0.
        row: usize,
        /// The column, what it takes and what was found.
        reason: String,
    },
    /// A tensor that the model does not read.
    #[error("unexpected input `{input}`: {expected}")]
    UnknownInput {
        /// The tensor.
        input: String,
        /// The inputs that the model reads.
        expected: String,
    },
    /// A tensor is there twice.
    #[error("input `{0}` is there twice")]
    InputTwice(String),
    /// More tensors than the model reads.
    #[error("the request has {found} inputs, the model reads at most {limit}")]
    TooManyInputs {
        /// How many it has.
        found: usize,
        /// How many there are.
        limit: usize,
    },
    /// A tensor is not there.
    #[error("input `{input}` is missing: {expected}")]
    InputMissing {
        /// The tensor.
        input: String,
        /// The inputs that the model needs.
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
    /// A key that cannot be one.
    #[error("input `{input}`: element {row} is empty, longer than {limit} bytes or not UTF-8")]
    UserId {
        /// The tensor.
        input: String,
        /// The row, from 0.
        row: usize,
        /// The longest user id, in bytes.
        limit: usize,
    },
    /// An output that this request does not have.
    #[error("unexpected output `{output}`: there are `{known}`")]
    UnknownOutput {
        /// The output.
        output: String,
        /// The outputs that there are.
        known: String,
    },
    /// Two versions score the rows, and do not have this output alike.
    #[error(
        "output `{0}`: two versions score these users and do not have it alike: ask for one \
         version, by /v2/models/NAME/versions/VERSION/infer"
    )]
    OutputsDiffer(&'static str),
    /// The classification extension.
    #[error("output `{0}`: the classification extension is not supported")]
    Classification(String),
}
