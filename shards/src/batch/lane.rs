//! One version of one model on this shard: its queue, and who waits for what.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::drift_sample::DriftSample;
use super::{
    BatchPolicy, Decision, Estimates, InFlightBatches, Notify, QueueView, RowId, RowState, Rows,
    decide,
};
use crate::facts::Role;
use crate::failure::RowFailure;
use crate::features::aggregates::{Aggregate, ScoredPlan};
use crate::features::entities::RequestKeys;
use crate::features::join::RequestField;
use crate::model::Signature;
use crate::model::answer::Answers;
use crate::model::canary::Canary;
use crate::model::shadow::Shadow;
use crate::telemetry::{Histograms, LaneCounters, LaneTelemetry};

/// What a lane is told at its making.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The model's name.
    pub model: String,
    /// The model's version.
    pub version: u64,
    /// What the version is for.
    pub role: Role,
    /// The share of the users whom the version that is tried out scores.
    pub canary: Option<Canary>,
    /// The share of the users whom a candidate scores too, without answering them.
    pub shadow: Option<Shadow>,
    /// The fields of a request that the model's columns read, in order.
    pub request_fields: Vec<RequestField>,
    /// The fields of a request that are keys, where it has others than the user's.
    pub keys: RequestKeys,
    /// Whether features come from a store. Without one, requests name no user and nothing is said of
    /// provenance.
    pub has_store: bool,
    /// What the model reads and gives, for those who ask before they send.
    pub signature: Signature,
    /// What answers may have beside the score.
    pub answers: Answers,
    /// Whether scores are 32-bit floats, and printed as such.
    pub score_is_f32: bool,
    /// How batches are formed.
    pub policy: BatchPolicy,
    /// The most rows that may wait.
    pub queue_rows_max: usize,
    /// The longest time that a row may be expected to wait, in µs.
    pub queue_us_max: u64,
}

impl LaneSettings {
    /// Whether cells that a request gave to this version are as `other` reads them.
    pub(crate) fn reads_fields_of(&self, other: &Self) -> bool {
        let (own, others) = (&self.request_fields, &other.request_fields);
        self.keys == other.keys
            && own.len() == others.len()
            && own.iter().zip(others).all(|(own, other)| own.reads_as(other))
    }

    /// Whether it is the version of `model` for this role.
    pub fn is(&self, model: &str, role: Role) -> bool {
        self.role == role && self.model == model
    }
}

/// One version of one model on this shard. A reload makes a new lane and lets the old one drain,
/// so a row is always scored by the version that admitted it.
#[derive(Debug)]
pub struct Lane {
    /// What it was told at its making.
    pub settings: LaneSettings,
    /// Everything that was asked of it and is not yet answered.
    pub rows: RefCell<Rows>,
    /// Opened when a row arrives or a batch ends.
    pub changed: Notify,
    /// Opened when a row arrives whose deadline is before all others.
    pub(super) deadlines: Notify,
    /// The rows that wait, oldest first, and among them some that wait no more: those are passed
    /// over when their turn comes, as taking them out one by one would cost the whole queue each.
    pub(super) queue: RefCell<VecDeque<RowId>>,
    /// How many in the queue do wait.
    pub(super) waiting_rows: Cell<usize>,
    /// How many have left the queue since that was asked last.
    pub(super) departed_rows: Cell<usize>,
    /// Batches whose fetch or computation is not done.
    pub in_flight: RefCell<InFlightBatches>,
    /// Rows of the batches that are being computed in slices whose turn has not come yet.
    pub(super) computing_rows: Cell<usize>,
    /// Rows that have a score and are to be explained.
    pub(super) explaining_rows: Cell<usize>,
    /// What it has learnt of its costs and its load.
    pub(crate) estimates: RefCell<Estimates>,
    /// Rows admitted that the estimates have not yet seen.
    fresh_rows: Cell<usize>,
    /// No row that waits or runs has an earlier deadline.
    pub(super) earliest_deadline_ns: Cell<u64>,
    retired: Cell<bool>,
    /// Why the store does not fit the model, while it does not.
    unfit: RefCell<Option<Arc<str>>>,
    /// What it measures; copied for readers in the shard's tick.
    pub(crate) histograms: RefCell<Histograms>,
    pub(super) drift_sample: DriftSample,
    /// What it notes of the rows that it scored.
    pub(super) scored: OnceCell<ScoredPlan>,
    telemetry: Arc<LaneTelemetry>,
}

