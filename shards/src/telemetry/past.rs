//! What the lanes that are gone had counted, in one sum, so that totals do not go back with them.

use super::{Counter, Histograms, LaneTelemetry};
use crate::facts::Role;
use crate::failure::RowFailure;
use crate::provenance::FeatureStatus;

/// The sum of what lanes counted that are not kept one by one any more.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// How many lanes there were.
    pub lanes: u64,
    /// Their counters.
    pub counts: LaneCounts,
    /// What those of them measured that answered somebody; `None` before the first.
    histograms: Option<Box<Histograms>>,
}

/// Counts of one lane, or of several together, that never go back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// As [`super::LaneCounters::rows`].
    pub rows: [u64; FeatureStatus::ALL.len()],
    /// As [`super::LaneCounters::rows_own_features`].
    pub rows_own_features: u64,
    /// As [`super::LaneCounters::rows_failed`].
    pub rows_failed: [u64; RowFailure::REASONS.len()],
    /// As [`super::LaneCounters::features_ns`].
    pub features_ns: u64,
    /// As [`super::LaneCounters::model_ns`].
    pub model_ns: u64,
}

impl LaneCounts {
    /// Adds what a lane has counted by now.
    pub fn add(&mut self, lane: &LaneTelemetry) {
        let cells = &lane.counters;
        add_each(&mut self.rows, &cells.rows);
        add_each(&mut self.rows_failed, &cells.rows_failed);
        self.rows_own_features += cells.rows_own_features.get();
        self.features_ns += cells.features_ns.get();
        self.model_ns += cells.model_ns.get();
    }

    /// Rows that got a score.
    pub fn rows_scored(&self) -> u64 {
        self.rows.iter().sum::<u64>() + self.rows_own_features
    }

    /// Rows that were queued and got none.
    pub fn rows_not_scored(&self) -> u64 {
        self.rows_failed.iter().sum()
    }
}

fn add_each(sums: &mut [u64], cells: &[Counter]) {
    sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell.get());
}

impl Past {
    /// What the lanes measured, merged into one; `None` before the first is gone.
    pub fn histograms(&self) -> Option<&Histograms> {
        self.histograms.as_deref()
    }

    /// Adds a lane that counts no more.
    pub(super) fn add(&mut self, lane: &LaneTelemetry) {
        self.lanes += 1;
        self.counts.add(lane);
        if lane.facts.role != Role::Shadow {
            self.histograms.get_or_insert_default().merge(&lane.handover.latest());
        }
    }
}
