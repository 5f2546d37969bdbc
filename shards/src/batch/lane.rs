//! One version of one model on this shard: its queue, and who waits for what.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::{
    BatchPolicy, Decision, Estimates, Gate, Load, QueueView, RowFailure, RowId, RowState, Rows,
    decide,
};
use crate::model::Signature;
use crate::model::canary::Canary;
use crate::telemetry::{Histograms, LaneCounters, LaneTelemetry};

/// What a lane is told at its making.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The model's name.
    pub model: String,
    /// The model's version.
    pub version: u32,
    /// Whether it is tried out on a share of the users, beside the version that the others get.
    pub is_canary: bool,
    /// The share of the users whom the version that is tried out scores.
    pub canary: Option<Canary>,
    /// The fields of a request that the model's columns read, in order.
    pub request_fields: Vec<String>,
    /// What the model reads and gives, for those who ask before they send.
    pub signature: Signature,
    /// Whether scores are 32-bit floats, and printed as such.
    pub score_is_f32: bool,
    /// How batches are formed.
    pub policy: BatchPolicy,
    /// The most rows that may wait.
    pub queue_rows_max: usize,
}

impl LaneSettings {
    /// Whether it is a version of `model` that is tried out.
    pub fn is_canary_of(&self, model: &str) -> bool {
        self.is_canary && self.model == model
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
    pub gate: Gate,
    queue: RefCell<VecDeque<RowId>>,
    /// Batches whose fetch or computation is not done.
    pub batches_in_flight: Cell<usize>,
    /// What it has learnt of its costs and its load.
    pub(crate) estimates: RefCell<Estimates>,
    /// Rows admitted that the estimates have not yet seen.
    fresh_rows: Cell<usize>,
    retired: Cell<bool>,
    /// The header line that says which version answered.
    pub(crate) version_field: String,
    /// What it measures; copied for readers in the shard's tick.
    pub(crate) histograms: RefCell<Histograms>,
    telemetry: Arc<LaneTelemetry>,
}

impl Lane {
    /// An empty lane that counts into `telemetry`.
    pub fn new(settings: LaneSettings, telemetry: Arc<LaneTelemetry>) -> Rc<Self> {
        Rc::new(Self {
            version_field: format!("x-model-version: {}\r\n", settings.version),
            settings,
            rows: RefCell::default(),
            gate: Gate::default(),
            queue: RefCell::default(),
            batches_in_flight: Cell::new(0),
            estimates: RefCell::default(),
            fresh_rows: Cell::new(0),
            retired: Cell::new(false),
            histograms: RefCell::default(),
            telemetry,
        })
    }

    /// What others see of it.
    pub(crate) fn telemetry(&self) -> &LaneTelemetry {
        &self.telemetry
    }

    /// What it counts.
    pub(crate) fn counters(&self) -> &LaneCounters {
        &self.telemetry.counters
    }

    /// The name of one of the model's columns.
    pub(crate) fn column_name(&self, column: u32) -> &str {
        self.telemetry.facts.columns.get(column as usize).map_or("?", |facts| facts.name.as_str())
    }

    fn count_failure(&self, failure: RowFailure) {
        self.counters().rows_failed[failure.reason_index()].add(1);
    }

    /// Queues a row that has been filled, or ends it as [`RowFailure::Overloaded`] when the queue
    /// is full.
    pub fn admit(&self, id: RowId, now_ns: u64) {
        let mut queue = self.queue.borrow_mut();
        let mut rows = self.rows.borrow_mut();
        let row = rows.get_mut(id);
        if queue.len() >= self.settings.queue_rows_max {
            row.state = RowState::Done(Err(RowFailure::Overloaded));
            self.count_failure(RowFailure::Overloaded);
            return;
        }
        row.queued_ns = now_ns;
        queue.push_back(id);
        self.fresh_rows.set(self.fresh_rows.get() + 1);
        self.counters().queue_rows.add(1);
        self.gate.open();
    }

    /// What to do next, by [`decide()`].
    pub(crate) fn decide(&self, now_ns: u64) -> Decision {
        let load = Load { batches_in_flight: self.batches_in_flight.get() };
        let mut known = self.estimates.borrow_mut();
        known.arrivals.observe(self.fresh_rows.replace(0), now_ns);
        decide(now_ns, self.view(), load, &known, &self.settings.policy)
    }

    /// What the policy sees of the queue.
    fn view(&self) -> QueueView {
        let queue = self.queue.borrow();
        let oldest_ns = queue.front().map_or(0, |id| self.rows.borrow().get(*id).queued_ns);
        QueueView { rows: queue.len(), oldest_ns }
    }

    /// Moves up to `count` of the oldest rows from the queue into `batch`; a row whose deadline
    /// has passed is ended instead and its connection put into `expired`.
    pub fn take(&self, count: usize, now_ns: u64, batch: &mut Vec<RowId>, expired: &mut Vec<u32>) {
        let mut queue = self.queue.borrow_mut();
        let mut rows = self.rows.borrow_mut();
        while batch.len() < count
            && let Some(id) = queue.pop_front()
        {
            self.counters().queue_rows.subtract(1);
            let row = rows.get_mut(id);
            if row.deadline_ns <= now_ns {
                row.state = RowState::Done(Err(RowFailure::DeadlineExceeded));
                expired.push(row.connection);
                self.count_failure(RowFailure::DeadlineExceeded);
            } else {
                row.state = RowState::Running;
                batch.push(id);
            }
        }
    }

    /// Ends a running row. Returns the connection to wake; `None` when it has gone away.
    pub fn complete(&self, id: RowId, outcome: Result<super::Scored, RowFailure>) -> Option<u32> {
        let mut rows = self.rows.borrow_mut();
        let row = rows.get_mut(id);
        match outcome {
            Ok(_) if row.has_own_features => self.counters().rows_own_features.add(1),
            Ok(scored) => self.counters().rows[scored.status as usize].add(1),
            Err(failure) => self.count_failure(failure),
        }
        if row.state == RowState::Abandoned {
            rows.remove(id);
            return None;
        }
        row.state = RowState::Done(outcome);
        Some(row.connection)
    }

    /// Frees a row whose connection has read its outcome or has gone away. A row that waits
    /// leaves the queue; one that is running is freed at the end of its batch.
    pub fn release(&self, id: RowId) {
        let state = self.rows.borrow().get(id).state;
        match state {
            RowState::Done(_) => self.rows.borrow_mut().remove(id),
            RowState::Running | RowState::Abandoned => {
                self.counters().rows_abandoned.add(1);
                self.rows.borrow_mut().get_mut(id).state = RowState::Abandoned;
            }
            RowState::Waiting => {
                let mut queue = self.queue.borrow_mut();
                if let Some(at) = queue.iter().position(|queued| *queued == id) {
                    queue.remove(at);
                    self.counters().queue_rows.subtract(1);
                    self.counters().rows_abandoned.add(1);
                }
                self.rows.borrow_mut().remove(id);
            }
        }
    }

    /// No further row will be admitted: the batcher ends when all are answered.
    pub fn retire(&self) {
        self.retired.set(true);
        self.counters().retired.set(1);
        self.gate.open();
    }

    /// Whether the lane was retired and has nothing left to do.
    pub fn is_finished(&self) -> bool {
        self.retired.get() && self.queue.borrow().is_empty() && self.batches_in_flight.get() == 0
    }
}

impl Drop for Lane {
    /// Nobody waits for it any more: what it measured is final.
    fn drop(&mut self) {
        self.telemetry.handover.close(&self.histograms.borrow());
    }
}