impl Lane {
    /// An empty lane that counts into `telemetry`.
    pub fn new(settings: LaneSettings, telemetry: Arc<LaneTelemetry>) -> Rc<Self> {
        Rc::new(Self {
            settings,
            rows: RefCell::default(),
            changed: Notify::default(),
            deadlines: Notify::default(),
            queue: RefCell::default(),
            waiting_rows: Cell::new(0),
            departed_rows: Cell::new(0),
            in_flight: RefCell::default(),
            computing_rows: Cell::new(0),
            explaining_rows: Cell::new(0),
            estimates: RefCell::default(),
            fresh_rows: Cell::new(0),
            earliest_deadline_ns: Cell::new(u64::MAX),
            retired: Cell::new(false),
            unfit: RefCell::default(),
            histograms: RefCell::default(),
            drift_sample: DriftSample::default(),
            scored: OnceCell::new(),
            telemetry,
        })
    }

    /// Has it note the rows that it scores for those of `aggregates` that ask for it. To be called once.
    pub(crate) fn count_scored(&self, aggregates: &[Aggregate]) {
        let LaneSettings { keys, request_fields, has_store, role, .. } = &self.settings;
        // A copy of a row is no other event.
        if *role == Role::Shadow {
            return;
        }
        let plan = ScoredPlan::new(aggregates, keys, request_fields, *has_store);
        if !plan.is_empty() {
            // It is set once, as it is said.
            let _ = self.scored.set(plan);
        }
    }

    /// What others see of it.
    pub(crate) fn telemetry(&self) -> &LaneTelemetry {
        &self.telemetry
    }

    /// What it counts.
    pub(crate) fn counters(&self) -> &LaneCounters {
        &self.telemetry.counters
    }

    /// Why the store does not fit the model; `None` while it does.
    pub(crate) fn unfit(&self) -> Option<Arc<str>> {
        self.unfit.borrow().clone()
    }

    /// Whether the store does not fit the model.
    pub(crate) fn is_unfit(&self) -> bool {
        self.unfit.borrow().is_some()
    }

    /// Says for everybody that the store's columns changed, and why they do not fit the model, if
    /// they do not.
    pub(super) fn set_unfit(&self, reason: Option<String>) {
        let reason: Option<Arc<str>> = reason.map(Arc::from);
        self.unfit.replace(reason.clone());
        self.telemetry.fit.change(reason);
    }

    /// The name of one of the model's columns.
    pub(crate) fn column_name(&self, column: u32) -> &str {
        self.telemetry.facts.columns.get(column as usize).map_or("?", |facts| facts.name.as_str())
    }

    pub(super) fn count_failure(&self, failure: RowFailure) {
        self.count_failures(failure, 1);
    }

    pub(super) fn count_failures(&self, failure: RowFailure, rows: usize) {
        self.counters().rows_failed[failure.reason_index()].add(rows as u64);
    }

    /// Queues a row that was let in.
    pub(super) fn push(&self, id: RowId, deadline_ns: u64) {
        self.queue.borrow_mut().push_back(id);
        self.waiting_rows.set(self.waiting_rows.get() + 1);
        if deadline_ns < self.earliest_deadline_ns.get() {
            self.earliest_deadline_ns.set(deadline_ns);
            self.deadlines.notify();
        }
        self.fresh_rows.set(self.fresh_rows.get() + 1);
        self.counters().queue_rows.add(1);
        self.changed.notify();
    }

    /// How many batches are not done.
    pub(crate) fn batches_in_flight(&self) -> usize {
        self.in_flight.borrow().count()
    }

    /// How many rows wait.
    pub(crate) fn waiting_rows(&self) -> usize {
        self.waiting_rows.get()
    }

