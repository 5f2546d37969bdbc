//! Runs batches: takes rows from a lane, has their features joined and their scores computed,
//! and wakes the connections that wait for them.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use futures_lite::FutureExt;
use futures_lite::future::or;

use super::binding::Binding;
use super::compute::{ask, compute};
use super::decide::{concurrency_limit, demand};
use super::explain::{self, ExplainedRow};
use super::{Decision, Host, Lane, PreparedModel, RowId, Scored, notes, scored, shadow};
use crate::executor::runtime::{sleep, spawn, wall, yield_once};
use crate::facts::Role;
use crate::failure::{Refusal, RowFailure};
use crate::features::expressions::RequestValues;
use crate::features::join::JoinPlan;
use crate::features::{FeatureMatrix, FeatureStore, FetchRequests, Fetched, Joined};
use crate::model::remote::RemoteClient;
use crate::mutation::{Mutation, is_in_force};
use crate::origin::TraceParent;
use crate::provenance::FeatureStatus;
use crate::telemetry::Phase;

/// How often a batch is joined anew where the store's columns change meanwhile.
const FETCHES_MAX: usize = 3;

/// What computes one lane's batches: this shard's copy of the model, and its way to the store.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(super) prepared: PreparedModel,
    binding: Binding,
    store: Rc<FeatureStore>,
    /// The way to the model's server, where it is computed there.
    remote: Option<RemoteClient>,
    /// Buffers that no batch uses at present.
    spare: RefCell<Vec<Work>>,
}

impl Engine {
    pub(crate) fn new(prepared: PreparedModel, store: Rc<FeatureStore>) -> Self {
        let remote = prepared.model.borrow().remote().cloned().map(RemoteClient::new);
        let binding = Binding::new(&prepared);
        Self { prepared, binding, store, remote, spare: RefCell::default() }
    }

    /// The plan for the columns that the store has now; `None` where they do not fit the model.
    fn plan(&self, lane: &Lane, host: &Host) -> Option<Rc<JoinPlan>> {
        self.binding.plan(lane, &self.prepared, &self.store, host.context.counters())
    }

    /// Whether a batch never waits: then there is nothing to gain from a second one in flight.
    fn is_immediate(&self) -> bool {
        self.store.is_immediate() && self.remote.is_none()
    }

    fn work(&self) -> Work {
        self.spare.borrow_mut().pop().unwrap_or_else(|| self.new_work())
    }

    /// Buffers that no batch has used.
    pub(super) fn new_work(&self) -> Work {
        Work::new(&self.prepared.plan)
    }

    /// Takes the buffers of a batch back.
    pub(super) fn give_back(&self, work: Work) {
        self.spare.borrow_mut().push(work);
    }
}

/// The buffers of one batch, reused from batch to batch.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) rows: Vec<RowId>,
    pub(super) requests: FetchRequests,
    pub(super) joined: Joined,
    /// How many of the rows have features of their own.
    pub(super) own_rows: usize,
    /// The latest of the rows' deadlines, in ns of the shard's clock.
    pub(super) deadline_ns: u64,
    /// How many of the rows are of requests that are recorded.
    pub(super) recorded_rows: usize,
    /// The trace of the first row that belongs to one, and its `tracestate`.
    pub(super) trace: Option<TraceParent>,
    pub(super) trace_state: Option<Rc<str>>,
    pub(super) scores: Vec<f64>,
    /// How many batches were in flight at its start or would have been, if its queue had been taken
    /// too; how many others there were then, and in the mean until it had what it waited for.
    pub(super) demand: usize,
    pub(super) others: usize,
    pub(super) others_mean: f64,
    /// The rows that are computed without a pause, and their scores.
    pub(super) slice: FeatureMatrix,
    pub(super) slice_rows: Vec<usize>,
    pub(super) slice_scores: Vec<f64>,
    /// Whether a row may want more columns of the output than the score.
    pub(super) wants_values: bool,
    /// Whether rules have decided some of the rows before the model.
    pub(super) has_decided: bool,
    /// Whether a row's request asks for more than the score.
    pub(super) has_asked: bool,
    /// The rows that are explained, and how many of them have been.
    pub(super) explained: Vec<ExplainedRow>,
    pub(super) explained_done: usize,
    /// The contributions of a slice, row by row.
    pub(super) contributions: Vec<f64>,
    /// The time that was spent computing, in ns.
    pub(super) compute_ns: u64,
    /// When it was started, in ns of the shard's clock, and the time that was spent fetching.
    pub(super) start_ns: u64,
    pub(super) fetch_ns: u64,
}

