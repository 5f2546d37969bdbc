//! An inference request: its JSON, and the binary tensors behind it.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

use super::error::InferError;
use super::rows::USER_ID;
use crate::tensors::wire::{WireTensor, null_is_none_given};
use crate::tensors::{self, Tensor, TensorError};

/// An inference request.
#[derive(Debug, Clone, PartialEq)]
pub struct InferRequest<'a> {
    /// The id that the document repeats.
    pub id: Option<Cow<'a, str>>,
    /// The tensors.
    pub inputs: Vec<Tensor<'a>>,
    /// The outputs, where the client chose.
    pub outputs: Option<Vec<InferOutput<'a>>>,
    /// Whether outputs are binary unless they say otherwise.
    pub is_binary: bool,
    /// Triton's `timeout`: how long the response is worth having, in µs.
    pub timeout_us: Option<u64>,
}

/// An output that the request chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferOutput<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Whether it is binary, where the request says.
    pub is_binary: Option<bool>,
}

/// Reads a body, whose JSON ends after `json_bytes` if binary tensors follow it.
///
/// # Errors
/// A fault of the request by itself; [`ParsedInfer`](super::rows::ParsedInfer) holds it to a model.
pub fn parse(body: &[u8], json_bytes: Option<usize>) -> Result<InferRequest<'_>, InferError> {
    parse_with_keys(body, json_bytes, |name| name == USER_ID)
}

/// [`parse`] for a model whose keys are the tensors that `is_key` holds for.
///
/// # Errors
/// As [`parse`].
pub fn parse_with_keys(
    body: &[u8],
    json_bytes: Option<usize>,
    is_key: impl Fn(&str) -> bool,
) -> Result<InferRequest<'_>, InferError> {
    let (json, mut binary) = tensors::split(body, json_bytes)?;
    // From bytes, serde_json would not look at the strings that it skips (RFC 8259 section 8.1).
    let json = std::str::from_utf8(json).map_err(|_| InferError::NotUtf8)?;
    let wire: WireRequest<'_> = serde_json::from_str(json)?;
    let mut inputs = Vec::with_capacity(wire.inputs.len());
    for input in wire.inputs {
        let is_keys = is_key(input.name());
        let finished =
            if is_keys { input.finish_keys(&mut binary) } else { input.finish(&mut binary) };
        inputs.push(finished?);
    }
    if !binary.is_empty() {
        return Err(TensorError::BinaryLeft(binary.len()).into());
    }
    let outputs = wire.outputs.map(|outputs| outputs.into_iter().map(finish_output).collect());
    Ok(InferRequest {
        id: wire.id,
        inputs,
        outputs: outputs.transpose()?,
        is_binary: wire.parameters.binary_data_output.unwrap_or(false),
        timeout_us: wire.parameters.timeout,
    })
}

/// How many rows a body says that it has, by the first `shape` near its start, without reading
/// the rest; `None` where there is none.
pub fn rows_at_a_glance(body: &[u8]) -> Option<usize> {
    const GLANCE_BYTES: usize = 1_024;
    const NAME: &[u8] = b"\"shape\"";
    let start = &body[..body.len().min(GLANCE_BYTES)];
    // Within a string its quotes would be escaped: these are a name's, or a string's of their own.
    let at = memmem::find(start, NAME)? + NAME.len();
    let value = start[at..].trim_ascii_start().strip_prefix(b":")?;
    let list = value.trim_ascii_start().strip_prefix(b"[")?.trim_ascii_start();
    let digits = list.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = list[digits..].trim_ascii_start().first()?;
    let rows = std::str::from_utf8(&list[..digits]).ok()?.parse().ok()?;
    matches!(end, b',' | b']').then_some(rows)
}

fn finish_output(wire: WireOutput<'_>) -> Result<InferOutput<'_>, InferError> {
    if wire.parameters.classification.unwrap_or(0) > 0 {
        return Err(InferError::Classification(wire.name.into_owned()));
    }
    Ok(InferOutput { name: wire.name, is_binary: wire.parameters.binary_data })
}

// ---- as it is in JSON; what is not named here is ignored ----------------------------------

#[derive(Deserialize)]
struct WireRequest<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inputs: Vec<WireTensor<'a>>,
    #[serde(borrow, default)]
    outputs: Option<Vec<WireOutput<'a>>>,
    #[serde(default, deserialize_with = "null_is_none_given")]
    parameters: RequestParameters,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestParameters {
    binary_data_output: Option<bool>,
    timeout: Option<u64>,
}

#[derive(Deserialize)]
struct WireOutput<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, deserialize_with = "null_is_none_given")]
    parameters: OutputParameters,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputParameters {
    binary_data: Option<bool>,
    classification: Option<u64>,
}
