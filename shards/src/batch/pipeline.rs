//! Runs batches: takes rows from a lane, has their features joined and their scores computed,
//! and wakes the connections that wait for them.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_lite::future::or;
use glommio::timer::sleep;

use super::gate::yield_once;
use super::{Decision, Lane, Load, RowFailure, RowId, Scored, decide};
use crate::features::embedded::EmbeddedReader;
use crate::features::join::JoinPlan;
use crate::features::{FetchRequests, Joined};
use crate::model::repository::ModelDirectory;
use crate::model::{LoadOptions, Model};
use crate::shard::ShardState;
use crate::telemetry::Phase;

/// What computes one lane's batches: this shard's copy of the model, and its way to the store.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) directory: ModelDirectory,
    pub(crate) load: LoadOptions,
    pub(crate) model: RefCell<Model>,
    pub(crate) plan: JoinPlan,
    pub(crate) reader: RefCell<EmbeddedReader>,
}

impl Engine {
    /// Loads the model again, after a panic that may have left it half-changed.
    fn replace_model(&self) {
        match Model::load(&self.directory, &self.load) {
            Ok(model) => *self.model.borrow_mut() = model,
            Err(error) => {
                let model = self.directory.name.as_str();
                tracing::error!(model, %error, "after a panic: not loaded again, the old copy goes on");
            }
        }
    }
}

/// The buffers of one batch, reused from batch to batch.
#[derive(Debug)]
struct Work {
    rows: Vec<RowId>,
    requests: FetchRequests,
    joined: Joined,
    scores: Vec<f64>,
    expired: Vec<u32>,
}

impl Work {
    fn new(plan: &JoinPlan) -> Self {
        Self {
            rows: Vec::new(),
            requests: FetchRequests::new(plan.request_fields().len()),
            joined: Joined::new(plan),
            scores: Vec::new(),
            expired: Vec::new(),
        }
    }
}

/// Runs the batches of `lane` until it is retired and empty.
pub(crate) async fn run(lane: Rc<Lane>, engine: Engine, shard: Rc<ShardState>) {
    let mut work = Work::new(&engine.plan);
    loop {
        let now_ns = shard.clock.now_ns();
        let load = Load { batches_in_flight: lane.batches_in_flight.get() };
        match decide(now_ns, lane.view(), load, &lane.settings.policy) {
            Decision::Sleep if lane.is_finished() => return,
            Decision::Sleep | Decision::WaitForCompletion => lane.gate.pass().await,
            Decision::WaitUntil { time_ns } => {
                let wait = Duration::from_nanos(time_ns.saturating_sub(now_ns));
                or(lane.gate.pass(), sleep(wait)).await;
            }
            Decision::Run { rows } => {
                work = run_batch(&lane, &engine, &shard, work, rows, now_ns);
                // The connections write their answers, and read, before the next batch.
                yield_once().await;
            }
        }
    }
}

/// Takes a batch from the lane and ends each of its rows. A panic ends them as failed, and the
/// buffers and the model that it may have left half-changed are replaced.
fn run_batch(
    lane: &Lane,
    engine: &Engine,
    shard: &ShardState,
    mut work: Work,
    rows: usize,
    now_ns: u64,
) -> Work {
    work.rows.clear();
    lane.take(rows, now_ns, &mut work.rows, &mut work.expired);
    for connection in work.expired.drain(..) {
        shard.links.wake(connection);
    }
    if work.rows.is_empty() {
        return work;
    }
    let computed =
        catch_unwind(AssertUnwindSafe(|| compute(lane, engine, shard, &mut work, now_ns)));
    if let Ok(outcome) = computed {
        finish(lane, shard, &work, outcome);
        return work;
    }
    shard.counters().batches_panicked.add(1);
    finish(lane, shard, &work, Err(RowFailure::Panicked));
    engine.replace_model();
    Work::new(&engine.plan)
}

/// Joins the rows' features and computes their scores into `work`.
fn compute(
    lane: &Lane,
    engine: &Engine,
    shard: &ShardState,
    work: &mut Work,
    start_ns: u64,
) -> Result<(), RowFailure> {
    work.requests.clear();
    {
        let rows = lane.rows.borrow();
        let mut histograms = shard.histograms.borrow_mut();
        for id in &work.rows {
            let row = rows.get(*id);
            work.requests.push(row.key.as_bytes(), &row.request_cells);
            histograms.record(Phase::Queue, start_ns.saturating_sub(row.queued_ns), 1);
        }
    }
    engine.reader.borrow_mut().fetch(&engine.plan, &work.requests, wall_us(), &mut work.joined);
    let fetched_ns = shard.clock.now_ns();
    let scored = engine.model.borrow_mut().score(&work.joined.matrix, &mut work.scores);
    let computed_ns = shard.clock.now_ns();
    let count = work.rows.len() as u64;
    {
        let mut histograms = shard.histograms.borrow_mut();
        histograms.record(Phase::Features, fetched_ns.saturating_sub(start_ns), count);
        histograms.record(Phase::Model, computed_ns.saturating_sub(fetched_ns), count);
        histograms.record_batch(count);
    }
    let counters = shard.counters();
    counters.batches.add(1);
    counters.busy_ns.add(computed_ns.saturating_sub(start_ns));
    let defaulted: u64 = work.joined.defaulted_by_column.iter().sum();
    counters.cells_defaulted.add(defaulted);
    scored.map_err(|error| {
        tracing::error!(model = lane.settings.model, %error, "a batch was not scored");
        RowFailure::ModelFailed
    })
}

/// Gives each row its outcome and wakes the connections.
fn finish(lane: &Lane, shard: &ShardState, work: &Work, computed: Result<(), RowFailure>) {
    for (index, id) in work.rows.iter().enumerate() {
        let outcome = computed.and_then(|()| outcome_of(work, index));
        if let Ok(scored) = outcome {
            shard.counters().rows[scored.status as usize].add(1);
        }
        if let Some(connection) = lane.complete(*id, outcome) {
            shard.links.wake(connection);
        }
    }
}

fn outcome_of(work: &Work, index: usize) -> Result<Scored, RowFailure> {
    let outcome = &work.joined.outcomes[index];
    if let Some(refusal) = outcome.refusal {
        return Err(RowFailure::Refused(refusal));
    }
    let score = work.scores[index];
    if !score.is_finite() {
        return Err(RowFailure::NotFinite);
    }
    Ok(Scored { score, status: outcome.status })
}

/// The wall clock in µs since 1970, by which the age of features is told.
fn wall_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
