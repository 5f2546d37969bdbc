//! Answers as bytes.

use std::io::Write;

use crate::batch::{Lane, RowId, RowState, Scored};
use crate::escape::escaped;
use crate::failure::{Refusal, RowFailure};
use crate::http::statuses::status_of;
use crate::http1::phrase;
use crate::origin::RequestId;
use crate::provenance::FeatureStatus;

/// What every answer's head says apart from its status and body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadOptions<'a> {
    /// The `Date` field's value.
    pub(crate) date: &'a str,
    /// Whether the connection ends with this answer.
    pub(crate) close: bool,
    /// Whether the client speaks HTTP/1.0 and has to be told that the connection persists.
    pub(crate) is_http_1_0: bool,
    /// Whether the body is left out, as in the answer to HEAD.
    pub(crate) head_only: bool,
    /// The request's id, if it has one.
    pub(crate) request_id: &'a RequestId,
}

/// What the client is told to do before it sends the body it announced.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Writes a head and a JSON body; `fields` are further header lines, each with its CRLF.
pub(crate) fn write_answer(
    out: &mut Vec<u8>,
    status: u16,
    fields: &[&str],
    body: &[u8],
    options: HeadOptions<'_>,
) {
    const JSON: &str = "content-type: application/json\r\n";
    write_answer_of(JSON, out, status, fields, body, options);
}

/// [`write_answer`] for a body of any type; `content_type` is its header line.
pub(crate) fn write_answer_of(
    content_type: &str,
    out: &mut Vec<u8>,
    status: u16,
    fields: &[&str],
    body: &[u8],
    options: HeadOptions<'_>,
) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        // Writing to a Vec cannot fail, here and below.
        let _ = write!(out, "HTTP/1.1 {status} {}\r\n", phrase(status));
    }
    out.extend_from_slice(content_type.as_bytes());
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    out.extend_from_slice(b"\r\ndate: ");
    out.extend_from_slice(options.date.as_bytes());
    out.extend_from_slice(b"\r\n");
    for field in fields {
        out.extend_from_slice(field.as_bytes());
    }
    if !options.request_id.is_none() {
        out.extend_from_slice(b"x-request-id: ");
        options.request_id.write(out);
        out.extend_from_slice(b"\r\n");
    }
    if options.close {
        out.extend_from_slice(b"connection: close\r\n");
    } else if options.is_http_1_0 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !options.head_only {
        out.extend_from_slice(body);
    }
}

/// Writes `{"error": "…"}`.
pub(crate) fn write_error_body(body: &mut Vec<u8>, message: &str) {
    body.extend_from_slice(b"{\"error\": ");
    write_message(body, message);
    body.push(b'}');
}

/// Writes a message, with all that is active in it escaped: a client may show it as it is, and JSON
/// alone leaves half of the control characters in it.
fn write_message(body: &mut Vec<u8>, message: &str) {
    write_json_string(body, &escaped(message));
}

/// The `x-features` header line of a status.
pub(crate) const fn features_field(status: FeatureStatus) -> &'static str {
    match status {
        FeatureStatus::Stored => "x-features: stored\r\n",
        FeatureStatus::Cached => "x-features: cached\r\n",
        FeatureStatus::Stale => "x-features: stale\r\n",
        FeatureStatus::Expired => "x-features: expired\r\n",
        FeatureStatus::Missing => "x-features: missing\r\n",
        FeatureStatus::Error => "x-features: error\r\n",
    }
}

/// The header line that says when to come back, in seconds.
pub(crate) const RETRY: &str = "retry-after: 1\r\n";

/// The header line that says when to come back after a failure, if that helps.
pub(crate) const fn retry_field(failure: RowFailure) -> &'static str {
    match failure {
        RowFailure::Overloaded => RETRY,
        _ => "",
    }
}

/// What the features of a failed row stood on, where its failure is about them.
pub(crate) const fn failure_features(failure: RowFailure) -> Option<FeatureStatus> {
    match failure {
        RowFailure::Refused(Refusal::UnknownUser) => Some(FeatureStatus::Missing),
        RowFailure::Refused(Refusal::StoreUnavailable | Refusal::StoreUnfit) => {
            Some(FeatureStatus::Error)
        }
        RowFailure::Refused(Refusal::Expired) => Some(FeatureStatus::Expired),
        _ => None,
    }
}

