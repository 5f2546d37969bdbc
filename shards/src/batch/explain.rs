//! Explains rows of a batch that were scored, in slices: rows that are not explained never wait for
//! those that are.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures_lite::FutureExt;

use super::finish::finish_rows;
use super::row_answer::Explanation;
use super::work::{Engine, Work};
use super::{Host, Lane, Row, RowState, Rows, Scored};
use crate::executor::runtime::yield_once;
use crate::failure::RowFailure;
use crate::model::explain::Explainer;

/// A row of a batch that is explained.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExplainedRow {
    /// Its place in the batch.
    pub(super) index: usize,
    /// How many reasons it has.
    pub(super) reasons: usize,
    pub(super) outcome: Result<Scored, RowFailure>,
}

impl Lane {
    /// Whether rows that are to be explained wait for that as long as any row may wait.
    pub(super) fn explains_too_much(&self) -> bool {
        let rows = self.explaining_rows.get();
        let ns = self.estimates.borrow().explain.predict_ns(rows, 0);
        rows > 0
            && (rows >= self.settings.queue_rows_max || ns / 1_000 > self.settings.queue_us_max)
    }
}

/// Puts the rows of a batch that are explained into `work.explained`. One that has no time to be is
/// refused there and then: a row that was promised reasons never has a bare score.
pub(super) fn choose(
    lane: &Lane,
    work: &mut Work,
    outcome: impl Fn(&Work, usize) -> Result<Scored, RowFailure>,
) {
    let rows = lane.rows.borrow();
    for index in 0..work.rows.len() {
        let Ok(scored) = outcome(work, index) else { continue };
        if !scored.score.is_finite() {
            // A rule decided it before the model.
            continue;
        }
        let row = rows.get(work.rows[index]);
        let answers = &lane.settings.answers;
        let reasons = answers.reasons_of(row.answer.wants(), scored.score, scored.rule);
        if let Some(reasons) = reasons.filter(|_| row.state == RowState::Running) {
            work.explained.push(ExplainedRow { index, reasons, outcome: Ok(scored) });
        }
    }
    if !work.explained.is_empty() && lane.explains_too_much() {
        for row in &mut work.explained {
            row.outcome = Err(RowFailure::Overloaded);
        }
    }
}

/// Explains the rows of `work.explained`, ends them, and gives the buffers back.
pub(super) async fn run(lane: Rc<Lane>, engine: Rc<Engine>, host: Host, mut work: Work) {
    let rows = work.explained.len();
    let explained = AssertUnwindSafe(explain(&lane, &engine, &host, &mut work)).catch_unwind();
    if explained.await.is_err() {
        lane.counters().batches_panicked.add(1);
        let done = work.explained_done;
        end(&lane, &host, &mut work, done..rows, |row| row.outcome = Err(RowFailure::Panicked));
        engine.prepared.replace_model();
        work = engine.new_work();
    }
    engine.give_back(work);
    lane.changed.notify();
}

/// Explains all rows, slice by slice, and ends each slice.
async fn explain(lane: &Lane, engine: &Engine, host: &Host, work: &mut Work) {
    let times = times_explained(lane, work);
    while work.explained_done < work.explained.len() {
        // Others have their turn: whatever was scored is answered first.
        yield_once().await;
        lane.expire(host.now_ns(), |connection| host.clients.wake(connection));
        let slice_ns = lane.settings.policy.compute_slice_us_max.saturating_mul(1_000);
        let rows_max = lane.estimates.borrow().explain.rows_within(slice_ns);
        let rows_max = rows_max / times;
        let first = work.explained_done;
        let slice = first..work.explained.len().min(first + rows_max.max(1));
        match explain_slice(lane, engine, host, work, slice.clone()) {
            Ok(()) => end(lane, host, work, slice, |_| {}),
            Err(reason) => {
                let model = lane.settings.model.as_str();
                tracing::error!(model, reason, "scores were not explained");
                end(lane, host, work, slice, |row| row.outcome = Err(RowFailure::ModelFailed));
            }
        }
    }
}