    /// What to do next, by [`decide()`].
    pub(crate) fn decide(&self, now_ns: u64) -> Decision {
        let fresh_rows = self.fresh_rows.replace(0);
        let mut in_flight = self.in_flight.borrow_mut();
        in_flight.arrive(fresh_rows);
        let mut known = self.estimates.borrow_mut();
        known.arrivals.observe(fresh_rows, now_ns);
        decide(now_ns, self.view(), in_flight.load(), &known, &self.settings.policy)
    }

    /// What the policy sees of the queue.
    fn view(&self) -> QueueView {
        let queue = self.queue.borrow();
        let oldest_ns = queue.front().map_or(0, |id| self.rows.borrow().get(*id).queued_ns);
        QueueView { rows: self.waiting_rows(), oldest_ns }
    }

    /// Moves up to `count` of the oldest rows that wait from the queue into `batch`.
    pub fn take(&self, count: usize, batch: &mut Vec<RowId>) {
        let before = batch.len();
        {
            let mut queue = self.queue.borrow_mut();
            let mut rows = self.rows.borrow_mut();
            while batch.len() < count
                && let Some(id) = queue.pop_front()
            {
                let row = rows.get_mut(id);
                if row.state == RowState::Waiting {
                    row.state = RowState::Running;
                    batch.push(id);
                } else {
                    rows.let_go(id);
                }
            }
        }
        self.leave(batch.len() - before);
    }

    /// Ends a row of a batch. Returns the connection to wake; `None` when it has gone away, or was
    /// answered before.
    pub fn complete(&self, id: RowId, outcome: Result<super::Scored, RowFailure>) -> Option<u32> {
        let mut rows = self.rows.borrow_mut();
        let row = rows.get_mut(id);
        if row.state != RowState::Running {
            rows.let_go(id);
            return None;
        }
        if let Ok(scored) = outcome {
            if scored.score.is_finite() {
                self.telemetry.count_score(scored.score);
            } else {
                self.counters().rows_decided.add(1);
            }
            let rule = scored.rule.and_then(|rule| self.settings.answers.rule_place(rule));
            if let Some(rule) = rule {
                self.counters().rules.get(rule).add(1);
            }
            if let Some(decision) = self.settings.answers.decision_of(scored.score, scored.rule) {
                self.counters().decisions.get(decision).add(1);
            }
        }
        match outcome {
            Ok(_) if row.has_own_features || !self.settings.has_store => {
                self.counters().rows_own_features.add(1);
            }
            Ok(scored) => {
                self.counters().rows[scored.status as usize].add(1);
                if !scored.statuses.is_empty() {
                    self.telemetry.count_entities(scored.statuses);
                }
            }
            Err(failure) => self.count_failure(failure),
        }
        row.state = RowState::Done(outcome);
        row.is_held = false;
        Some(row.connection)
    }

    /// Frees a row whose connection has read its outcome or has gone away, now or when the queue
    /// or the batch that holds it lets it go.
    pub fn release(&self, id: RowId) {
        let mut rows = self.rows.borrow_mut();
        let row = rows.get_mut(id);
        let before = row.state;
        if row.is_held {
            row.state = RowState::Abandoned;
        } else {
            rows.remove(id);
        }
        drop(rows);
        if matches!(before, RowState::Waiting | RowState::Running) {
            self.counters().rows_abandoned.add(1);
        }
        self.leave(usize::from(before == RowState::Waiting));
    }

    /// No further row will be admitted: the batcher ends when all are answered.
    pub fn retire(&self) {
        self.retired.set(true);
        self.counters().retired.set(1);
        self.changed.notify();
    }

    /// Whether the lane was retired and has nothing left to do.
    pub fn is_finished(&self) -> bool {
        self.retired.get()
            && self.waiting_rows() == 0
            && self.batches_in_flight() == 0
            && self.explaining_rows.get() == 0
    }
}

impl Drop for Lane {
    /// Nobody waits for it any more: what it measured is final.
    fn drop(&mut self) {
        self.telemetry.handover.close(&self.histograms.borrow());
    }
}
