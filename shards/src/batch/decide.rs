//! When a batch is closed: a pure function of the time, the queue and the load.

use serde::{Deserialize, Serialize};

use super::Estimates;
use super::window::adaptive_ns;

use crate::mutation::{Mutation, is_in_force};

/// So many times what a batch takes alone after the last has ended, those that are left are stuck.
const STUCK_AFTER: u64 = 4;

/// How the window between two batches is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// By what the lane has learnt of its costs and its load, never above `max_delay_us`.
    #[default]
    Adaptive,
    /// `max_delay_us` while a batch is in flight.
    Fixed,
}

/// The bounds within which batches are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchPolicy {
    /// How the window is chosen.
    #[serde(rename = "policy")]
    pub window: Window,
    /// The most rows that are scored together.
    #[serde(rename = "max_batch_size")]
    pub batch_rows_max: usize,
    /// How long the oldest row may wait for others while an earlier batch is in flight, in µs.
    #[serde(rename = "max_delay_us")]
    pub delay_us_max: u64,
    /// How many batches may be in flight at once: one computed while others are being fetched.
    #[serde(rename = "max_batches_in_flight")]
    pub batches_in_flight_max: usize,
    /// The time from arrival to score that the adaptive window is not to push the 99th
    /// percentile above, in µs.
    pub target_p99_us: Option<u64>,
    /// The longest computation without a look at what else there is to do, in µs: a batch that
    /// takes longer is computed in slices.
    #[serde(rename = "max_compute_slice_us", alias = "compute_slice_us_max")]
    pub compute_slice_us_max: u64,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self {
            window: Window::Adaptive,
            batch_rows_max: 64,
            delay_us_max: 1_000,
            batches_in_flight_max: 8,
            target_p99_us: None,
            compute_slice_us_max: 500,
        }
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Batches whose fetch or computation is not done.
    pub batches_in_flight: usize,
    /// When the oldest of them was started, in ns of the shard's clock.
    pub oldest_ns: u64,
    /// Rows that have come since then.
    pub rows_since: usize,
    /// When the last one was done, in ns of the shard's clock.
    pub ended_ns: u64,
}

impl Load {
    /// The time from one row to the next since the oldest batch was started, in ns: it tells of a
    /// load that has only just begun. One row less, as the latest says nothing of the next.
    pub(super) fn gap_ns(&self, now_ns: u64) -> f64 {
        match self.rows_since {
            0 | 1 => f64::INFINITY,
            rows => now_ns.saturating_sub(self.oldest_ns) as f64 / (rows - 1) as f64,
        }
    }
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
    /// As many batches are in flight as may be: decide again when one ends.
    WaitForCompletion,
}

/// Decides what to do at `now_ns` of the shard's clock, `known` being what the lane has learnt.
///
/// Work-conserving: with nothing in flight a batch of whatever waits is run at once, so a lone
/// request is never delayed. While a batch is in flight the next one gathers, until it is full
/// or its window has passed, which counts from when its oldest row was queued (Triton's
/// `GetDynamicBatch` counts alike), not from when that was looked at. With as many in flight as
/// are worth it, it gathers until one of them ends.
pub fn decide(
    now_ns: u64,
    queue: QueueView,
    load: Load,
    known: &Estimates,
    policy: &BatchPolicy,
) -> Decision {
    if queue.rows == 0 {
        return Decision::Sleep;
    }
    let limit = concurrency_limit(known, policy);
    let run = Decision::Run { rows: rows_taken(queue, load, limit, policy) };
    if load.batches_in_flight == 0 && !is_in_force(Mutation::DelayLone) {
        return run;
    }
    if load.batches_in_flight >= policy.batches_in_flight_max {
        return Decision::WaitForCompletion;
    }
    let closes_ns = if load.batches_in_flight >= limit {
        stuck_from_ns(load, known)
    } else if queue.rows >= policy.batch_rows_max {
        return run;
    } else {
        let window_ns = policy.delay_us_max.saturating_mul(1_000);
        queue.oldest_ns.saturating_add(match policy.window {
            Window::Fixed => window_ns,
            Window::Adaptive => window_ns.min(adaptive_ns(now_ns, queue, load, known, policy)),
        })
    };
    if now_ns >= closes_ns { run } else { Decision::WaitUntil { time_ns: closes_ns } }
}