/// Computes the contributions of those rows of a slice that somebody waits for, and keeps what each
/// wants of them.
fn explain_slice(
    lane: &Lane,
    engine: &Engine,
    host: &Host,
    work: &mut Work,
    slice: Range<usize>,
) -> Result<(), String> {
    let Some(reasons) = &lane.settings.answers.reasons else { return Ok(()) };
    let mut rows = lane.rows.borrow_mut();
    let waits = |row: &ExplainedRow| {
        row.outcome.is_ok() && rows.get(work.rows[row.index]).state == RowState::Running
    };
    let Work { explained, slice_rows, joined, contributions, .. } = work;
    slice_rows.clear();
    let places = slice.filter(|place| waits(&explained[*place]));
    slice_rows.extend(places);
    let indexes: Vec<usize> = slice_rows.iter().map(|place| explained[*place].index).collect();
    work.slice.copy_rows(&joined.matrix, &indexes);
    let start_ns = host.now_ns();
    let mut model = engine.prepared.model.borrow_mut();
    let explainer = model.explainer().ok_or("the model has no explainer")?;
    explainer.explain(&work.slice, contributions)?;
    let base = explainer.base();
    let taken_ns = host.now_ns().saturating_sub(start_ns);
    lane.estimates.borrow_mut().explain.observe(indexes.len(), 0, taken_ns);
    lane.counters().explain_ns.add(taken_ns);
    let columns = work.slice.columns();
    for (place, row) in slice_rows.iter().enumerate() {
        let ExplainedRow { index, reasons: count, .. } = explained[*row];
        let own = &contributions[place * columns..(place + 1) * columns];
        let answer = &mut rows.get_mut(work.rows[index]).answer;
        let wants = answer.wants();
        let parts = answer.parts_mut();
        let margin = base + own.iter().sum::<f64>();
        parts.explanation = Some(Explanation { base, margin, reasons_max: count });
        let value = |column: u32| work.slice.get(place, column as usize);
        reasons.choose(own, count, value, &mut parts.reasons);
        if wants.contributions && explainer.output_count() == 0 {
            parts.contributions.extend_from_slice(own);
        }
        if count > 0 {
            lane.counters().rows_explained.add(1);
        }
        for reason in &parts.reasons {
            lane.counters().reasons.get(reason.group as usize).add(1);
        }
    }
    if explainer.output_count() > 0 {
        let start_ns = host.now_ns();
        let explained = explain_outputs(explainer, work, &mut rows)?;
        let taken_ns = host.now_ns().saturating_sub(start_ns);
        lane.counters().explain_ns.add(taken_ns);
        if explained > 0 {
            lane.estimates.borrow_mut().explain.observe(
                indexes.len(),
                0,
                taken_ns / explained as u64,
            );
        }
    }
    Ok(())
}

/// How often the rows that are left are explained: once, or for the score and each column of the
/// output where one of them wants all contributions.
fn times_explained(lane: &Lane, work: &Work) -> usize {
    let outputs = lane.settings.answers.explained_outputs;
    let rows = lane.rows.borrow();
    let wants_all =
        |row: &ExplainedRow| rows.get(work.rows[row.index]).answer.wants().contributions;
    let is_for_each = outputs > 0 && work.explained[work.explained_done..].iter().any(wants_all);
    if is_for_each { outputs + 1 } else { 1 }
}

/// Computes the contributions to each column of the output, where a row of the slice wants all of
/// them; says how many columns there are then.
fn explain_outputs(
    explainer: &mut Explainer,
    work: &mut Work,
    rows: &mut Rows,
) -> Result<usize, String> {
    let Work { rows: batch, explained, slice_rows, slice, contributions, .. } = work;
    let slot = |place: usize| batch[explained[place].index];
    let wants_all = |row: &Row| row.answer.wants().contributions;
    if !slice_rows.iter().any(|place| wants_all(rows.get(slot(*place)))) {
        return Ok(0);
    }
    let columns = slice.columns().max(1);
    for output in explainer.outputs() {
        output.explain(slice, contributions)?;
        for (own, place) in contributions.chunks_exact(columns).zip(&*slice_rows) {
            let row = rows.get_mut(slot(*place));
            if wants_all(row) {
                let kept = &mut row.answer.parts_mut().contributions;
                kept.extend_from_slice(own);
                kept.push(output.base());
            }
        }
    }
    Ok(explainer.output_count())
}

/// Ends the rows of a slice, each changed by `change` first.
fn end(
    lane: &Lane,
    host: &Host,
    work: &mut Work,
    slice: Range<usize>,
    change: impl Fn(&mut ExplainedRow),
) {
    let (rows, done) = (slice.len(), slice.end);
    work.explained[slice.clone()].iter_mut().for_each(change);
    let ended = &work.explained[slice];
    finish_rows(lane, host, work, ended.iter().map(|row| (row.index, row.outcome)), true);
    work.explained_done = done;
    lane.explaining_rows.update(|all| all - rows);
}
