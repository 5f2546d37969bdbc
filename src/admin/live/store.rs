//! What the feature store failed to give in the last seconds, in words that `/readyz`, the page and
//! the metrics share.

use shards::failure::{FaultReason, RowFailure};
use shards::provenance::FeatureStatus;

/// What the store did in a second, over all shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StoreSecond {
    /// Rows that were scored on defaults, as the store gave nothing.
    pub(super) defaulted: u64,
    /// Rows that were scored on last known values.
    pub(super) stale: u64,
    /// Rows that were refused, as the model's policy for that is.
    pub(super) refused: u64,
    /// Statements to a cluster that brought nothing, by the index of their reason.
    pub(super) statements_failed: [u64; FaultReason::ALL.len()],
    /// Keys whose records in the store's file are not as they were written.
    pub(super) damaged: u64,
    /// The shards that no node of their cluster was connected to.
    pub(super) disconnected: Vec<usize>,
}

impl StoreSecond {
    /// The index of refused rows among those without a score.
    pub(super) const REFUSED: usize = {
        let reason = RowFailure::Refused(shards::failure::Refusal::StoreUnavailable { entity: 0 });
        reason.reason_index()
    };

    /// The rows that the store gave nothing for, by what their features are.
    pub(super) fn of_features(status: FeatureStatus, rows: u64) -> Self {
        match status {
            FeatureStatus::Error => Self { defaulted: rows, ..Self::default() },
            FeatureStatus::Stale => Self { stale: rows, ..Self::default() },
            _ => Self::default(),
        }
    }

    /// Adds what another shard, or another second, was like.
    pub(super) fn add(&mut self, other: &Self) {
        self.defaulted += other.defaulted;
        self.stale += other.stale;
        self.refused += other.refused;
        self.damaged += other.damaged;
        for (sum, more) in self.statements_failed.iter_mut().zip(other.statements_failed) {
            *sum += more;
        }
        self.disconnected.extend(&other.disconnected);
        self.disconnected.sort_unstable();
        self.disconnected.dedup();
    }

    /// How answers are worse than with a store that answers; none where they are not. There is no
    /// number in it, so that it stays the same while it goes on.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (rows, fault) in [
            (
                self.defaulted,
                "rows are scored on defaults, as the feature store gives nothing for them (x-features: error)",
            ),
            (
                self.stale,
                "rows are scored on last known values, as the feature store does not answer for them (x-features: stale)",
            ),
            (
                self.refused,
                "rows are refused, as the feature store does not answer for them (503, on_error = \"reject\")",
            ),
            (
                self.damaged,
                "records of the feature store's file are damaged: import all features again with --replace",
            ),
        ] {
            if rows > 0 {
                faults.push(fault.to_owned());
            }
        }
        if !self.disconnected.is_empty() {
            let shards: Vec<_> = self.disconnected.iter().map(usize::to_string).collect();
            faults.push(format!(
                "no node of the cluster is connected to shard {}",
                shards.join(", ")
            ));
        }
        // A statement that failed and was answered when it was sent again is no fault of an answer.
        if !faults.is_empty() {
            let failed = FaultReason::ALL.iter().zip(self.statements_failed);
            let failed = failed.filter(|(_, count)| *count > 0).map(|(reason, _)| reason.as_str());
            let failed: Vec<_> = failed.collect();
            if !failed.is_empty() {
                faults.push(format!("statements to the cluster fail: {}", failed.join(", ")));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_answers_has_no_faults() {
        let retried = StoreSecond { statements_failed: [1; 10], ..StoreSecond::default() };
        assert_eq!(StoreSecond::default().faults(), [""; 0]);
        assert_eq!(retried.faults(), [""; 0], "what was answered in the end is no fault");
        let stored = StoreSecond::of_features(FeatureStatus::Missing, 5);
        assert_eq!(stored.faults(), [""; 0], "nor is a user that nobody knows");
    }

    #[test]
    fn damage_is_named_beside_what_it_does_to_rows() {
        let mut second = StoreSecond::of_features(FeatureStatus::Error, 1);
        second.add(&StoreSecond { damaged: 1, ..StoreSecond::default() });
        let faults = second.faults();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[1].contains("are damaged"), "{faults:?}");
    }

    #[test]
    fn one_row_on_defaults_is_a_fault_and_its_reason_is_said() {
        let mut second = StoreSecond::of_features(FeatureStatus::Error, 1);
        let mut statements_failed = [0; 10];
        statements_failed[FaultReason::Unauthorized as usize] = 2;
        let other = StoreSecond { statements_failed, disconnected: vec![1], ..Default::default() };
        second.add(&other);
        second.add(&other);
        let faults = second.faults();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].contains("on defaults") && faults[0].contains("error"));
        assert_eq!(faults[1], "no node of the cluster is connected to shard 1");
        assert_eq!(faults[2], "statements to the cluster fail: unauthorized");
    }
}
