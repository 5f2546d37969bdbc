//! A batch as an inference request, and the scores in its answer: bytes in, bytes out.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;

use serde::Deserialize;
use thiserror::Error;

use super::settings::{RemoteModel, TensorForm};
use crate::escape;
use crate::features::{Cells, FeatureMatrix};
use crate::model::manifest::{ClassChoice, ScoreOutput};
use crate::origin::TraceFields;
use crate::tensors::wire::WireTensor;
use crate::tensors::{self, Datatype, Tensor, TensorData, TensorError};

/// Why an answer does not hold the scores.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// Its JSON is not that of an answer.
    #[error("the answer's JSON cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A tensor of it cannot be read.
    #[error("the answer: {0}")]
    Tensor(#[from] TensorError),
    /// It says that it answers another request.
    #[error("the answer is to the request `{found}`, and `{sent}` was sent")]
    OtherId {
        /// The id that was sent.
        sent: RequestTag,
        /// The start of the id that came, escaped.
        found: String,
    },
    /// The output is not there, or none of floats is.
    #[error("the answer has no output {expected}; it has: {found}")]
    NoOutput {
        /// What was looked for.
        expected: String,
        /// The names of the outputs that there are, escaped and cut short.
        found: String,
    },
    /// The output has another shape.
    #[error("output `{output}` has the shape {found:?}, expected {expected}")]
    Shape {
        /// The output.
        output: String,
        /// Its shape.
        found: Vec<usize>,
        /// What was expected.
        expected: String,
    },
}

/// How much is shown of a text that the server chose, in bytes.
const SHOWN_BYTES_MAX: usize = 200;

/// The `id` of a request, which its answer repeats: sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTag(pub u64);

impl fmt::Display for RequestTag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// What an answer says of which request it is to, where it does not name another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerTag {
    /// It repeats the request's id.
    Same,
    /// It has no id.
    None,
}

/// What a request says beside its rows.
#[derive(Debug, Clone, Copy)]
pub struct RequestTerms<'a> {
    /// Its id.
    pub tag: RequestTag,
    /// The trace that it belongs to, if to any.
    pub trace: Option<TraceFields<'a>>,
    /// Whether its connection ends with the answer.
    pub close: bool,
}

/// Replaces `out` by the HTTP request that asks for the scores of `features`.
///
/// The trace goes on with its `tracestate`: unchanged, as W3C Trace Context has it of a service that
/// records no span of its own, or below the span of a request that is recorded. One request carries a
/// batch, and a field one trace: that of the batch's first row that has one.
pub fn write_request(
    out: &mut Vec<u8>,
    model: &RemoteModel,
    terms: RequestTerms<'_>,
    features: &FeatureMatrix,
) {
    let is_binary = model.settings.tensors == TensorForm::Binary;
    let json = request_json(model, terms.tag, features);
    let elements_bytes = if is_binary { size_of_val_cells(features.cells()) } else { 0 };
    out.clear();
    // Writing to a Vec cannot fail, here and below.
    let _ = write!(
        out,
        "POST {}/infer HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n",
        model.url.path,
        model.url.authority(),
        json.len() + elements_bytes
    );
    if terms.close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    if let Some(trace) = terms.trace {
        if let Some(state) = trace.state {
            out.extend_from_slice(b"tracestate: ");
            out.extend_from_slice(state.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"traceparent: ");
        trace.parent.write(out);
        out.extend_from_slice(b"\r\n");
    }
    if is_binary {
        let _ = write!(
            out,
            "content-type: application/octet-stream\r\ninference-header-content-length: {}\r\n\r\n",
            json.len()
        );
    } else {
        out.extend_from_slice(b"content-type: application/json\r\n\r\n");
    }
    out.extend_from_slice(&json);
    if is_binary {
        match features.cells() {
            Cells::F32(cells) => cells.iter().for_each(|cell| out.extend(cell.to_le_bytes())),
            Cells::F64(cells) => cells.iter().for_each(|cell| out.extend(cell.to_le_bytes())),
        }
    }
}

fn size_of_val_cells(cells: Cells<'_>) -> usize {
    match cells {
        Cells::F32(cells) => size_of_val(cells),
        Cells::F64(cells) => size_of_val(cells),
    }
}

fn request_json(model: &RemoteModel, tag: RequestTag, features: &FeatureMatrix) -> Vec<u8> {
    let mut json = Vec::with_capacity(256);
    let is_binary = model.settings.tensors == TensorForm::Binary;
    let _ = write!(json, "{{\"id\": \"{tag}\", \"inputs\": [{{\"name\": ");
    write_string(&mut json, &model.settings.input);
    let datatype = match features.cells() {
        Cells::F32(_) => Datatype::Fp32,
        Cells::F64(_) => Datatype::Fp64,
    };
    let (rows, columns) = (features.rows(), features.columns());
    let _ =
        write!(json, ", \"shape\": [{rows}, {columns}], \"datatype\": \"{}\", ", datatype.as_str());
    if is_binary {
        let bytes = size_of_val_cells(features.cells());
        let _ = write!(json, "\"parameters\": {{\"binary_data_size\": {bytes}}}}}]");
    } else {
        json.extend_from_slice(b"\"data\": ");
        // What is not finite becomes null.
        let _ = match features.cells() {
            Cells::F32(cells) => serde_json::to_writer(&mut json, cells),
            Cells::F64(cells) => serde_json::to_writer(&mut json, cells),
        };
        json.extend_from_slice(b"}]");
    }
    if let Some(output) = &model.output.tensor {
        json.extend_from_slice(b", \"outputs\": [{\"name\": ");
        write_string(&mut json, output);
        if is_binary {
            json.extend_from_slice(b", \"parameters\": {\"binary_data\": true}");
        }
        json.extend_from_slice(b"}]");
    } else if is_binary {
        json.extend_from_slice(b", \"parameters\": {\"binary_data_output\": true}");
    }
    json.push(b'}');
    json
}

fn write_string(json: &mut Vec<u8>, text: &str) {
    // A str always serialises.
    let _ = serde_json::to_writer(json, text);
}

#[derive(Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    outputs: Vec<WireTensor<'a>>,
}

