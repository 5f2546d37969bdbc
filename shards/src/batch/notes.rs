//! Writes a batch down in the shard's journal.

use super::{Lane, RowFailure, RowId, Scored};
use crate::features::Joined;
use crate::journal::{BatchEntry, Journal, RowNote, RowResult};
use crate::telemetry::ShardCounters;

/// Writes down what became of `rows`, in the order of `joined`, which means something only if the
/// batch was `computed`; `outcome` is that of a row.
pub(super) fn note(
    journal: &Journal,
    lane: &Lane,
    (rows, joined): (&[RowId], &Joined),
    is_computed: bool,
    outcome: impl Fn(usize) -> Result<Scored, RowFailure>,
    counters: &ShardCounters,
) {
    let facts = &lane.telemetry().facts;
    let batch = BatchEntry {
        model: &facts.model,
        version: facts.version,
        file_hash: facts.description.file_hash,
        time_us: joined.now_us,
    };
    let slots = lane.rows.borrow();
    let notes = rows.iter().enumerate().map(|(index, id)| {
        let row = slots.get(*id);
        let outcome = outcome(index);
        let found = joined.outcomes.get(index).filter(|_| is_computed);
        let is_scored = matches!(outcome, Ok(_) | Err(RowFailure::NotFinite));
        RowNote {
            request_id: &row.origin.request_id,
            trace: row.origin.trace,
            user_id: &row.key,
            features: found.filter(|_| !row.has_own_features).map(|found| found.status),
            last_updated_us: found.and_then(|found| found.last_updated_us),
            result: match outcome {
                Ok(scored) => RowResult::Score(scored.score),
                Err(failure) => RowResult::Failed(failure.reason_index() as u8),
            },
            cells: is_scored.then(|| joined.matrix.row(index)),
        }
    });
    journal.note_batch(&batch, notes, counters);
}