impl Work {
    fn new(plan: &JoinPlan) -> Self {
        Self {
            rows: Vec::new(),
            requests: FetchRequests::new(plan.request_fields().len())
                .with_entities(plan.entities().len()),
            joined: Joined::new(plan),
            own_rows: 0,
            deadline_ns: 0,
            recorded_rows: 0,
            trace: None,
            trace_state: None,
            scores: Vec::new(),
            demand: 0,
            others: 0,
            others_mean: 0.0,
            slice: FeatureMatrix::new(plan.columns(), plan.precision()),
            slice_rows: Vec::new(),
            slice_scores: Vec::new(),
            wants_values: false,
            has_decided: false,
            has_asked: false,
            explained: Vec::new(),
            explained_done: 0,
            contributions: Vec::new(),
            compute_ns: 0,
            start_ns: 0,
            fetch_ns: 0,
        }
    }
}

/// Runs the batches of `lane` until it is retired and empty.
pub(crate) async fn run(lane: Rc<Lane>, engine: Engine, host: Host) {
    let engine = Rc::new(engine);
    let is_shadow = lane.settings.role == Role::Shadow;
    loop {
        if is_shadow {
            // The answers that were copied are written first.
            yield_once().await;
        }
        // Without a request, too: whether the store fits is asked by others than clients.
        let _ = engine.plan(&lane, &host);
        let now_ns = host.now_ns();
        match lane.decide(now_ns) {
            Decision::Sleep if lane.is_finished() => return,
            Decision::Sleep | Decision::WaitForCompletion => lane.changed.notified().await,
            Decision::WaitUntil { time_ns } => {
                let wait = Duration::from_nanos(time_ns.saturating_sub(now_ns));
                or(lane.changed.notified(), sleep(wait)).await;
            }
            Decision::Run { .. } if is_shadow && host.lanes.is_busy() => shadow::skip(&lane),
            Decision::Run { rows } => {
                let mut work = engine.work();
                take_batch(&lane, &host, &mut work, rows, now_ns);
                if engine.is_immediate() {
                    run_batch(&lane, &engine, &host, work, now_ns).await;
                } else {
                    let batch = (Rc::clone(&lane), Rc::clone(&engine), host.clone());
                    spawn(async move {
                        let (lane, engine, host) = batch;
                        run_batch(&lane, &engine, &host, work, now_ns).await;
                    })
                    .detach();
                }
                // The connections write their answers, and read, before the next batch; a batch
                // that was spawned sends its statements.
                yield_once().await;
            }
        }
    }
}

/// Moves rows from the lane's queue into a batch; those whose deadline has passed, or will before
/// the batch is done, are answered.
fn take_batch(lane: &Lane, host: &Host, work: &mut Work, rows: usize, now_ns: u64) {
    work.rows.clear();
    let wake = |connection| host.clients.wake(connection);
    lane.expire(now_ns, wake);
    if lane.waiting_rows() > rows {
        let batch_ns = lane.estimates.borrow().batch_ns(rows, lane.batches_in_flight());
        lane.give_up(rows, now_ns, now_ns.saturating_add(batch_ns), wake);
    }
    work.demand = demand(lane.batches_in_flight(), lane.waiting_rows(), &lane.settings.policy);
    lane.take(rows, &mut work.rows);
    if lane.settings.role != Role::Shadow {
        host.clients.rows_left(lane.departed_rows());
    }
    work.others = lane.in_flight.borrow_mut().start(now_ns);
}

/// Scores a batch and ends each of its rows. A panic ends them as failed; the buffers and the
/// model that it may have left half-changed are replaced.
async fn run_batch(
    lane: &Rc<Lane>,
    engine: &Rc<Engine>,
    host: &Host,
    mut work: Work,
    start_ns: u64,
) {
    work.explained.clear();
    work.explained_done = 0;
    if !work.rows.is_empty() {
        let scored = AssertUnwindSafe(score_batch(lane, engine, host, &mut work, start_ns));
        if let Ok(outcome) = scored.catch_unwind().await {
            finish(lane, host, &mut work, outcome);
        } else {
            lane.counters().batches_panicked.add(1);
            finish(lane, host, &mut work, Err(RowFailure::Panicked));
            engine.prepared.replace_model();
            work = Work::new(&engine.prepared.plan);
        }
    }
    if work.explained.is_empty() {
        engine.give_back(work);
    } else {
        // Before its first turn, so that the lane is not taken for finished until then.
        lane.explaining_rows.update(|all| all + work.explained.len());
        spawn(explain::run(Rc::clone(lane), Rc::clone(engine), host.clone(), work)).detach();
    }
    lane.in_flight.borrow_mut().end(start_ns, host.now_ns());
    lane.changed.notify();
}

