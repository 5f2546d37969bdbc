//! The JSON document of `/predict`.

use std::io::Write;

use super::parts::write_parts;
use crate::api::failures;
use crate::api::json::{write_error, write_message, write_score, write_string};
use crate::api::outcome::{RowsSummary, StatusOf};
use crate::api::request_rows::{RequestRows, outcome};
use crate::batch::{Lane, Row, RowId, RowState, Scored};

/// Writes the document of a lone row.
pub(crate) fn write_lone(body: &mut Vec<u8>, rows: &RequestRows) -> RowsSummary {
    let (lane, id) = rows.first();
    let version = Some(lane.settings.version);
    match outcome(lane, id) {
        Ok(scored) => {
            write_scored(body, lane, id, scored);
            RowsSummary {
                failure: None,
                provenance: lane.settings.has_store.then_some(scored.status),
                defaulted: scored.defaulted,
                version,
                json_bytes: None,
            }
        }
        Err(failure) => {
            write_error(body, &failures::message(lane, failure));
            let provenance = failures::provenance(failure);
            let failure = Some(failure);
            RowsSummary { failure, provenance, defaulted: 0, version, json_bytes: None }
        }
    }
}

/// Writes the document of an array: each member with its own outcome and, where two versions scored
/// them, its own version.
pub(crate) fn write_array(
    body: &mut Vec<u8>,
    rows: &RequestRows,
    status_of: StatusOf,
) -> RowsSummary {
    body.push(b'[');
    let (mut worst, mut defaulted) = (None, 0);
    for (at, (lane, id)) in rows.members().enumerate() {
        if at > 0 {
            body.extend_from_slice(b", ");
        }
        write_member(body, lane, id, rows.is_divided(), status_of);
        worst = worst.max(match lane.rows.borrow().get(id).state {
            RowState::Done(Ok(scored)) => {
                defaulted = defaulted.max(scored.defaulted);
                lane.settings.has_store.then_some(scored.status)
            }
            RowState::Done(Err(failure)) => failures::provenance(failure),
            _ => None,
        });
    }
    body.push(b']');
    let (provenance, version) = (worst, rows.version());
    RowsSummary { failure: None, provenance, defaulted, version, json_bytes: None }
}

/// Writes the object of a lone row: `{"user_id": …, "score": …}`, without a user where none is named.
fn write_scored(body: &mut Vec<u8>, lane: &Lane, id: RowId, scored: Scored) {
    write_user_and_score(body, lane, id, scored);
    body.push(b'}');
}

/// Writes the object of one member of an array, with its provenance or status and, where members
/// differ in it, its version.
pub(in crate::api) fn write_member(
    body: &mut Vec<u8>,
    lane: &Lane,
    id: RowId,
    says_version: bool,
    status_of: StatusOf,
) {
    match lane.rows.borrow().get(id).state {
        RowState::Done(Ok(scored)) => {
            write_user_and_score(body, lane, id, scored);
            if lane.settings.has_store {
                body.extend_from_slice(b", \"features\": \"");
                body.extend_from_slice(scored.status.as_str().as_bytes());
                body.push(b'"');
            }
        }
        RowState::Done(Err(failure)) => {
            body.push(b'{');
            write_user(body, lane.rows.borrow().get(id));
            body.extend_from_slice(b"\"error\": ");
            write_message(body, &failures::message(lane, failure));
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
    let rows = lane.rows.borrow();
    let row = rows.get(id);
    body.push(b'{');
    write_user(body, row);
    body.extend_from_slice(b"\"score\": ");
    write_score(body, scored.score, lane.settings.score_is_f32);
    if !lane.settings.answers.are_bare || row.answer.is_asked() {
        write_parts(body, lane, row, scored);
    }
}

/// Writes the member of the user, and the comma behind it, where the request names one.
fn write_user(body: &mut Vec<u8>, row: &Row) {
    if row.key.is_empty() {
        return;
    }
    body.extend_from_slice(b"\"user_id\": ");
    if row.key_is_integer {
        body.extend_from_slice(row.key.as_bytes());
    } else {
        write_string(body, &row.key);
    }
    body.extend_from_slice(b", ");
}