/// How many batches may be in flight, unless they are stuck.
pub(super) fn concurrency_limit(known: &Estimates, policy: &BatchPolicy) -> usize {
    match policy.window {
        Window::Fixed => policy.batches_in_flight_max,
        Window::Adaptive => known.contention.limit(policy.batches_in_flight_max),
    }
}

/// From when on nobody waits for a place any more, in ns of the shard's clock: none has become free
/// for so long that those who have them wait for something else than each other.
fn stuck_from_ns(load: Load, known: &Estimates) -> u64 {
    let since_ns = load.ended_ns.max(load.oldest_ns);
    since_ns.saturating_add(STUCK_AFTER.saturating_mul(known.contention.alone_ns()))
}

/// How many of the rows that wait make the next batch: as few batches as they fit in, all of one
/// size. A full one and a small rest are as many, but whoever is in the full one is answered last:
/// equal ones take a tenth off the 99th percentile of clients that take all of a shard's time.
///
/// Not where the limit leaves no room for these batches at once, as what is left behind then waits
/// for long; nor with nothing in flight, as batches are then computed one after the other.
fn rows_taken(queue: QueueView, load: Load, limit: usize, policy: &BatchPolicy) -> usize {
    let others = load.batches_in_flight;
    if others == 0 || demand(others, queue.rows, policy) > limit {
        return queue.rows.min(policy.batch_rows_max.max(1));
    }
    queue.rows.div_ceil(batches(queue.rows, policy))
}

/// How many batches so many rows make.
fn batches(rows: usize, policy: &BatchPolicy) -> usize {
    rows.div_ceil(policy.batch_rows_max.max(1))
}

/// How many batches would be in flight beside so many others, were all that waits taken at once.
pub fn demand(others: usize, rows: usize, policy: &BatchPolicy) -> usize {
    others.saturating_add(batches(rows, policy))
}

#[cfg(test)]
mod tests {
    use super::{BatchPolicy, Decision, Load, QueueView, Window, decide, demand};
    use crate::batch::Estimates;