/// Joins the rows' features and computes their scores into `work`.
async fn score_batch(
    lane: &Lane,
    engine: &Engine,
    host: &Host,
    work: &mut Work,
    start_ns: u64,
) -> Result<(), RowFailure> {
    work.requests.clear();
    work.own_rows = 0;
    work.deadline_ns = 0;
    (work.trace, work.trace_state, work.recorded_rows) = (None, None, 0);
    (work.start_ns, work.fetch_ns) = (start_ns, 0);
    work.wants_values = lane.settings.answers.always.values();
    work.has_asked = false;
    let mut queue_ns = 0;
    {
        let rows = lane.rows.borrow();
        let mut histograms = lane.histograms.borrow_mut();
        for id in &work.rows {
            let row = rows.get(*id);
            if row.has_own_features {
                work.own_rows += 1;
                work.requests.push_without_key();
            } else {
                work.requests.push(row.key.as_bytes(), &row.request_cells);
                for (entity, key) in lane.settings.keys.entities.iter().enumerate().skip(1) {
                    work.requests.push_key(entity, row.key_parts.of(key));
                }
            }
            work.deadline_ns = work.deadline_ns.max(rows.deadline_ns(*id));
            if work.trace.is_none() && row.origin.trace.is_some() {
                work.trace = row.origin.trace;
                work.trace_state.clone_from(&row.origin.state);
            }
            work.recorded_rows += usize::from(row.origin.is_recorded);
            work.has_asked |= row.answer.is_asked();
            let waited_ns = start_ns.saturating_sub(row.queued_ns);
            queue_ns += waited_ns;
            histograms.record(Phase::Queue, waited_ns, 1);
        }
    }
    work.wants_values |= work.has_asked;
    lane.counters().queue_ns.add(queue_ns);
    work.joined.is_timed = work.recorded_rows > 0;
    fetch(lane, engine, host, work).await;
    if !engine.store.is_immediate() {
        // The next batch's statements go on the wire before this one is computed.
        lane.changed.notify();
        yield_once().await;
    }
    if work.own_rows > 0 {
        write_own_features(lane, work);
    }
    if engine.prepared.plan.expressions().is_some() {
        compute_expressions(lane, &engine.prepared.plan, work, start_ns);
        work.has_decided = work.joined.expressions.as_ref().is_some_and(|it| it.has_decided());
    }
    let fetched_ns = host.now_ns();
    (work.fetch_ns, work.compute_ns) = (fetched_ns.saturating_sub(start_ns), 0);
    let others_until = |now_ns| lane.in_flight.borrow_mut().others_mean(start_ns, now_ns);
    let scored = if let Some(remote) = &engine.remote {
        let asked = ask(lane, remote, host, work, fetched_ns).await;
        work.others_mean = others_until(fetched_ns + work.compute_ns);
        asked
    } else {
        if !engine.is_immediate() {
            work.others_mean = others_until(fetched_ns);
        }
        compute(lane, engine, host, work).await
    };
    if scored.is_ok() {
        forget_scores_of_decided(work);
        decide_by_score(lane, engine, work);
    }
    work.start_ns = start_ns;
    measure(lane, engine, host, work);
    scored
}

/// Joins the rows' features, all by one plan. Where the store's columns are others than at the last
/// batch, the plan is bound to them first.
async fn fetch(lane: &Lane, engine: &Engine, host: &Host, work: &mut Work) {
    let now_us = wall_us();
    if lane.is_unfit() {
        // Nothing is fetched, so nothing else would show that the columns fit again.
        engine.store.look();
    }
    for _ in 0..FETCHES_MAX {
        let Some(plan) = engine.plan(lane, host) else {
            return work.joined.refuse_all(work.requests.len(), now_us, Refusal::StoreUnfit);
        };
        let fetched = engine.store.fetch(&plan, &work.requests, now_us, &mut work.joined);
        match fetched.await {
            Fetched::Joined => return,
            Fetched::SchemaChanged => {}
        }
    }
    work.joined.refuse_all(work.requests.len(), now_us, Refusal::StoreUnavailable { entity: 0 });
}

/// Computes the expressions of the rows, by the clock of their arrival.
fn compute_expressions(lane: &Lane, plan: &JoinPlan, work: &mut Work, start_ns: u64) {
    let now_us = work.joined.now_us;
    {
        let mut rows = lane.rows.borrow_mut();
        for id in &work.rows {
            let row = rows.get_mut(*id);
            if row.arrived_us == 0 {
                let waited_ns = start_ns.saturating_sub(row.queued_ns);
                row.arrived_us = now_us - (waited_ns / 1_000) as i64;
            }
        }
    }
    let rows = lane.rows.borrow();
    let Work { joined, rows: ids, .. } = work;
    plan.compute(joined, |place| {
        let row = rows.get(ids[place]);
        RequestValues {
            cells: &row.request_cells,
            texts: &row.texts,
            are_columns: row.has_own_features,
            arrived_us: row.arrived_us,
        }
    });
}

