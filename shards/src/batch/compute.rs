//! Computes the scores of a batch: here, in slices where it takes long, or at a model's server.

use std::time::Duration;

use tracing::field::{DisplayValue, display};

use super::work::{Engine, Work};
use super::{Host, Lane, RowState};
use crate::executor::runtime::yield_once;
use crate::failure::RowFailure;
use crate::features::FeatureMatrix;
use crate::model::ScoreError;
use crate::model::remote::{RemoteClient, RemoteError};
use crate::mutation::{Mutation, is_in_force};
use crate::origin::{TraceFields, TraceId};

/// Has the scores of the rows that were joined at `fetched_ns` computed by a server.
pub(super) async fn ask(
    lane: &Lane,
    remote: &RemoteClient,
    host: &Host,
    work: &mut Work,
    fetched_ns: u64,
) -> Result<(), RowFailure> {
    work.joined.blank_refused();
    // The last of the rows that can still wait decides.
    let limit = Duration::from_nanos(work.deadline_ns.saturating_sub(fetched_ns));
    let state = work.trace_state.as_deref();
    let trace = work.trace.map(|parent| TraceFields { parent, state });
    let asked = remote.score(&work.joined.matrix, trace, limit, &mut work.scores).await;
    work.compute_ns = host.now_ns().saturating_sub(fetched_ns);
    let counters = lane.counters();
    counters.remote.batches[RemoteError::outcome_index(&asked)].add(1);
    counters.remote.waited_ns.add(work.compute_ns);
    counters.remote.circuit_open.set(u64::from(remote.is_circuit_open()));
    asked.map_err(|error| {
        if !matches!(error, RemoteError::LeftAlone) {
            let (model, trace_id) = (lane.settings.model.as_str(), trace_id(work));
            tracing::error!(model, trace_id, %error, "a batch was not scored by the model's server");
        }
        error.failure()
    })
}

/// Computes the scores of all rows: at once, or in slices where that is expected to take longer
/// than `max_compute_slice_us`. Between slices the others have their turn, and rows that nobody
/// waits for any more are left out; what is computed has the same bits either way.
pub(super) async fn compute(
    lane: &Lane,
    engine: &Engine,
    host: &Host,
    work: &mut Work,
) -> Result<(), RowFailure> {
    let count = work.joined.matrix.rows();
    let computed = if count <= slice_rows_max(lane) && !work.has_decided {
        let Work { joined, scores, compute_ns, .. } = work;
        let scored = score(lane, engine, host, &joined.matrix, scores, compute_ns);
        if work.wants_values && scored.is_ok() {
            keep_outputs(lane, engine, work, 0..count);
        }
        scored
    } else {
        compute_sliced(lane, engine, host, work).await
    };
    computed.map_err(|error| {
        let (model, trace_id) = (lane.settings.model.as_str(), trace_id(work));
        tracing::error!(model, trace_id, %error, "a batch was not scored");
        RowFailure::ModelFailed
    })
}

/// How many rows are computed without a pause.
fn slice_rows_max(lane: &Lane) -> usize {
    let slice_ns = lane.settings.policy.compute_slice_us_max.saturating_mul(1_000);
    lane.estimates.borrow().compute.rows_within(slice_ns)
}

async fn compute_sliced(
    lane: &Lane,
    engine: &Engine,
    host: &Host,
    work: &mut Work,
) -> Result<(), ScoreError> {
    let count = work.joined.matrix.rows();
    work.scores.clear();
    work.scores.resize(count, f64::NAN);
    let mut rest = Rest::of(lane, count);
    let mut next = 0;
    while next < count {
        if next > 0 {
            yield_once().await;
        }
        next = fill_slice(lane, host, work, next, slice_rows_max(lane));
        rest.set(count - next);
        if !work.slice_rows.is_empty() {
            let Work { slice, slice_scores, compute_ns, .. } = work;
            score(lane, engine, host, slice, slice_scores, compute_ns)?;
            for (row, score) in work.slice_rows.iter().zip(&work.slice_scores) {
                work.scores[*row] = *score;
            }
            if work.wants_values {
                keep_outputs(lane, engine, work, work.slice_rows.iter().copied());
            }
        }
    }
    Ok(())
}

/// Keeps the computed columns of the output for those rows that want them; `rows` are the rows of
/// the batch that were scored last, by their places.
fn keep_outputs(lane: &Lane, engine: &Engine, work: &Work, rows: impl Iterator<Item = usize>) {
    let model = engine.prepared.model.borrow();
    let mut slots = lane.rows.borrow_mut();
    for (place, index) in rows.enumerate() {
        let answer = &mut slots.get_mut(work.rows[index]).answer;
        if lane.settings.answers.wanted(answer.wants()).values() {
            model.outputs_of(place, &mut answer.parts_mut().outputs);
        }
    }
}

/// The rows of a batch that are still to be computed, counted by the lane as long as there are any:
/// until the end of this, however the computation ends.
struct Rest<'a> {
    lane: &'a Lane,
    rows: usize,
}

impl<'a> Rest<'a> {
    fn of(lane: &'a Lane, rows: usize) -> Self {
        lane.computing_rows.update(|all| all + rows);
        Self { lane, rows }
    }

    fn set(&mut self, rows: usize) {
        self.lane.computing_rows.update(|all| all - self.rows + rows);
        self.rows = rows;
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Puts up to `rows_max` rows from `first` on into the slice, without those that nobody waits for
/// any more. Returns the first row that is left.
fn fill_slice(lane: &Lane, host: &Host, work: &mut Work, first: usize, rows_max: usize) -> usize {
    lane.expire(host.now_ns(), |connection| host.clients.wake(connection));
    let rows = lane.rows.borrow();
    work.slice_rows.clear();
    let mut next = first;
    while next < work.rows.len() && work.slice_rows.len() < rows_max {
        let is_decided = work.has_decided
            && work.joined.expressions.as_ref().is_some_and(|it| it.rule(next).is_some());
        if rows.get(work.rows[next]).state == RowState::Running && !is_decided {
            work.slice_rows.push(next);
        }
        next += 1;
    }
    work.slice.copy_rows(&work.joined.matrix, &work.slice_rows);
    next
}

/// Computes `scores` without a pause, and learns how long that takes.
fn score(
    lane: &Lane,
    engine: &Engine,
    host: &Host,
    matrix: &FeatureMatrix,
    scores: &mut Vec<f64>,
    compute_ns: &mut u64,
) -> Result<(), ScoreError> {
    let start_ns = host.now_ns();
    let scored = engine.prepared.model.borrow_mut().score(matrix, scores);
    let taken_ns = host.now_ns().saturating_sub(start_ns);
    *compute_ns += taken_ns;
    if is_in_force(Mutation::SwapRows) && scores.len() > 2 {
        scores.swap(1, 2);
    }
    lane.estimates.borrow_mut().compute.observe(matrix.rows(), 0, taken_ns);
    scored
}

/// The trace of a batch as logs name it.
fn trace_id(work: &Work) -> Option<DisplayValue<TraceId>> {
    work.trace.map(|trace| display(TraceId(trace.trace_id)))
}
