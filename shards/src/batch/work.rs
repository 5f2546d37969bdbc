//! What computes a lane's batches, and the buffers that one batch has.
//!
//! What is *not* here: the steps of a batch (`pipeline`).

use std::cell::RefCell;
use std::rc::Rc;

use super::binding::Binding;
use super::explain::ExplainedRow;
use super::{Host, Lane, PreparedModel, RowId};
use crate::features::join::JoinPlan;
use crate::features::{FeatureMatrix, FeatureStore, FetchRequests, Joined};
use crate::model::remote::RemoteClient;
use crate::origin::TraceParent;

/// What computes one lane's batches: this shard's copy of the model, and its way to the store.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(super) prepared: PreparedModel,
    binding: Binding,
    pub(super) store: Rc<FeatureStore>,
    /// The way to the model's server, where it is computed there.
    pub(super) remote: Option<RemoteClient>,
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
    pub(super) fn plan(&self, lane: &Lane, host: &Host) -> Option<Rc<JoinPlan>> {
        self.binding.plan(lane, &self.prepared, &self.store, host.context.counters())
    }

    /// Whether a batch never waits: then there is nothing to gain from a second one in flight.
    pub(super) fn is_immediate(&self) -> bool {
        self.store.is_immediate() && self.remote.is_none()
    }

    pub(super) fn work(&self) -> Work {
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
    pub(super) fn new(plan: &JoinPlan) -> Self {
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