/// Replaces `scores` by those of the `rows` rows in the body of the answer to `sent`. Its JSON ends
/// after `json_bytes` if binary tensors follow it.
///
/// # Errors
/// An answer to another request, or one that does not hold one score for each row; `scores` is empty
/// then.
pub fn read_scores(
    body: &[u8],
    json_bytes: Option<usize>,
    sent: RequestTag,
    rows: usize,
    wanted: &ScoreOutput,
    scores: &mut Vec<f64>,
) -> Result<AnswerTag, AnswerError> {
    scores.clear();
    let (json, mut binary) = tensors::split(body, json_bytes)?;
    let answer: WireAnswer<'_> = serde_json::from_slice(json)?;
    // Before anything else of it is looked at: another request may have had other rows.
    let tag = match answer.id {
        None => AnswerTag::None,
        Some(id) if id == sent.to_string() => AnswerTag::Same,
        Some(id) => {
            let found = escape::excerpt(id.as_bytes(), SHOWN_BYTES_MAX);
            return Err(AnswerError::OtherId { sent, found });
        }
    };
    let mut outputs = Vec::with_capacity(answer.outputs.len());
    for output in answer.outputs {
        outputs.push(output.finish(&mut binary)?);
    }
    let is_wanted = |output: &&Tensor<'_>| match &wanted.tensor {
        Some(name) => output.name == *name,
        None => matches!(output.datatype, Datatype::Fp32 | Datatype::Fp64),
    };
    match outputs.iter().find(is_wanted) {
        Some(Tensor { name, shape, data: TensorData::Numbers(numbers), .. }) => {
            let (width, at) = place(name, shape, rows, wanted.class.as_ref())?;
            scores.extend(numbers.iter().skip(at).step_by(width));
            Ok(tag)
        }
        _ => Err(AnswerError::NoOutput {
            expected: wanted.tensor.clone().unwrap_or_else(|| "of floats".to_owned()),
            found: escape::excerpt(names(&outputs).as_bytes(), SHOWN_BYTES_MAX),
        }),
    }
}

fn names(outputs: &[Tensor<'_>]) -> String {
    outputs.iter().map(|output| &*output.name).collect::<Vec<_>>().join(", ")
}

/// How many numbers a row of the output has, and which of them is the score.
fn place(
    output: &str,
    shape: &[usize],
    rows: usize,
    class: Option<&ClassChoice>,
) -> Result<(usize, usize), AnswerError> {
    let width = match shape {
        [found] if *found == rows => 1,
        [found, width] if *found == rows => *width,
        _ => 0,
    };
    let at = match (class, width) {
        (Some(ClassChoice::Index(at)), _) => *at,
        (_, 1) => 0,
        // Which of two it is nobody knows here: they may be targets, and classes in any order.
        _ => width,
    };
    if at < width {
        return Ok((width, at));
    }
    let expected = match class {
        Some(ClassChoice::Index(at)) => format!("[{rows}, more than {at}]"),
        _ => format!("[{rows}, 1], or `output.class` in model.toml"),
    };
    let output = escape::excerpt(output.as_bytes(), SHOWN_BYTES_MAX);
    Err(AnswerError::Shape { output, found: shape.to_vec(), expected })
}

#[cfg(test)]
mod tests;
