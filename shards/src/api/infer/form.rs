//! The document of an inference request: tensors as JSON, or as binary data behind it.

use std::io::Write;

use super::error::InferError;
use super::request::InferRequest;
use crate::api::json::{write_error, write_score, write_string};
use crate::api::outcome::RowsSummary;
use crate::api::{failures, request_rows::RequestRows};
use crate::batch::{Lane, Scored};
use crate::tensors::Datatype;
use crate::tensors::elements::push_byte_string;

/// The output that holds the scores.
pub const SCORE: &str = "score";
/// The output that has the provenance of each row's features.
pub const FEATURES: &str = "features";
/// The output that has the version of each row.
pub const MODEL_VERSION: &str = "model_version";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutputKind {
    Score,
    Features,
    Version,
}

#[derive(Debug, Clone, Copy)]
struct Output {
    kind: OutputKind,
    is_binary: bool,
}

/// How the rows of an inference request are written.
#[derive(Debug)]
pub struct InferForm {
    id: Option<String>,
    rows: usize,
    has_provenance: bool,
    outputs: Vec<Output>,
}

impl InferForm {
    /// The outputs of `request`. Unless it chooses, these are the scores, the provenance of rows
    /// whose features a store has and, where two versions score them, the version.
    ///
    /// # Errors
    /// An output that there is not.
    pub fn of(
        request: &InferRequest<'_>,
        rows: usize,
        has_provenance: bool,
        is_divided: bool,
    ) -> Result<Self, InferError> {
        let mut outputs = Vec::with_capacity(3);
        if let Some(chosen) = request.outputs.as_ref().filter(|chosen| !chosen.is_empty()) {
            for output in chosen {
                let kind = match &*output.name {
                    SCORE => OutputKind::Score,
                    FEATURES if has_provenance => OutputKind::Features,
                    MODEL_VERSION => OutputKind::Version,
                    _ => {
                        let output = output.name.clone().into_owned();
                        let expected = "there are `score`, `model_version` and, of rows by \
                            user_id, `features`";
                        return Err(InferError::UnknownOutput { output, expected });
                    }
                };
                // Each is written once, however often it is asked for.
                if !outputs.iter().any(|known: &Output| known.kind == kind) {
                    let is_binary = output.is_binary.unwrap_or(request.is_binary);
                    outputs.push(Output { kind, is_binary });
                }
            }
        } else {
            let is_binary = request.is_binary;
            outputs.push(Output { kind: OutputKind::Score, is_binary });
            if has_provenance {
                outputs.push(Output { kind: OutputKind::Features, is_binary });
            }
            if is_divided {
                outputs.push(Output { kind: OutputKind::Version, is_binary });
            }
        }
        let id = request.id.as_ref().map(|id| id.clone().into_owned());
        Ok(Self { id, rows, has_provenance, outputs })
    }

