//! Writes a batch down in the shard's journal, and tells its rows what it was like.

use super::pipeline::Work;
use super::{Lane, RowState, Scored};
use crate::failure::RowFailure;
use crate::journal::{
    BatchEntry, BatchFigures, Journal, RowEntities, RowNote, RowResult, RowTexts,
};
use crate::telemetry::ShardCounters;

/// Writes down what became of these rows of a batch, by their places; what was joined means
/// something only if the batch was computed. Those whose client went away have no answer.
pub(super) fn note(
    journal: &Journal,
    lane: &Lane,
    work: &Work,
    rows: impl Iterator<Item = (usize, Result<Scored, RowFailure>)> + Clone,
    is_computed: bool,
    counters: &ShardCounters,
) {
    let facts = &lane.telemetry().facts;
    let joined = &work.joined;
    let batch = BatchEntry {
        model: &facts.model,
        version: facts.version,
        file_hash: facts.description.file_hash,
        time_us: joined.now_us,
    };
    let has_store = lane.settings.has_store;
    let answers = &lane.settings.answers;
    let keys = &lane.settings.keys;
    let has_several = keys.entities.len() > 1;
    let slots = lane.rows.borrow();
    let notes =
        rows.filter_map(|(index, outcome)| {
            let row = slots.get(work.rows[index]);
            let outcome = match row.state {
                RowState::Abandoned => return None,
                // Its deadline passed meanwhile: that is what its client was told.
                RowState::Done(told) => told,
                RowState::Waiting | RowState::Running => outcome,
            };
            let found = joined.outcomes.get(index).filter(|_| is_computed);
            let is_scored = matches!(outcome, Ok(_) | Err(RowFailure::NotFinite));
            let explained = row.answer.parts().and_then(|parts| Some((parts, parts.explanation?)));
            Some(RowNote {
                request_id: &row.origin.request_id,
                trace: row.origin.trace,
                user_id: &row.key,
                features: found
                    .filter(|_| has_store && !row.has_own_features)
                    .map(|found| found.status),
                last_updated_us: found.and_then(|found| found.last_updated_us),
                result: match outcome {
                    Ok(scored) => RowResult::Score(scored.score),
                    Err(failure) => RowResult::Failed(failure.reason_index() as u8),
                },
                cells: is_scored.then(|| joined.matrix.row(index)),
                texts: RowTexts {
                    fields: &lane.settings.signature.texts,
                    unknown: joined.unknown_of(index),
                },
                decision: outcome
                    .ok()
                    .and_then(|scored| answers.decision_name(scored.score))
                    .unwrap_or_default(),
                reasons: explained.map(|(parts, _)| (facts.reasons.as_slice(), &*parts.reasons)),
                reasons_max: explained.map_or(0, |(_, explanation)| explanation.reasons_max as u32),
                entities: found
                    .filter(|_| has_several && !row.has_own_features)
                    .map(|_| RowEntities { keys, parts: &row.key_parts, joined, row: index }),
            })
        });
    journal.note_batch(&batch, notes, counters);
}

/// Tells these rows of a batch what it was like, for requests that are sampled.
pub(super) fn tell_rows(lane: &Lane, work: &Work, rows: impl Iterator<Item = usize>) {
    let us = |duration_ns: u64| (duration_ns / 1_000) as u32;
    let mut slots = lane.rows.borrow_mut();
    for index in rows {
        let row = slots.get_mut(work.rows[index]);
        row.batch = BatchFigures {
            rows: work.rows.len() as u32,
            queue_us: us(work.start_ns.saturating_sub(row.queued_ns)),
            features_us: us(work.fetch_ns),
            model_us: us(work.compute_ns),
        };
    }
}