/// Writes a failure's message, naming the request field where the failure is about one.
pub(crate) fn failure_message(lane: &Lane, failure: RowFailure) -> String {
    match failure {
        RowFailure::Field { index } => {
            let field = lane.settings.request_fields.get(index);
            let name = field.map_or("?", |field| field.name.as_str());
            if field.is_some_and(|field| field.column_type.is_text()) {
                return format!("`{name}` must be a text");
            }
            format!("`{name}` must be a number within the range that the model allows")
        }
        RowFailure::Refused(Refusal::RequestFieldRequired { column }) => {
            format!("`{}` is missing, and is required", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::RequestUnknownText { column }) => {
            format!("`{}` is a text that the model does not know", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::StoredUnknownText { column }) => format!(
            "the user's stored `{}` is a text that the model does not know",
            lane.column_name(column)
        ),
        RowFailure::Refused(Refusal::RequestFieldMissing { column }) => {
            format!("`{}` is missing, and the model needs it", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::RequestOutOfRange { column }) => {
            format!("`{}` is outside of the range that the model allows", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::RequestNotOfType { column, expected }) => {
            format!("`{}` is not of type {expected}", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::StoredNotANumber { column }) => {
            format!("the user's stored `{}` is not a number", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::RequestNotInteger { column }) => format!(
            "`{}` must be a whole number that the model's tensor holds, at most 2^53 - 1",
            lane.column_name(column)
        ),
        RowFailure::Refused(Refusal::StoredNotInteger { column }) => format!(
            "the user's stored `{}` is no whole number that the model's tensor holds, at most \
             2^53 - 1",
            lane.column_name(column)
        ),
        RowFailure::Refused(Refusal::StoreUnfit) => {
            lane.unfit().map_or_else(|| failure.to_string(), |reason| reason.to_string())
        }
        other => other.to_string(),
    }
}

/// Writes the object that answers one row of a lone request: `{"user_id": …, "score": …}`.
pub(crate) fn write_scored(body: &mut Vec<u8>, lane: &Lane, id: RowId, scored: Scored) {
    write_user_and_score(body, lane, id, scored);
    body.push(b'}');
}

/// Writes the object that answers one member of an array, its status and, where not all members
/// have the same, the version that it is of.
pub(crate) fn write_member(body: &mut Vec<u8>, lane: &Lane, id: RowId, says_version: bool) {
    match lane.rows.borrow().get(id).state {
        RowState::Done(Ok(scored)) => {
            write_user_and_score(body, lane, id, scored);
            body.extend_from_slice(b", \"features\": \"");
            body.extend_from_slice(scored.status.as_str().as_bytes());
            body.push(b'"');
        }
        RowState::Done(Err(failure)) => {
            body.push(b'{');
            if !lane.rows.borrow().get(id).key.is_empty() {
                write_user(body, lane, id);
                body.extend_from_slice(b", ");
            }
            body.extend_from_slice(b"\"error\": ");
            write_message(body, &failure_message(lane, failure));
            let _ = write!(body, ", \"status\": {}", status_of(failure));
        }
        RowState::Waiting | RowState::Running | RowState::Abandoned => {
            body.extend_from_slice(b"null");
            return;
        }
    }
    if says_version {
        let _ = write!(body, ", \"model_version\": {}", lane.settings.version);
    }
    body.push(b'}');
}

fn write_user_and_score(body: &mut Vec<u8>, lane: &Lane, id: RowId, scored: Scored) {
    body.push(b'{');
    write_user(body, lane, id);
    body.extend_from_slice(b", \"score\": ");
    write_score(body, scored.score, lane.settings.score_is_f32);
}

/// Writes the shortest digits that give the same float back: of an f32's score as an f32.
pub(crate) fn write_score(body: &mut Vec<u8>, score: f64, is_f32: bool) {
    let _ = if is_f32 {
        serde_json::to_writer(&mut *body, &(score as f32))
    } else {
        serde_json::to_writer(&mut *body, &score)
    };
}

fn write_user(body: &mut Vec<u8>, lane: &Lane, id: RowId) {
    let rows = lane.rows.borrow();
    let row = rows.get(id);
    body.extend_from_slice(b"\"user_id\": ");
    if row.key_is_integer {
        body.extend_from_slice(row.key.as_bytes());
    } else {
        write_json_string(body, &row.key);
    }
}

pub(crate) fn write_json_string(body: &mut Vec<u8>, text: &str) {
    // A str always serialises, and a Vec takes every write.
    let _ = serde_json::to_writer(body, text);
}
