//! What a message is answered with: a message that is there, or one that is made of rows when they
//! are done.

use prost::Message;
use serde_json::Value;

use super::messages::inference::ModelStreamInferResponse;
use super::messages::prediction::{Failure, PredictResponse};
use super::method::Method;
use super::status::{Code, Status};
use super::{documents, framing, health, predict, tensors};
use crate::api::admin_queue::AwaitedAdminReply;
use crate::api::request_rows::RequestRows;
use crate::api::{AdminReplyKind, Form, Outcome, RowsSummary};
use crate::batch::ROW_BYTES;

/// The message of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scores {
    /// `ModelInferResponse`, in a stream within `ModelStreamInferResponse`.
    Tensors { in_stream: bool },
    /// `PredictResponse`.
    Row { in_stream: bool },
}

/// What a message is answered with.
pub(crate) enum Reply {
    /// A message that is there.
    Message(Vec<u8>),
    /// A status, and the message that has it where it doesn't end the stream.
    Failed(Status, Option<Scores>),
    /// The process answers.
    Awaited(AwaitedAdminReply, Method),
    /// Rows, when all are done.
    Rows { rows: RequestRows, form: Form, scores: Scores },
}

/// A reply that was written.
pub(crate) struct WrittenReply {
    /// The code that it has: in a stream its failure is said in its message.
    pub(crate) code: Code,
    /// What is said of its rows beside it.
    pub(crate) summary: Option<RowsSummary>,
}

impl Reply {
    /// The status of a service that is watched, by its number.
    pub(crate) fn of_watched(status: i32) -> Self {
        Self::Message(health::message(status))
    }

    /// The outcome of a call for scores.
    pub(super) fn of_scores(outcome: Outcome, scores: Scores) -> Self {
        match outcome {
            Outcome::Rows { rows, form } => Self::Rows { rows, form, scores },
            outcome => Self::Failed(status_of(outcome), Some(scores)),
        }
    }

    /// The outcome of a call of the model repository.
    pub(super) fn of_repository(outcome: Outcome, method: Method) -> Self {
        match outcome {
            Outcome::Awaited(reply) => Self::Awaited(reply, method),
            outcome => Self::of_other(outcome),
        }
    }

    /// An outcome that is no message.
    pub(super) fn of_other(outcome: Outcome) -> Self {
        Self::Failed(status_of(outcome), None)
    }

    /// Its rows, if it has any.
    pub(crate) fn rows(&self) -> Option<&RequestRows> {
        match self {
            Self::Rows { rows, .. } => Some(rows),
            _ => None,
        }
    }

    /// How much it keeps until it is written, about, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Message(message) => message.capacity(),
            Self::Failed(status, _) => status.message.capacity(),
            Self::Awaited(..) => 0,
            Self::Rows { rows, form, .. } => rows.count() * ROW_BYTES + form.held_bytes(),
        }
    }

    /// Whether it can be written.
    pub(crate) fn is_ready(&mut self) -> bool {
        match self {
            Self::Message(_) | Self::Failed(..) => true,
            Self::Awaited(reply, _) => reply.get().is_some(),
            Self::Rows { rows, .. } => rows.is_done(),
        }
    }

    /// Appends its message behind a prefix. A status is given back where it ends the stream; nothing
    /// is appended then.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
    ) -> Result<WrittenReply, Box<(Status, WrittenReply)>> {
        match self {
            Self::Message(message) => {
                framing::frame(out, |out| out.extend_from_slice(message));
                Ok(WrittenReply { code: Code::Ok, summary: None })
            }
            Self::Failed(status, scores) => fail(out, status.clone(), *scores, None),
            Self::Awaited(reply, method) => {
                let Some(reply) = reply.get() else {
                    let status = Status::new(Code::Internal, "the process has not answered");
                    return fail(out, status, None, None);
                };
                let document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                if reply.kind == AdminReplyKind::Done {
                    let message = documents::message(*method, &document);
                    framing::frame(out, |out| out.extend_from_slice(&message));
                    return Ok(WrittenReply { code: Code::Ok, summary: None });
                }
                let message = document["error"].as_str().unwrap_or_default().to_owned();
                fail(out, Status::of_reply(reply.kind, message), None, None)
            }
            Self::Rows { rows, form, scores } => {
                let at = out.len();
                let (summary, status) = framing::frame(out, |out| match (form, scores) {
                    (Form::Tensors(form), Scores::Tensors { in_stream }) => {
                        tensors::write(out, form, rows, *in_stream)
                    }
                    _ => predict::write(out, rows),
                });
                match status {
                    None => Ok(WrittenReply { code: Code::Ok, summary: Some(summary) }),
                    Some(status) => {
                        out.truncate(at);
                        fail(out, status, Some(*scores), Some(summary))
                    }
                }
            }
        }
    }
}

/// Writes a failure into a message where a stream goes on after it.
fn fail(
    out: &mut Vec<u8>,
    status: Status,
    scores: Option<Scores>,
    summary: Option<RowsSummary>,
) -> Result<WrittenReply, Box<(Status, WrittenReply)>> {
    let written = WrittenReply { code: status.code, summary };
    // Writing to a Vec cannot fail.
    match scores {
        Some(Scores::Tensors { in_stream: true }) => {
            let message =
                ModelStreamInferResponse { error_message: status.message, infer_response: None };
            framing::frame(out, |out| message.encode(out)).ok();
            Ok(written)
        }
        Some(Scores::Row { in_stream: true }) => {
            let failure = Failure {
                code: status.code as i32,
                message: status.message,
                retry_after_ms: status.retry_ms,
            };
            let message = PredictResponse { failure: Some(failure), ..PredictResponse::default() };
            framing::frame(out, |out| message.encode(out)).ok();
            Ok(written)
        }
        _ => Err(Box::new((status, written))),
    }
}

/// The status of an outcome that is no message.
fn status_of(outcome: Outcome) -> Status {
    match outcome {
        Outcome::Fault { kind, message } => Status::of_fault(kind, message),
        Outcome::Refused(failure) => Status::of_row(failure, failure.to_string()),
        Outcome::NotReady(_) => Status::new(Code::Unavailable, "it takes no requests now"),
        Outcome::Document(_) | Outcome::Text(_) | Outcome::Awaited(_) | Outcome::Rows { .. } => {
            Status::new(Code::Internal, "the call has an outcome that the method does not")
        }
    }
}
