//! A request that is not answered yet: what it waits for, and how its answer is written.

use std::fmt::{self, Display, Write};
use std::rc::Rc;

use super::oip::InferForm;
use super::rendered::Sampled;
use super::response::{self, HeadOptions};
use crate::api::desk::AwaitedReply;
use crate::api::request_rows::{Admission, RequestRows};
use crate::batch::{Lane, ROW_BYTES, RowId, RowState, Terms};
use crate::failure::RowFailure;
use crate::http::statuses::status_of;
use crate::origin::Origin;

/// The longest message of an error: some quote what the client sent, which may be long.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Takes a message up to the limit, and stops whoever writes it there.
struct Clipped(String);

impl fmt::Write for Clipped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MESSAGE_BYTES_MAX.saturating_sub(self.0.len());
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

/// A request between its arrival and the rendering of its answer.
pub(crate) struct Exchange {
    answer: Answer,
    /// Whether the connection ends with this answer.
    pub(crate) close: bool,
    /// Whether the client speaks HTTP/1.0.
    pub(crate) is_http_1_0: bool,
    /// Whether the request was HEAD, whose answer has no body.
    pub(crate) head_only: bool,
    /// Where the request comes from; its id is sent back.
    pub(crate) origin: Origin,
    /// When the read that completed the request returned, in ns of the shard's clock.
    pub(crate) started_ns: u64,
}

/// What a request is answered with.
pub(crate) enum Answer {
    /// Known without any batch: a status, header lines, and a body.
    Ready { status: u16, fields: &'static str, body: Vec<u8> },
    /// Made by the process, when it has done what was asked.
    Awaited(AwaitedReply),
    /// To be made of rows, when all are done.
    Rows { rows: RequestRows, form: Form },
}

/// How the outcomes of rows are written.
pub(crate) enum Form {
    /// As one object.
    Lone,
    /// As an array, each member with its own outcome.
    Array,
    /// As tensors of the Open Inference Protocol.
    Tensors(Box<InferForm>),
}

impl Answer {
    /// An error: `{"error": message}`.
    pub(crate) fn error(
        status: u16,
        fields: &'static str,
        message: &(impl Display + ?Sized),
    ) -> Self {
        let mut clipped = Clipped(String::new());
        // An error says only that the message is clipped.
        let _ = write!(clipped, "{message}");
        let mut body = Vec::new();
        response::write_error_body(&mut body, &clipped.0);
        Self::Ready { status, fields, body }
    }

    /// The refusal of a request that was not read any further: it costs less than an answer.
    pub(crate) fn refusal(failure: RowFailure, status: u16) -> Self {
        Self::error(status, response::retry_field(failure), &failure)
    }

    /// Queues the rows of a request that are not done already, and waits for all of them. Where an
    /// answer may be given in part, those that there is no room for are refused; tensors have been
    /// let in as a whole.
    pub(crate) fn queue(rows: RequestRows, form: Form, terms: &Terms, origin: &Origin) -> Self {
        let admission = match form {
            Form::Lone => Admission::Lone,
            Form::Array => Admission::Each,
            Form::Tensors(_) => Admission::Whole,
        };
        rows.queue(admission, terms, origin);
        Self::Rows { rows, form }
    }
}

impl Exchange {
    /// A request with its answer, or with what its answer waits for.
    pub(crate) fn new(answer: Answer, started_ns: u64) -> Self {
        Self {
            answer,
            close: false,
            is_http_1_0: false,
            head_only: false,
            origin: Origin::default(),
            started_ns,
        }
    }

