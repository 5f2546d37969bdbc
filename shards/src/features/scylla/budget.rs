//! Bounds how many keys are asked for again: a share of those asked for a first time.

/// How many keys may be retried without any having been asked for: one failed group's worth.
const SAVED_MAX: f64 = 128.0;

/// A budget of retries.
#[derive(Debug)]
pub(super) struct RetryBudget {
    saved: f64,
    per_key: f64,
}

impl RetryBudget {
    /// Allows `percent` of a hundred keys to be asked for again.
    pub(super) fn new(percent: f64) -> Self {
        Self { saved: SAVED_MAX.min(percent * SAVED_MAX), per_key: percent / 100.0 }
    }

    /// `keys` were asked for a first time.
    pub(super) fn earn(&mut self, keys: usize) {
        self.saved = (self.saved + self.per_key * keys as f64).min(SAVED_MAX);
    }

    /// Takes what `keys` retries cost; says how many of them may be made.
    pub(super) fn spend(&mut self, keys: usize) -> usize {
        let allowed = keys.min(self.saved as usize);
        self.saved -= allowed as f64;
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_cluster_costs_a_tenth_more_at_most() {
        let mut budget = RetryBudget::new(10.0);
        let (mut asked, mut retried) = (0, 0);
        for _ in 0..1000 {
            budget.earn(64);
            asked += 64;
            retried += budget.spend(64);
        }
        assert!(retried <= asked / 10 + SAVED_MAX as usize, "{retried} of {asked}");
        assert!(retried >= asked / 10, "{retried} of {asked}");
    }

    #[test]
    fn no_percent_is_no_retry() {
        let mut budget = RetryBudget::new(0.0);
        budget.earn(1_000_000);
        assert_eq!(budget.spend(1), 0);
    }
}