    /// How much it keeps, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.id.as_ref().map_or(0, String::capacity)
    }

    /// Writes the document. A row without a score fails the request: a tensor has no place for an
    /// error.
    pub(crate) fn write(&self, body: &mut Vec<u8>, rows: &RequestRows) -> RowsSummary {
        let (mut worst, mut defaulted) = (None, 0);
        let mut failed = None;
        for (place, (lane, outcome)) in rows.outcomes().enumerate() {
            match outcome {
                Ok(scored) => {
                    worst = worst.max(Some(scored.status));
                    defaulted = defaulted.max(scored.defaulted);
                }
                Err(failure) => {
                    worst = worst.max(failures::provenance(failure));
                    failed = failed.or(Some((place, lane, failure)));
                }
            }
        }
        let provenance = worst.filter(|_| self.has_provenance);
        if let Some((place, lane, failure)) = failed {
            let message = failures::message(lane, failure);
            write_error(body, &format!("row {place}: {message}"));
            let (failure, version) = (Some(failure), Some(lane.settings.version));
            return RowsSummary { failure, provenance, defaulted: 0, version, json_bytes: None };
        }
        self.write_json(body, rows);
        let is_binary = self.outputs.iter().any(|output| output.is_binary);
        let json_bytes = is_binary.then_some(body.len());
        self.write_binary(body, rows);
        let version = rows.version();
        RowsSummary { failure: None, provenance, defaulted, version, json_bytes }
    }

    fn write_json(&self, body: &mut Vec<u8>, rows: &RequestRows) {
        let settings = &rows.first().0.settings;
        // Writing to a Vec cannot fail, here and below. A model's name needs no escapes.
        let _ = write!(body, "{{\"model_name\": \"{}\", ", settings.model);
        if !rows.is_divided() {
            let _ = write!(body, "\"model_version\": \"{}\", ", settings.version);
        }
        if let Some(id) = &self.id {
            body.extend_from_slice(b"\"id\": ");
            write_string(body, id);
            body.extend_from_slice(b", ");
        }
        body.extend_from_slice(b"\"outputs\": [");
        for (place, output) in self.outputs.iter().enumerate() {
            if place > 0 {
                body.extend_from_slice(b", ");
            }
            self.write_output(body, rows, *output);
        }
        body.extend_from_slice(b"]}");
    }

    fn write_output(&self, body: &mut Vec<u8>, rows: &RequestRows, output: Output) {
        let (name, datatype) = match output.kind {
            OutputKind::Score => (SCORE, score_datatype(rows.score_is_f32())),
            OutputKind::Features => (FEATURES, Datatype::Bytes),
            OutputKind::Version => (MODEL_VERSION, Datatype::Bytes),
        };
        let _ = write!(
            body,
            "{{\"name\": \"{name}\", \"datatype\": \"{}\", \"shape\": [{}, 1], ",
            datatype.as_str(),
            self.rows
        );
        if output.is_binary {
            let size: usize = match (output.kind, datatype) {
                (OutputKind::Features, _) => {
                    scored(rows).map(|(_, scored)| 4 + scored.status.as_str().len()).sum()
                }
                (OutputKind::Version, _) => {
                    scored(rows).map(|(lane, _)| 4 + version_digits(lane)).sum()
                }
                (OutputKind::Score, Datatype::Fp32) => self.rows * size_of::<f32>(),
                (OutputKind::Score, _) => self.rows * size_of::<f64>(),
            };
            let _ = write!(body, "\"parameters\": {{\"binary_data_size\": {size}}}}}");
            return;
        }
        body.extend_from_slice(b"\"data\": [");
        for (place, (lane, scored)) in scored(rows).enumerate() {
            if place > 0 {
                body.extend_from_slice(b", ");
            }
            match output.kind {
                OutputKind::Score => {
                    write_score(body, scored.score, rows.score_is_f32());
                }
                OutputKind::Features => {
                    let _ = write!(body, "\"{}\"", scored.status.as_str());
                }
                OutputKind::Version => {
                    let _ = write!(body, "\"{}\"", lane.settings.version);
                }
            }
        }
        body.extend_from_slice(b"]}");
    }

    fn write_binary(&self, body: &mut Vec<u8>, rows: &RequestRows) {
        let is_f32 = rows.score_is_f32();
        for output in self.outputs.iter().filter(|output| output.is_binary) {
            for (lane, scored) in scored(rows) {
                match output.kind {
                    OutputKind::Features => {
                        push_byte_string(body, scored.status.as_str().as_bytes());
                    }
                    OutputKind::Version => {
                        body.extend_from_slice(&(version_digits(lane) as u32).to_le_bytes());
                        let _ = write!(body, "{}", lane.settings.version);
                    }
                    OutputKind::Score if is_f32 => {
                        body.extend_from_slice(&(scored.score as f32).to_le_bytes());
                    }
                    OutputKind::Score => body.extend_from_slice(&scored.score.to_le_bytes()),
                }
            }
        }
    }
}

/// The type of the scores.
pub(crate) const fn score_datatype(is_f32: bool) -> Datatype {
    if is_f32 { Datatype::Fp32 } else { Datatype::Fp64 }
}

/// The rows that have a score.
fn scored(rows: &RequestRows) -> impl Iterator<Item = (&Lane, Scored)> {
    rows.outcomes().filter_map(|(lane, outcome)| Some((lane, outcome.ok()?)))
}

/// How many bytes a version takes as the protocol spells it: as text.
fn version_digits(lane: &Lane) -> usize {
    lane.settings.version.checked_ilog10().map_or(1, |tens| tens as usize + 1)
}