    /// Every combination around each bound, held against the rules stated one by one.
    #[test]
    fn every_state_around_the_bounds_obeys_the_rules() {
        for batch_rows_max in [1, 2, 3, 64] {
            for delay_us_max in [0, 1, 5] {
                for batches_in_flight_max in [1, 2, 3] {
                    let policy = BatchPolicy {
                        window: Window::Fixed,
                        batch_rows_max,
                        delay_us_max,
                        batches_in_flight_max,
                        ..BatchPolicy::default()
                    };
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
        let load = Load { batches_in_flight, ..Load::default() };
        let decision = decide(now_ns, queue, load, &Estimates::default(), policy);
        let window_ns = policy.delay_us_max * 1_000;
        let due = age_ns >= window_ns || rows >= policy.batch_rows_max;
        let full = rows.min(policy.batch_rows_max);
        let free = policy.batches_in_flight_max.saturating_sub(batches_in_flight);
        let expected = match (rows, batches_in_flight) {
            (0, _) => Decision::Sleep,
            (_, 0) => Decision::Run { rows: full },
            (_, n) if n >= policy.batches_in_flight_max => Decision::WaitForCompletion,
            _ if due && rows <= policy.batch_rows_max => Decision::Run { rows },
            _ if due && rows <= policy.batch_rows_max * free => {
                let batches = (1..=rows).find(|count| count * full >= rows).unwrap_or(1);
                Decision::Run { rows: (1..=full).find(|size| size * batches >= rows).unwrap_or(0) }
            }
            _ if due => Decision::Run { rows: full },
            _ => Decision::WaitUntil { time_ns: oldest_ns + window_ns },
        };
        assert_eq!(decision, expected, "{policy:?} {queue:?} in flight {batches_in_flight}");
        if let Decision::WaitUntil { time_ns } = decision {
            assert!(time_ns > now_ns, "a wait must end in the future, or the batcher would spin");
        }
    }

    #[test]
    fn what_does_not_fit_in_one_batch_is_taken_in_equal_ones() {
        let policy = BatchPolicy { window: Window::Fixed, ..BatchPolicy::default() };
        let taken = |rows, batches_in_flight| {
            let queue = QueueView { rows, oldest_ns: 0 };
            let load = Load { batches_in_flight, ..Load::default() };
            match decide(10_000_000, queue, load, &Estimates::default(), &policy) {
                Decision::Run { rows } => rows,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([64, 65, 80, 128, 129].map(|rows| taken(rows, 1)), [64, 33, 40, 64, 43]);
        assert_eq!(taken(80, 7), 64, "there is one place left");
        assert_eq!(taken(80, 0), 64, "nothing is in flight");
    }

    /// With three batches in flight that take turns with what answers them.
    #[test]
    fn where_all_places_are_taken_rows_gather_until_one_is_free_or_all_are_stuck() {
        let mut known = Estimates::default();
        for batch in 0..1_000 {
            let others = batch % 3;
            known.contention.observe(8, others + 1, others as f64, 100_000 * (1 + others as u64));
        }
        let (policy, ended_ns) = (BatchPolicy::default(), 50_000_000);
        let decide_at = |now_ns, rows, batches_in_flight| {
            let queue = QueueView { rows, oldest_ns: ended_ns + 1_000 };
            let load = Load { batches_in_flight, ended_ns, ..Load::default() };
            decide(now_ns, queue, load, &known, &policy)
        };
        let soon_ns = ended_ns + 300_000;
        assert!(matches!(decide_at(soon_ns, 64, 2), Decision::Run { rows: 64 }));
        let Decision::WaitUntil { time_ns } = decide_at(soon_ns, 64, 3) else {
            panic!("however many wait");
        };
        let stuck_ns = time_ns - ended_ns;
        assert!((380_000..420_000).contains(&stuck_ns), "four times 100 µs: {stuck_ns}");
        assert_eq!(decide_at(time_ns, 8, 3), Decision::Run { rows: 8 });
        assert_eq!(decide_at(time_ns, 8, 8), Decision::WaitForCompletion);
        let fixed = BatchPolicy { window: Window::Fixed, ..policy };
        let load = Load { batches_in_flight: 3, ended_ns, ..Load::default() };
        let full = QueueView { rows: 64, oldest_ns: soon_ns };
        assert_eq!(decide(soon_ns, full, load, &known, &fixed), Decision::Run { rows: 64 });
    }

    #[test]
    fn the_demand_counts_all_that_waits() {
        let policy = BatchPolicy::default();
        let of = |others, rows| demand(others, rows, &policy);
        assert_eq!([of(0, 0), of(0, 1), of(2, 64), of(2, 65)], [0, 1, 3, 4]);
        assert_eq!(demand(usize::MAX, 3, &BatchPolicy { batch_rows_max: 0, ..policy }), usize::MAX);
    }

    #[test]
    fn a_policy_of_zeros_still_makes_progress() {
        let policy = BatchPolicy {
            batch_rows_max: 0,
            delay_us_max: 0,
            batches_in_flight_max: 0,
            ..BatchPolicy::default()
        };
        let queue = QueueView { rows: 3, oldest_ns: u64::MAX };
        let known = Estimates::default();
        assert_eq!(decide(0, queue, Load::default(), &known, &policy), Decision::Run { rows: 1 });
    }
}
