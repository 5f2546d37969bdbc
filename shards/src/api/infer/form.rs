//! The document of an inference request: tensors as JSON, or as binary data behind it.

use std::io::Write;

use super::error::InferError;
use super::outputs::{OutputElement, OutputKind};
use super::request::InferRequest;
use crate::api::json::{write_error, write_score, write_string};
use crate::api::outcome::{RowsSummary, WorstOfRows};
use crate::api::{failures, request_rows::RequestRows};
use crate::batch::{LaneSettings, RowState};
use crate::model::answer::Wants;
use crate::tensors::Datatype;
use crate::tensors::elements::push_byte_string;

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
    /// whose features a store has, what `model.toml` says that every answer has and, where two
    /// versions score the rows, the version.
    ///
    /// # Errors
    /// An output that there is not.
    pub fn of(
        request: &InferRequest<'_>,
        rows: usize,
        settings: &LaneSettings,
        has_provenance: bool,
        is_divided: bool,
    ) -> Result<Self, InferError> {
        let is_binary = request.is_binary;
        let mut outputs: Vec<Output> = Vec::with_capacity(3);
        if let Some(chosen) = request.outputs.as_ref().filter(|chosen| !chosen.is_empty()) {
            for output in chosen {
                let known = OutputKind::of(settings, has_provenance);
                let Some(kind) = known.into_iter().find(|kind| kind.name() == output.name) else {
                    let known = OutputKind::of(settings, has_provenance).map(OutputKind::name);
                    let known = known.collect::<Vec<_>>().join("`, `");
                    let output = output.name.clone().into_owned();
                    return Err(InferError::UnknownOutput { output, known });
                };
                // Each is written once, however often it is asked for.
                if !outputs.iter().any(|known| known.kind == kind) {
                    outputs.push(Output { kind, is_binary: output.is_binary.unwrap_or(is_binary) });
                }
            }
        } else {
            let given = OutputKind::of(settings, has_provenance)
                .filter(|kind| kind.is_given(settings, is_divided));
            outputs.extend(given.map(|kind| Output { kind, is_binary }));
        }
        let id = request.id.as_ref().map(|id| id.clone().into_owned());
        Ok(Self { id, rows, has_provenance, outputs })
    }

    /// What each row is asked for.
    pub(super) fn wants(&self) -> Wants {
        self.outputs.iter().fold(Wants::default(), |wants, output| output.kind.wants(wants))
    }

    /// The first output that rows of these two versions do not have alike.
    pub(super) fn differs(
        &self,
        stable: &LaneSettings,
        canary: &LaneSettings,
    ) -> Option<&'static str> {
        let is_alike = |kind: OutputKind| {
            let is_there = OutputKind::of(canary, self.has_provenance).any(|known| known == kind);
            let is_by_label = kind == OutputKind::Probabilities;
            is_there
                && kind.axes(stable).eq(kind.axes(canary))
                && (!is_by_label || stable.answers.labels == canary.answers.labels)
        };
        self.outputs
            .iter()
            .map(|output| output.kind)
            .find(|kind| !is_alike(*kind))
            .map(OutputKind::name)
    }

    /// How much it keeps, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.id.as_ref().map_or(0, String::capacity)
    }

    /// The id that the document repeats.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The outputs, and whether each is to be binary.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = (OutputKind, bool)> {
        self.outputs.iter().map(|output| (output.kind, output.is_binary))
    }

    /// What a front says of the rows beside their outputs and, where a row without a score fails the
    /// request, the message for its client: a tensor has no place for an error.
    pub(crate) fn summary(&self, rows: &RequestRows) -> (RowsSummary, Option<String>) {
        let (mut worst, mut defaulted) = (None, 0);
        let (mut failed, mut statuses) = (None, WorstOfRows::new(rows));
        for (place, (lane, outcome)) in rows.outcomes().enumerate() {
            match outcome {
                Ok(scored) => {
                    worst = worst.max(Some(scored.status));
                    defaulted = defaulted.max(scored.defaulted);
                    statuses.add(lane, scored.statuses);
                }
                Err(failure) => {
                    statuses.add(lane, failures::statuses(lane, failure));
                    worst = worst.max(failures::provenance(failure));
                    failed = failed.or(Some((place, lane, failure)));
                }
            }
        }
        let provenance = worst.filter(|_| self.has_provenance);
        let mut summary = RowsSummary {
            failure: None,
            provenance,
            statuses: statuses.get(),
            defaulted,
            version: rows.version(),
            json_bytes: None,
        };
        let message = failed.map(|(place, lane, failure)| {
            summary.failure = Some(failure);
            summary.defaulted = 0;
            summary.version = Some(lane.settings.version);
            format!("row {place}: {}", failures::message(lane, failure))
        });
        (summary, message)
    }

    /// Writes the document.
    pub(crate) fn write(&self, body: &mut Vec<u8>, rows: &RequestRows) -> RowsSummary {
        let (mut summary, message) = self.summary(rows);
        if let Some(message) = message {
            write_error(body, &message);
            return summary;
        }
        self.write_json(body, rows);
        let is_binary = self.outputs.iter().any(|output| output.is_binary);
        summary.json_bytes = is_binary.then_some(body.len());
        self.write_binary(body, rows);
        summary
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
        let is_f32 = rows.score_is_f32();
        let (kind, datatype) = (output.kind, output.kind.datatype(is_f32));
        let settings = &rows.first().0.settings;
        let width = kind.width(settings);
        let _ = write!(
            body,
            "{{\"name\": \"{}\", \"datatype\": \"{}\", \"shape\": [{}",
            kind.name(),
            datatype.as_str(),
            self.rows
        );
        for size in kind.axes(settings) {
            let _ = write!(body, ", {size}");
        }
        body.extend_from_slice(b"], ");
        if output.is_binary {
            let size = match datatype {
                Datatype::Fp32 => self.rows * width * size_of::<f32>(),
                Datatype::Bytes => {
                    let mut bytes = 0;
                    visit(rows, kind, |element| {
                        if let OutputElement::Text(text) = element {
                            bytes += 4 + text.len();
                        }
                    });
                    bytes
                }
                _ => self.rows * width * size_of::<f64>(),
            };
            let _ = write!(body, "\"parameters\": {{\"binary_data_size\": {size}}}}}");
            return;
        }
        body.extend_from_slice(b"\"data\": [");
        let mut is_first = true;
        visit(rows, kind, |element| {
            if !std::mem::take(&mut is_first) {
                body.extend_from_slice(b", ");
            }
            match element {
                OutputElement::Text(text) => write_string(body, &text),
                OutputElement::Number(number) => {
                    write_score(body, number, datatype == Datatype::Fp32);
                }
            }
        });
        body.extend_from_slice(b"]}");
    }

    fn write_binary(&self, body: &mut Vec<u8>, rows: &RequestRows) {
        for output in self.outputs.iter().filter(|output| output.is_binary) {
            write_raw(body, rows, output.kind);
        }
    }
}

/// Appends the elements of an output as the binary-tensor extension lays them out.
pub(crate) fn write_raw(body: &mut Vec<u8>, rows: &RequestRows, kind: OutputKind) {
    let is_narrow = kind.datatype(rows.score_is_f32()) == Datatype::Fp32;
    visit(rows, kind, |element| match element {
        OutputElement::Text(text) => push_byte_string(body, text.as_bytes()),
        OutputElement::Number(number) if is_narrow => {
            body.extend_from_slice(&(number as f32).to_le_bytes());
        }
        OutputElement::Number(number) => body.extend_from_slice(&number.to_le_bytes()),
    });
}

/// Calls `each` with the elements of an output, row by row.
pub(crate) fn visit(rows: &RequestRows, kind: OutputKind, mut each: impl FnMut(OutputElement<'_>)) {
    for (lane, id) in rows.members() {
        let slots = lane.rows.borrow();
        let row = slots.get(id);
        if let RowState::Done(Ok(scored)) = row.state {
            kind.visit(lane, row, scored, &mut each);
        }
    }
}