    /// How much it keeps until it has been answered, about, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.answer {
            Answer::Ready { body, .. } => body.capacity(),
            Answer::Awaited(_) => 0,
            Answer::Rows { rows, form } => {
                let form_bytes = match form {
                    Form::Tensors(form) => form.held_bytes(),
                    Form::Lone | Form::Array => 0,
                };
                rows.count() * ROW_BYTES + form_bytes
            }
        }
    }

    /// The lane whose first row answers it, if any do.
    pub(crate) fn lane(&self) -> Option<Rc<Lane>> {
        match &self.answer {
            Answer::Rows { rows, .. } => Some(Rc::clone(rows.first().0)),
            Answer::Ready { .. } | Answer::Awaited(_) => None,
        }
    }

    /// What the access log is to know of it, beside its origin; `with_user` is whether its first
    /// user is named.
    pub(crate) fn sample(&self, with_user: bool) -> Sampled {
        let mut sampled = Sampled { origin: self.origin.clone(), ..Sampled::default() };
        let Answer::Rows { rows, .. } = &self.answer else { return sampled };
        let (lane, first) = rows.first();
        sampled.rows = rows.count() as u32;
        let slots = lane.rows.borrow();
        let row = slots.get(first);
        sampled.batch = row.batch;
        if with_user {
            sampled.user_id.push_str(&row.key);
        }
        sampled
    }

    /// Whether the answer can be rendered.
    pub(crate) fn is_ready(&mut self) -> bool {
        match &mut self.answer {
            Answer::Ready { .. } => true,
            Answer::Awaited(reply) => reply.get().is_some(),
            Answer::Rows { rows, .. } => rows.is_done(),
        }
    }

    /// Appends the answer to `out`; returns its status. `body` is room to work in.
    pub(crate) fn render(&self, out: &mut Vec<u8>, body: &mut Vec<u8>, date: &str) -> u16 {
        let options = HeadOptions {
            date,
            close: self.close,
            is_http_1_0: self.is_http_1_0,
            head_only: self.head_only,
            request_id: &self.origin.request_id,
        };
        body.clear();
        match &self.answer {
            Answer::Ready { status, fields, body } => {
                response::write_answer(out, *status, &[fields], body, options);
                *status
            }
            Answer::Awaited(reply) => {
                // `is_ready` came first, so it is there.
                let made = reply.get().map(|reply| (reply.status, reply.body.as_slice()));
                let (status, body) = made.unwrap_or((500, b"{}"));
                response::write_answer(out, status, &[], body, options);
                status
            }
            Answer::Rows { rows, form } => match form {
                Form::Lone => {
                    let (lane, id) = rows.first();
                    render_row(out, body, lane, id, options)
                }
                Form::Array => render_array(out, body, rows, options),
                Form::Tensors(form) => form.render(out, body, rows, options),
            },
        }
    }
}

/// Writes the answer of a lone row; returns its status.
fn render_row(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    lane: &Lane,
    id: RowId,
    options: HeadOptions<'_>,
) -> u16 {
    let state = lane.rows.borrow().get(id).state;
    let version = lane.version_field.as_str();
    let failure = match state {
        RowState::Done(Ok(scored)) => {
            response::write_scored(body, lane, id, scored);
            let fields = [response::features_field(scored.status), version];
            response::write_answer(out, 200, &fields, body, options);
            return 200;
        }
        RowState::Done(Err(failure)) => failure,
        // `is_ready` came first, so this is a defect; the client is told rather than left waiting.
        RowState::Waiting | RowState::Running | RowState::Abandoned => RowFailure::ModelFailed,
    };
    response::write_error_body(body, &response::failure_message(lane, failure));
    let features = response::failure_features(failure).map_or("", response::features_field);
    let retry = response::retry_field(failure);
    response::write_answer(out, status_of(failure), &[features, version, retry], body, options);
    status_of(failure)
}

/// Writes the answer of an array: 200, each member with its own outcome and, where two versions
/// scored them, its own version.
fn render_array(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    rows: &RequestRows,
    options: HeadOptions<'_>,
) -> u16 {
    body.push(b'[');
    let mut worst = None;
    for (at, (lane, id)) in rows.members().enumerate() {
        if at > 0 {
            body.extend_from_slice(b", ");
        }
        response::write_member(body, lane, id, rows.is_divided());
        worst = worst.max(match lane.rows.borrow().get(id).state {
            RowState::Done(Ok(scored)) => Some(scored.status),
            RowState::Done(Err(failure)) => response::failure_features(failure),
            _ => None,
        });
    }
    body.push(b']');
    let features = worst.map_or("", response::features_field);
    response::write_answer(out, 200, &[features, rows.version_field()], body, options);
    200
}
