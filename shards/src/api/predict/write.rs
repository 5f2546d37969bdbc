//! The JSON document of `/predict`.

use std::io::Write;

use super::parts::write_parts;
use crate::api::failures;
use crate::api::json::{write_error, write_message, write_score, write_string};
use crate::api::outcome::{RowsSummary, StatusOf, WorstOfRows};
use crate::api::request_rows::{RequestRows, outcome};
use crate::batch::{Lane, Row, RowId, RowState, Scored};
use crate::features::GivenAs;
use crate::features::entities::USER_ID;

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
                statuses: scored.statuses,
                defaulted: scored.defaulted,
                version,
                json_bytes: None,
            }
        }
        Err(failure) => {
            write_error(body, &failures::message(lane, failure));
            let provenance = failures::provenance(failure);
            let statuses = failures::statuses(lane, failure);
            let failure = Some(failure);
            RowsSummary { failure, provenance, statuses, defaulted: 0, version, json_bytes: None }
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
    let mut statuses = WorstOfRows::new(rows);
    for (at, (lane, id)) in rows.members().enumerate() {
        if at > 0 {
            body.extend_from_slice(b", ");
        }
        write_member(body, lane, id, rows.is_divided(), status_of);
        worst = worst.max(match lane.rows.borrow().get(id).state {
            RowState::Done(Ok(scored)) => {
                defaulted = defaulted.max(scored.defaulted);
                statuses.add(lane, scored.statuses);
                lane.settings.has_store.then_some(scored.status)
            }
            RowState::Done(Err(failure)) => {
                statuses.add(lane, failures::statuses(lane, failure));
                failures::provenance(failure)
            }
            _ => None,
        });
    }
    body.push(b']');
    let (provenance, version, statuses) = (worst, rows.version(), statuses.get());
    RowsSummary { failure: None, provenance, statuses, defaulted, version, json_bytes: None }
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
                body.extend_from_slice(b", \"features\": ");
                write_features(body, lane, scored);
            }
        }
        RowState::Done(Err(failure)) => {
            body.push(b'{');
            write_user(body, lane, lane.rows.borrow().get(id));
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
    write_user(body, lane, row);
    body.extend_from_slice(b"\"score\": ");
    write_score(body, scored.score, lane.settings.score_is_f32);
    if !lane.settings.answers.are_bare || row.answer.is_asked() {
        write_parts(body, lane, row, scored);
    }
}

/// Writes what a row's features stood on: a word, or one for each entity where there are several.
fn write_features(body: &mut Vec<u8>, lane: &Lane, scored: Scored) {
    if scored.statuses.is_empty() {
        write_string(body, scored.status.as_str());
        return;
    }
    for (at, (entity, status)) in scored.statuses.iter().enumerate() {
        body.extend_from_slice(if at == 0 { b"{" } else { b", " });
        write_string(body, lane.settings.keys.entity_name(entity as u8));
        body.extend_from_slice(b": ");
        write_string(body, status.as_str());
    }
    body.push(b'}');
}

/// Writes the member of the user, and the comma behind it, where the request names one: of a model
/// that names its entities the key of the first.
fn write_user(body: &mut Vec<u8>, lane: &Lane, row: &Row) {
    let keys = &lane.settings.keys;
    if let Some(first) = keys.entities.first() {
        for field in &first.fields {
            if let Some(part) = row.key_parts.get(*field)
                && part.given != GivenAs::Nothing
            {
                let is_integer = part.given == GivenAs::Integer;
                write_string(body, &keys.fields[*field]);
                write_key(body, &part.text, is_integer);
            }
        }
    } else if !row.key.is_empty() {
        // Its name needs no escapes, and is in nearly each document.
        body.push(b'"');
        body.extend_from_slice(USER_ID.as_bytes());
        body.push(b'"');
        write_key(body, &row.key, row.key_is_integer);
    }
}

fn write_key(body: &mut Vec<u8>, key: &str, is_integer: bool) {
    body.extend_from_slice(b": ");
    if is_integer {
        body.extend_from_slice(key.as_bytes());
    } else {
        write_string(body, key);
    }
    body.extend_from_slice(b", ");
}
