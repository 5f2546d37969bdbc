//! Gives the rows of a batch their outcomes and wakes the connections that wait for them.

use super::explain::{self};
use super::work::Work;
use super::{Host, Lane, Scored, notes, scored, shadow};
use crate::facts::Role;
use crate::failure::RowFailure;
use crate::mutation::{Mutation, is_in_force};
use crate::provenance::FeatureStatus;

/// Gives each row its outcome and wakes the connections; those that are to be explained are left in
/// `work.explained`.
pub(super) fn finish(lane: &Lane, host: &Host, work: &mut Work, computed: Result<(), RowFailure>) {
    let outcome = |work: &Work, index| computed.and_then(|()| outcome_of(work, index));
    if lane.settings.role == Role::Shadow {
        for (index, id) in work.rows.iter().enumerate() {
            shadow::compare(lane, *id, outcome(work, index));
        }
        return;
    }
    // Without a row that asks for more than a score there is none that asks for reasons.
    let answers = &lane.settings.answers;
    if answers.reasons.is_some()
        && computed.is_ok()
        && (work.has_asked || answers.explains_unasked())
    {
        explain::choose(lane, work, outcome);
    }
    let count = work.rows.len();
    if work.explained.is_empty() {
        let rows = (0..count).map(|index| (index, outcome(work, index)));
        finish_rows(lane, host, work, rows, computed.is_ok());
    } else {
        let is_explained =
            |index: &usize| work.explained.binary_search_by_key(index, |row| row.index).is_ok();
        let rows = (0..count).filter(|index| !is_explained(index));
        let rows = rows.map(|index| (index, outcome(work, index)));
        finish_rows(lane, host, work, rows, computed.is_ok());
    }
}

/// Gives some rows of a batch their outcomes, by their places, and wakes the connections.
pub(super) fn finish_rows(
    lane: &Lane,
    host: &Host,
    work: &Work,
    rows: impl Iterator<Item = (usize, Result<Scored, RowFailure>)> + Clone,
    is_computed: bool,
) {
    if let Some(journal) = &host.context.journal {
        if journal.predictions {
            let counters = host.context.counters();
            notes::note(journal, lane, work, rows.clone(), is_computed, counters);
        }
        if journal.is_sampling() {
            notes::tell_rows(lane, work, rows.clone().map(|(index, _)| index));
        }
    }
    if let Some(plan) = lane.scored.get() {
        scored::note(plan, lane, host, work, rows.clone());
    }
    if work.recorded_rows > 0 {
        notes::tell_times(lane, host, work, rows.clone().map(|(index, _)| index));
    }
    let candidate = host.lanes.shadow(lane);
    for (index, outcome) in rows {
        let id = work.rows[index];
        let scored = outcome.ok().filter(|scored| scored.score.is_finite());
        if let (Some(candidate), Some(scored)) = (&candidate, scored) {
            shadow::copy(lane, id, scored.score, candidate, host.now_ns());
        }
        if let Some(connection) = lane.complete(id, outcome) {
            host.clients.wake(connection);
        }
    }
}

fn outcome_of(work: &Work, index: usize) -> Result<Scored, RowFailure> {
    let outcome = &work.joined.outcomes[index];
    if let Some(refusal) = outcome.refusal {
        return Err(RowFailure::Refused(refusal));
    }
    let score = work.scores[index];
    let rule = work.joined.expressions.as_ref().and_then(|computing| computing.rule(index));
    if !score.is_finite() && rule.is_none() {
        return Err(RowFailure::NotFinite);
    }
    let defaulted = outcome.defaulted + outcome.fields_defaulted;
    let hides = is_in_force(Mutation::HideOutage) && outcome.status == FeatureStatus::Error;
    let status = if hides { FeatureStatus::Stored } else { outcome.status };
    Ok(Scored { score, status, defaulted, statuses: outcome.statuses, rule })
}