/// Takes the scores from rows that a rule decided before the model: a remote model is sent the whole
/// batch, and its answers mean nothing for them.
fn forget_scores_of_decided(work: &mut Work) {
    let Some(computing) = work.joined.expressions.as_deref().filter(|_| work.has_decided) else {
        return;
    };
    for (row, score) in work.scores.iter_mut().enumerate() {
        if computing.rule(row).is_some() {
            *score = f64::NAN;
        }
    }
}

/// Holds the rules behind the model against the scores.
fn decide_by_score(lane: &Lane, engine: &Engine, work: &mut Work) {
    let Some(plan) = engine.prepared.plan.expressions() else { return };
    if !plan.has_rules_after() {
        return;
    }
    let answers = &lane.settings.answers;
    let Work { joined, scores, .. } = work;
    let Some(computing) = joined.expressions.as_deref_mut() else { return };
    plan.decide(computing, scores, |score| {
        (answers.decision_name(score), answers.points(score).flatten())
    });
}

/// Records a batch that was fetched and computed, and learns from it.
fn measure(lane: &Lane, engine: &Engine, host: &Host, work: &Work) {
    let (count, fetch_ns) = (work.rows.len(), work.fetch_ns);
    {
        let mut histograms = lane.histograms.borrow_mut();
        histograms.record(Phase::Features, fetch_ns, count as u64);
        histograms.record(Phase::Model, work.compute_ns, count as u64);
        histograms.record_batch(count as u64);
    }
    {
        let mut known = lane.estimates.borrow_mut();
        // A server's computation is waited for like a fetch.
        let asked_ns = if engine.remote.is_some() { work.compute_ns } else { 0 };
        let waited_ns = fetch_ns + asked_ns;
        known.fetch.observe(count, work.others, waited_ns);
        if !engine.is_immediate() {
            known.contention.observe(count, work.demand, work.others_mean, waited_ns);
            lane.counters()
                .batch_places
                .set(concurrency_limit(&known, &lane.settings.policy) as u64);
        }
        known.drain.observe(count, lane.waiting_rows(), host.now_ns());
    }
    let counters = lane.counters();
    counters.features_ns.add(fetch_ns);
    counters.model_ns.add(work.compute_ns);
    counters.last_batch_ms.set((work.joined.now_us / 1_000) as u64);
    observe(lane, &work.joined);
}

/// Counts what the features of a batch were like.
fn observe(lane: &Lane, joined: &Joined) {
    let counters = lane.counters();
    counters.keys_fetched.add(joined.keys_fetched);
    for (column, defaulted) in joined.defaulted_by_column.iter().enumerate() {
        if *defaulted > 0 {
            counters.cells_defaulted.get(column).add(*defaulted);
        }
    }
    for (_, column) in &joined.unknown_cells {
        counters.texts_unknown.get(*column as usize).add(1);
    }
    {
        let mut histograms = lane.histograms.borrow_mut();
        for age_s in joined.ages_s() {
            histograms.record_feature_age(age_s);
        }
    }
    for entity in 0..counters.entity_ages.len() {
        let (rows, age_s) =
            joined.ages_of(entity).fold((0, 0), |(rows, all), age_s| (rows + 1, all + age_s));
        counters.entity_ages.get(entity).add(rows);
        counters.entity_age_s.get(entity).add(age_s);
    }
    for (entity, waited) in joined.waits() {
        counters.entity_waits.get(*entity).add(1);
        counters.entity_wait_ns.get(*entity).add(waited.as_nanos() as u64);
    }
    let batches = counters.batches.get();
    counters.batches.set(batches + 1);
    let row = lane.drift_sample.of_batch(batches, joined.outcomes.len(), joined.now_us);
    if let Some(row) = row.filter(|row| joined.outcomes[*row].last_updated_us.is_some()) {
        lane.telemetry().sample(|column| joined.matrix.get(row, column));
    }
}

/// Writes the rows whose requests gave the features themselves.
fn write_own_features(lane: &Lane, work: &mut Work) {
    let rows = lane.rows.borrow();
    for (index, id) in work.rows.iter().enumerate() {
        let row = rows.get(*id);
        if row.has_own_features {
            let texts = &lane.settings.signature.texts;
            work.joined.write_own(index, &row.request_cells, texts);
        }
    }
}

/// Gives each row its outcome and wakes the connections; those that are to be explained are left in
/// `work.explained`.
fn finish(lane: &Lane, host: &Host, work: &mut Work, computed: Result<(), RowFailure>) {
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

/// The wall clock in µs since 1970, by which the age of features is told.
fn wall_us() -> i64 {
    wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
