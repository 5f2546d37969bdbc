//! The document `{"predictions": […]}`.

use crate::api::failures;
use crate::api::json::{write_error, write_score};
use crate::api::outcome::{RowsSummary, StatusOf, WorstOfRows};
use crate::api::predict::write_member;
use crate::api::request_rows::{RequestRows, outcome};
use crate::batch::{Lane, RowId};
use crate::failure::RowFailure;

const NO_SCORE: RowFailure =
    RowFailure::Malformed("the model gives no finite score for these columns");

/// A list has its columns from the request alone: one that gives no finite score is the request's
/// fault.
fn own_fault(lane: &Lane, id: RowId, failure: RowFailure) -> RowFailure {
    match failure {
        RowFailure::NotFinite if lane.rows.borrow().get(id).has_own_features => NO_SCORE,
        other => other,
    }
}

/// Writes the document. A row without a score fails the request.
pub(in crate::api) fn write(
    body: &mut Vec<u8>,
    rows: &RequestRows,
    status_of: StatusOf,
) -> RowsSummary {
    let (mut worst, mut defaulted, mut failed) = (None, 0, None);
    let mut statuses = WorstOfRows::new(rows);
    for (place, (lane, id)) in rows.members().enumerate() {
        match outcome(lane, id) {
            Ok(scored) => {
                worst = worst.max(lane.settings.has_store.then_some(scored.status));
                statuses.add(lane, scored.statuses);
                defaulted = defaulted.max(scored.defaulted);
            }
            Err(failure) => {
                let failure = own_fault(lane, id, failure);
                worst = worst.max(failures::provenance(failure));
                statuses.add(lane, failures::statuses(lane, failure));
                failed = failed.or(Some((place, lane, failure)));
            }
        }
    }
    if let Some((place, lane, failure)) = failed {
        let message = failures::message(lane, failure);
        write_error(body, &format!("instance {place}: {message}"));
        let (failure, version) = (Some(failure), Some(lane.settings.version));
        let (provenance, statuses) = (worst, statuses.get());
        return RowsSummary {
            failure,
            provenance,
            statuses,
            defaulted: 0,
            version,
            json_bytes: None,
        };
    }
    body.extend_from_slice(b"{\"predictions\": [");
    let mut has_users = false;
    for (at, (lane, id)) in rows.members().enumerate() {
        if at > 0 {
            body.extend_from_slice(b", ");
        }
        let has_own = lane.rows.borrow().get(id).has_own_features;
        has_users |= !has_own;
        // A list of numbers has no names: its answer is as bare, where the score is all there is.
        let score = match outcome(lane, id) {
            Ok(scored) if has_own && lane.settings.answers.are_bare => Some(scored.score),
            _ => None,
        };
        match score {
            Some(score) => write_score(body, score, lane.settings.score_is_f32),
            None => write_member(body, lane, id, rows.is_divided(), status_of),
        }
    }
    body.extend_from_slice(b"]}");
    let provenance = worst.filter(|_| has_users);
    let (failure, statuses) = (None, statuses.get());
    RowsSummary {
        failure,
        provenance,
        statuses,
        defaulted,
        version: rows.version(),
        json_bytes: None,
    }
}
