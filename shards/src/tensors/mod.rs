//! Tensors as the Open Inference Protocol sends them: described in JSON, their elements in it or,
//! in the binary-tensor extension, behind it.
//!
//! [`elements`] are the types and their bytes; [`wire`] reads one tensor of either form; and
//! [`TensorError`] says what is wrong with it. Both sides of the protocol read with it: the server
//! (`api::infer`) and the client (`model::remote`).
//!
//! What is *not* here: requests and answers, and what a tensor means to a model.

pub mod elements;
mod error;
pub mod wire;

use std::borrow::Cow;

pub use self::elements::Datatype;
pub use self::error::TensorError;

/// A tensor; it has as many elements as its shape says.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its elements, row-major.
    pub data: TensorData<'a>,
    /// The places of byte strings that are null, in order: each is empty in `data`.
    pub nulls: Vec<usize>,
}

/// The elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData<'a> {
    /// Of every type but BYTES.
    Numbers(Vec<f64>),
    /// Of BYTES.
    Strings(Vec<Cow<'a, [u8]>>),
}

impl TensorData<'_> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Strings(strings) => strings.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The JSON part of a body and the binary part behind it; the JSON ends after `json_bytes`, or with
/// the body.
///
/// # Errors
/// A JSON part that is longer than the body.
pub fn split(body: &[u8], json_bytes: Option<usize>) -> Result<(&[u8], &[u8]), TensorError> {
    let length = json_bytes.unwrap_or(body.len());
    body.split_at_checked(length).ok_or(TensorError::HeaderLength { length, body: body.len() })
}
