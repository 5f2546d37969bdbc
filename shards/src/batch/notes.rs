//! Writes a batch down in the shard's journal, and tells its rows what it was like.

use super::work::Work;
use super::{Host, Lane, RowState, Scored};
use crate::failure::RowFailure;
use crate::features::entities::USER;
use crate::journal::{
    BatchEntry, BatchFigures, Journal, RowEntities, RowNote, RowResult, RowTexts, RowValues,
};
use crate::spans::{EntityTimes, RowTimes};
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
    let expressions = joined.expressions.as_deref();
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
            // One that a rule decided before the model was not read by it.
            let is_scored = match outcome {
                Ok(scored) => scored.score.is_finite(),
                Err(failure) => failure == RowFailure::NotFinite,
            };
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
                    .and_then(|scored| answers.decision_name_of(scored.score, scored.rule))
                    .unwrap_or_default(),
                reasons: explained.map(|(parts, _)| (facts.reasons.as_slice(), &*parts.reasons)),
                reasons_max: explained.map_or(0, |(_, explanation)| explanation.reasons_max as u32),
                values: found.and(expressions).map(|computing| {
                    let rule = outcome.ok().and_then(|scored| scored.rule);
                    let rule = rule.and_then(|rule| answers.rule_name(rule)).unwrap_or_default();
                    RowValues { computing, row: index, rule }
                }),
                entities: found
                    .filter(|_| has_several && !row.has_own_features)
                    .map(|_| RowEntities { keys, parts: &row.key_parts, joined, row: index }),
            })
        });
    journal.note_batch(&batch, notes, counters);
}

/// Tells these rows of a batch when they were in each phase, where their requests are recorded.
pub(super) fn tell_times(lane: &Lane, host: &Host, work: &Work, rows: impl Iterator<Item = usize>) {
    let now_ns = host.now_ns();
    let mut slots = lane.rows.borrow_mut();
    for index in rows {
        let row = slots.get_mut(work.rows[index]);
        if !row.origin.is_recorded {
            continue;
        }
        let fetched_ns = work.start_ns + work.fetch_ns;
        let is_explained = row.answer.parts().is_some_and(|parts| parts.explanation.is_some());
        row.times = Some(Box::new(RowTimes {
            queued_ns: row.queued_ns,
            started_ns: work.start_ns,
            fetched_ns,
            computed_ns: fetched_ns + work.compute_ns,
            explained_ns: if is_explained { now_ns } else { 0 },
            batch_rows: work.rows.len() as u32,
            entities: if row.has_own_features {
                Vec::new()
            } else {
                entity_times(lane, host, work, index)
            },
        }));
    }
}

/// When the parts of a row were fetched, entity by entity; none where nothing was.
fn entity_times(lane: &Lane, host: &Host, work: &Work, row: usize) -> Vec<EntityTimes> {
    let joined = &work.joined;
    if row >= joined.outcomes.len() {
        return Vec::new();
    }
    let whole = (work.start_ns, work.start_ns + work.fetch_ns);
    let names = lane.settings.keys.entities.iter().map(|entity| entity.name.as_str());
    let user = lane.settings.keys.entities.is_empty().then_some(USER);
    let times = |(place, name): (usize, &str)| {
        let known = joined.entity_times.get(place).copied().flatten();
        let clock = &host.context.clock;
        let (asked_ns, landed_ns) =
            known.map_or(whole, |(asked, landed)| (clock.ns_at(asked), clock.ns_at(landed)));
        let status = joined.outcome_of(place, row).status;
        EntityTimes { name: name.into(), status, asked_ns, landed_ns }
    };
    names.chain(user).enumerate().map(times).collect()
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
