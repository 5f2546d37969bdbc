//! Runs batches: takes rows from a lane, has their features joined and their scores computed,
//! and wakes the connections that wait for them.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use futures_lite::FutureExt;
use futures_lite::future::or;

use super::compute::{ask, compute};
use super::decide::demand;
use super::explain::{self};
use super::finish::finish;
use super::measure::measure;
use super::work::{Engine, Work};
use super::{Decision, Host, Lane, shadow};
use crate::executor::runtime::{sleep, spawn, wall, yield_once};
use crate::facts::Role;
use crate::failure::{Refusal, RowFailure};
use crate::features::Fetched;
use crate::features::expressions::RequestValues;
use crate::features::join::JoinPlan;
use crate::telemetry::Phase;

/// How often a batch is joined anew where the store's columns change meanwhile.
const FETCHES_MAX: usize = 3;

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

/// Collects what the batch's rows ask for, and records how long they waited.
fn collect(lane: &Lane, work: &mut Work, start_ns: u64) {
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
}

/// Joins the rows' features and computes their scores into `work`.
async fn score_batch(
    lane: &Lane,
    engine: &Engine,
    host: &Host,
    work: &mut Work,
    start_ns: u64,
) -> Result<(), RowFailure> {
    collect(lane, work, start_ns);
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

/// The wall clock in µs since 1970, by which the age of features is told.
fn wall_us() -> i64 {
    wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
