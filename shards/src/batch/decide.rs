//! When a batch is closed: a pure function of the time, the queue and the load.

use serde::{Deserialize, Serialize};

/// The bounds within which batches are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchPolicy {
    /// The most rows that are scored together.
    #[serde(rename = "max_batch_size")]
    pub batch_rows_max: usize,
    /// How long the oldest row may wait for company while an earlier batch is under way, in µs.
    #[serde(rename = "max_delay_us")]
    pub delay_us_max: u64,
    /// How many batches may be under way at once: one computed while others are being fetched.
    #[serde(rename = "max_batches_in_flight")]
    pub batches_in_flight_max: usize,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self { batch_rows_max: 64, delay_us_max: 1_000, batches_in_flight_max: 8 }
    }
}

/// What the policy sees of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueView {
    /// Rows that wait.
    pub rows: usize,
    /// When the oldest of them was queued, in ns of the shard's clock; 0 when none waits.
    pub oldest_ns: u64,
}

/// What the policy sees of the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Batches whose fetch or computation is not done.
    pub batches_in_flight: usize,
}

/// What the batcher does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing waits: sleep until a row arrives.
    Sleep,
    /// Score this many of the oldest rows now.
    Run {
        /// How many rows, at least one.
        rows: usize,
    },
    /// Gather until this time, an arrival, or the end of a batch, then decide again.
    WaitUntil {
        /// In ns of the shard's clock.
        time_ns: u64,
    },
    /// As many batches are under way as may be: decide again when one ends.
    WaitForCompletion,
}

/// Decides what to do at `now_ns` of the shard's clock.
///
/// Work-conserving: with nothing under way a batch of whatever waits is run at once, so a lone
/// request is never delayed. While a batch is under way the next one gathers, until it is full
/// or its oldest row has waited `delay_us_max`, counted from when that row was queued (Triton's
/// `GetDynamicBatch` decides in the same way apart from its waiting loop).
pub fn decide(now_ns: u64, queue: QueueView, load: Load, policy: &BatchPolicy) -> Decision {
    if queue.rows == 0 {
        return Decision::Sleep;
    }
    let run = Decision::Run { rows: queue.rows.min(policy.batch_rows_max.max(1)) };
    if load.batches_in_flight == 0 {
        return run;
    }
    if load.batches_in_flight >= policy.batches_in_flight_max {
        return Decision::WaitForCompletion;
    }
    let closes_ns = queue.oldest_ns.saturating_add(policy.delay_us_max.saturating_mul(1_000));
    if queue.rows >= policy.batch_rows_max || now_ns >= closes_ns {
        return run;
    }
    Decision::WaitUntil { time_ns: closes_ns }
}

#[cfg(test)]
mod tests {
    use super::{BatchPolicy, Decision, Load, QueueView, decide};

    /// Every combination around each bound, held against the rules stated one by one.
    #[test]
    fn every_state_around_the_bounds_obeys_the_rules() {
        for batch_rows_max in [1, 2, 3, 64] {
            for delay_us_max in [0, 1, 5] {
                for batches_in_flight_max in [1, 2, 3] {
                    let policy =
                        BatchPolicy { batch_rows_max, delay_us_max, batches_in_flight_max };
                    for rows in 0..=batch_rows_max + 2 {
                        for in_flight in 0..=batches_in_flight_max + 1 {
                            for age_ns in [0, 1, 999, 1_000, 4_999, 5_000, 5_001] {
                                check(&policy, rows, in_flight, age_ns);
                            }
                        }
                    }
                }
            }
        }
    }

    fn check(policy: &BatchPolicy, rows: usize, batches_in_flight: usize, age_ns: u64) {
        let oldest_ns = 1_000_000;
        let now_ns = oldest_ns + age_ns;
        let queue = QueueView { rows, oldest_ns };
        let decision = decide(now_ns, queue, Load { batches_in_flight }, policy);
        let window_ns = policy.delay_us_max * 1_000;
        let due = age_ns >= window_ns || rows >= policy.batch_rows_max;
        let expected = match (rows, batches_in_flight) {
            (0, _) => Decision::Sleep,
            (_, 0) => Decision::Run { rows: rows.min(policy.batch_rows_max) },
            (_, n) if n >= policy.batches_in_flight_max => Decision::WaitForCompletion,
            _ if due => Decision::Run { rows: rows.min(policy.batch_rows_max) },
            _ => Decision::WaitUntil { time_ns: oldest_ns + window_ns },
        };
        assert_eq!(decision, expected, "{policy:?} {queue:?} in flight {batches_in_flight}");
        if let Decision::WaitUntil { time_ns } = decision {
            assert!(time_ns > now_ns, "a wait must end in the future, or the batcher would spin");
        }
    }

    #[test]
    fn a_policy_of_zeros_still_makes_progress() {
        let policy = BatchPolicy { batch_rows_max: 0, delay_us_max: 0, batches_in_flight_max: 0 };
        let queue = QueueView { rows: 3, oldest_ns: u64::MAX };
        let idle = Load { batches_in_flight: 0 };
        assert_eq!(decide(0, queue, idle, &policy), Decision::Run { rows: 1 });
    }
}
