//! All that a shard counts and measures, and how others ask for copies of the shard's histograms.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Handover, Histograms, LaneFacts, LaneTelemetry, ShardCounters, StoreCounters};
use crate::model::repository::Role;

/// What a shard counts and measures, for any thread to read.
#[derive(Debug, Default)]
pub struct ShardTelemetry {
    /// What the shard counts, whatever the model.
    pub counters: ShardCounters,
    /// What its store did.
    pub store: StoreCounters,
    /// Where it copies the histograms of answers that no model was asked for.
    pub handover: Handover,
    /// One a version of a model. The lock is taken when a lane is opened, and by readers.
    lanes: Mutex<Vec<Arc<LaneTelemetry>>>,
}

impl ShardTelemetry {
    /// What the shard counts and measures for each version of each model that it has opened.
    #[expect(clippy::disallowed_methods, reason = "readers wait; a shard only asks at a reload")]
    pub fn lanes(&self) -> Vec<Arc<LaneTelemetry>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cells for a lane that is being opened. The same version loaded again starts at zero, as
    /// after a restart, which readers of counters know how to read.
    #[expect(clippy::disallowed_methods, reason = "once for a model that is opened")]
    pub(crate) fn add_lane(&self, facts: LaneFacts) -> Arc<LaneTelemetry> {
        let lane = Arc::new(LaneTelemetry::new(facts));
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|other| {
            (&other.facts.model, other.facts.version) != (&lane.facts.model, lane.facts.version)
        });
        lanes.push(Arc::clone(&lane));
        lane
    }

    /// Asks the shard for a copy of all its histograms.
    pub fn ask(&self) -> Asked<'_> {
        let lanes = self.lanes().into_iter();
        let lanes = lanes.map(|lane| (lane.handover.request(), lane)).collect();
        Asked { shard: self, lanes, without_model: self.handover.request() }
    }
}

/// A shard has been asked for its histograms.
#[derive(Debug)]
pub struct Asked<'a> {
    shard: &'a ShardTelemetry,
    without_model: u64,
    lanes: Vec<(u64, Arc<LaneTelemetry>)>,
}

/// Copies of a shard's histograms.
#[derive(Debug)]
pub struct HistogramCopies {
    /// When the shard made them.
    pub taken_at: Instant,
    /// Of answers that no model was asked for.
    pub without_model: Histograms,
    /// Of each version of each model.
    pub lanes: Vec<(Arc<LaneTelemetry>, Histograms)>,
}

impl Asked<'_> {
    /// Waits for the copies; `None` when the shard did not make all within `patience`. Blocks its
    /// thread: not for shards.
    pub fn wait(self, patience: Duration) -> Option<HistogramCopies> {
        let give_up = Instant::now() + patience;
        let left = || give_up.saturating_duration_since(Instant::now());
        let without_model = self.shard.handover.wait(self.without_model, left())?;
        let taken_at = self.shard.handover.copied_at()?;
        let copied = self.lanes.into_iter().map(|(number, lane)| {
            // One that a reload has replaced answers no more; its last copy is final, or nearly.
            let retired = || lane.counters.retired.get() == 1;
            let copy = if retired() { None } else { lane.handover.wait(number, left()) };
            let copy = copy.or_else(|| retired().then(|| lane.handover.latest()))?;
            Some((lane, copy))
        });
        let lanes = copied.collect::<Option<_>>()?;
        Some(HistogramCopies { taken_at, without_model, lanes })
    }
}

impl HistogramCopies {
    /// How long before them `earlier` ones were made, in seconds.
    pub fn elapsed_s(&self, earlier: &Self) -> f64 {
        self.taken_at.saturating_duration_since(earlier.taken_at).as_secs_f64()
    }

    /// What was measured since `earlier`, all merged into one; everything where there is none.
    pub fn since(&self, earlier: Option<&Self>) -> Histograms {
        let mut since = self.without_model.clone();
        if let Some(earlier) = earlier {
            since.subtract(&earlier.without_model);
        }
        for (lane, now) in self.answering() {
            since.merge(now);
            // A lane that was opened since has measured everything since.
            let known = earlier.and_then(|earlier| {
                earlier.lanes.iter().find(|(known, _)| Arc::ptr_eq(known, lane))
            });
            if let Some((_, before)) = known {
                since.subtract(before);
            }
        }
        since
    }

    /// All of them merged into one.
    pub fn merged(&self) -> Histograms {
        let mut merged = self.without_model.clone();
        for (_, lane) in self.answering() {
            merged.merge(lane);
        }
        merged
    }

    /// The lanes whose batches answer somebody.
    fn answering(&self) -> impl Iterator<Item = &(Arc<LaneTelemetry>, Histograms)> {
        self.lanes.iter().filter(|(lane, _)| lane.facts.role != Role::Shadow)
    }
}
