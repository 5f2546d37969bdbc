//! A copy of the traffic for a candidate that answers nobody: only how far its scores are from
//! those that were answered is recorded.
//!
//! A row is copied into the candidate's lane when its answer is known, and scored when nobody
//! waits, a few rows at a time. On a busy shard copies are dropped and counted, not scored later.

use super::{BatchPolicy, Lane, Row, RowId, RowState, Scored};
use crate::failure::RowFailure;
use crate::features::entities::USER_ID;

/// Copies that may wait.
const WAITING_ROWS_MAX: usize = 256;
/// Copies that are scored together: few, as requests that arrive meanwhile wait for them.
const BATCH_ROWS_MAX: usize = 8;
/// How long they may be computed without a look at what else there is to do, in µs.
const COMPUTE_SLICE_US_MAX: u64 = 100;
/// No connection has this number.
const NOBODY: u32 = u32::MAX;

/// How a candidate's batches are formed, where others' are by `policy`.
pub(crate) fn policy(policy: BatchPolicy) -> BatchPolicy {
    BatchPolicy {
        batch_rows_max: policy.batch_rows_max.min(BATCH_ROWS_MAX),
        batches_in_flight_max: 1,
        compute_slice_us_max: policy.compute_slice_us_max.min(COMPUTE_SLICE_US_MAX),
        ..policy
    }
}

/// Copies a row of `served` that has this score into the lane of the candidate, if its user is one
/// of those that are copied. Features that a request gave itself belong to no user.
pub(super) fn copy(served: &Lane, id: RowId, score: f64, candidate: &Lane, now_ns: u64) {
    let rows = served.rows.borrow();
    let row = rows.get(id);
    let is_copied =
        served.settings.shadow.is_some_and(|it| it.copies(&served.settings.model, &row.key));
    // One that is not running any more was given up before it had a score.
    if row.state != RowState::Running || row.has_own_features || !is_copied {
        return;
    }
    if candidate.waiting_rows() >= WAITING_ROWS_MAX {
        candidate.counters().shadow.skipped.add(1);
        return;
    }
    let copy = {
        let mut copies = candidate.rows.borrow_mut();
        let copy = copies.insert(NOBODY);
        let made = copies.get_mut(copy);
        made.key.push_str(&row.key);
        copy_keys(served, row, candidate, made);
        made.reference = score;
        // By the same clock, the same expressions have the same values.
        made.arrived_us = row.arrived_us;
        made.queued_ns = now_ns;
        made.is_held = true;
        let fields = &served.settings.request_fields;
        if candidate.settings.reads_fields_of(&served.settings) {
            made.request_cells.extend_from_slice(&row.request_cells);
            made.texts.copy_from(&row.texts);
        } else {
            // It may read fields that the served version did not, which nobody has parsed.
            for (at, read) in candidate.settings.request_fields.iter().enumerate() {
                let place = fields.iter().position(|field| field.name == read.name);
                let cell = place.and_then(|at| Some((&fields[at], *row.request_cells.get(at)?)));
                let cell = cell.map_or(Some(f64::NAN), |(given, cell)| read.cell_of(given, cell));
                if let (true, Some(given)) = (read.is_kept, place) {
                    match row.texts.get(given) {
                        Some(text) => made.texts.push(at, text),
                        // What is not null and was not kept can't be read again.
                        None if !row.request_cells.get(given).is_none_or(|it| it.is_nan()) => break,
                        None => {}
                    }
                }
                made.request_cells.extend(cell);
            }
        }
        if made.request_cells.len() < candidate.settings.request_fields.len() {
            // A text that only the candidate may know: its score of another one says nothing.
            copies.remove(copy);
            candidate.counters().shadow.skipped.add(1);
            return;
        }
        copy
    };
    candidate.push(copy, u64::MAX);
}

/// Copies the keys of a row, by the names of their fields where the versions' differ. A key that only
/// the candidate reads is not there.
fn copy_keys(served: &Lane, row: &Row, candidate: &Lane, made: &mut Row) {
    let (given, read) = (&served.settings.keys, &candidate.settings.keys);
    if given == read {
        return made.key_parts.copy_from(&row.key_parts);
    }
    made.key_parts.reset(read.fields.len());
    for (place, field) in read.fields.iter().enumerate() {
        let part = given.position(field).and_then(|at| row.key_parts.get(at));
        if let (Some(part), Some(copied)) = (part, made.key_parts.get_mut(place)) {
            copied.text.push_str(&part.text);
            copied.given = part.given;
        } else if let (Some(copied), USER_ID, true) =
            (made.key_parts.get_mut(place), field.as_str(), given.is_user_alone())
        {
            copied.text.push_str(&row.key);
        }
    }
    if !read.is_user_alone() {
        let mut key = std::mem::take(&mut made.key);
        made.key_parts.write_first(read, &mut key);
        made.key = key;
    }
}

/// Drops the copies that wait, as requests do too.
pub(super) fn skip(candidate: &Lane) {
    let count = candidate.forget_waiting();
    candidate.counters().shadow.skipped.add(count as u64);
}

/// Records how far the candidate's score of a copy is from the one that was answered, and frees
/// the copy.
pub(super) fn compare(candidate: &Lane, id: RowId, outcome: Result<Scored, RowFailure>) {
    let counters = &candidate.counters().shadow;
    let mut rows = candidate.rows.borrow_mut();
    match outcome {
        Ok(scored) => {
            let difference = scored.score - rows.get(id).reference;
            counters.compared.add(1);
            counters.difference_sum.add(difference);
            counters.difference_absolute_sum.add(difference.abs());
            candidate.histograms.borrow_mut().record_difference(difference);
        }
        Err(_) => counters.failed.add(1),
    }
    rows.remove(id);
}
