//! What a lane has learnt: of its load, and with [`Cost`] of its costs. Streaming estimates that never
//! allocate.

use super::cost::CLIP_FACTOR;
use super::{Contention, Cost};

/// How much of what is known of a queue's drain one more batch replaces.
const DRAIN_SHARE: f64 = 1.0 / 16.0;
/// How far back arrivals count, in ns.
const ARRIVALS_NS: f64 = 1.5e6;

/// How fast rows arrive, by a count that fades within some ms.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Arrivals {
    count: f64,
    last_ns: u64,
}

impl Arrivals {
    /// Learns that so many rows have arrived.
    pub fn observe(&mut self, rows: usize, now_ns: u64) {
        self.count = self.faded(now_ns) + rows as f64;
        self.last_ns = now_ns;
    }

    /// When the latest rows came, in ns of the shard's clock.
    pub fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// The expected time from one row to the next, in ns.
    pub fn gap_ns(&self, now_ns: u64) -> f64 {
        // One less, as the latest arrival itself says nothing about the next.
        ARRIVALS_NS / (self.faded(now_ns) - 1.0).max(1e-3)
    }

    fn faded(&self, now_ns: u64) -> f64 {
        let past_ns = now_ns.saturating_sub(self.last_ns) as f64;
        self.count * (ARRIVALS_NS / (ARRIVALS_NS + past_ns))
    }
}

/// How often a batch ends while rows wait, and thus how often the next ones are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Drain {
    /// Faded sums over the batches for which rows waited.
    batches: f64,
    rows: f64,
    time_ns: f64,
    /// When the last batch ended, if rows have waited ever since.
    since_ns: Option<u64>,
}

impl Drain {
    /// Learns that a batch of `rows` ended, and that `left` rows wait.
    pub fn observe(&mut self, rows: usize, left: usize, now_ns: u64) {
        if let Some(since_ns) = self.since_ns.filter(|_| rows > 0) {
            let mut time_ns = now_ns.saturating_sub(since_ns) as f64;
            if self.batches > 0.0 {
                // After one stall the queue is not as slow as that for ever.
                let expected_ns = self.gap_ns() * (rows as f64 / self.rows_a_batch()).max(1.0);
                time_ns = time_ns.min(CLIP_FACTOR.mul_add(expected_ns, 1e6));
            }
            let fade =
                |known: &mut f64, found: f64| *known = known.mul_add(1.0 - DRAIN_SHARE, found);
            fade(&mut self.batches, 1.0);
            fade(&mut self.rows, rows as f64);
            fade(&mut self.time_ns, time_ns);
        }
        self.since_ns = (left > 0).then_some(now_ns);
    }

    /// From the end of one batch to that of the next, in ns; 0 before the first.
    fn gap_ns(&self) -> f64 {
        if self.batches > 0.0 { self.time_ns / self.batches } else { 0.0 }
    }

    fn rows_a_batch(&self) -> f64 {
        if self.batches > 0.0 { self.rows / self.batches } else { 1.0 }
    }
}

/// What a lane has learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimates {
    /// From a batch's start until its features are there.
    pub fetch: Cost,
    /// How those that are in flight hold each other up there.
    pub contention: Contention,
    /// From there until its scores are.
    pub compute: Cost,
    /// From a slice of rows that have scores until they are explained.
    pub explain: Cost,
    /// When rows arrive.
    pub arrivals: Arrivals,
    /// How fast they are taken where they have to wait.
    pub drain: Drain,
}

impl Estimates {
    /// How long a row with `ahead` rows before it is expected to wait until those are taken that do
    /// not fit in one batch of `rows_max` with it, in ns.
    ///
    /// By batches and not by rows: what the rows of a batch take together says nothing of what one
    /// of them would, and a row that finds room in the next batch keeps nobody waiting. If it were
    /// refused, batches would stay as small as they happened to be, and seem as slow by the row.
    pub fn queue_ns(&self, ahead: usize, rows_max: usize) -> u64 {
        let rows_max = rows_max.max(1);
        let full = ahead / rows_max;
        if full == 0 {
            return 0;
        }
        // Full batches end less often than those that were seen, as they take longer.
        let seen_ns = self.taken_ns(self.drain.rows_a_batch());
        let longer = if seen_ns > 0.0 { self.taken_ns(rows_max as f64) / seen_ns } else { 1.0 };
        (full as f64 * longer.max(1.0) * self.drain.gap_ns()) as u64
    }

    /// How long a row waits until the next batch ends, in ns: in the mean, from any time between.
    pub fn place_ns(&self) -> u64 {
        (0.5 * self.drain.gap_ns()) as u64
    }

    /// How long it takes to compute so many rows of a batch that is being computed, in ns.
    pub fn rest_ns(&self, rows: usize) -> u64 {
        (rows as f64 * self.compute.per_row_ns()) as u64
    }

    fn taken_ns(&self, rows: f64) -> f64 {
        self.fetch.at(rows, 0.0) + self.compute.at(rows, 0.0)
    }

    /// How long a batch of `rows` is expected to take, with so many others in flight, in ns.
    pub fn batch_ns(&self, rows: usize, others: usize) -> u64 {
        self.fetch.predict_ns(rows, others).saturating_add(self.compute.predict_ns(rows, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrivals, Drain, Estimates};

    #[test]
    fn the_gap_follows_the_rate_and_grows_in_silence() {
        let mut arrivals = Arrivals::default();
        assert!(arrivals.gap_ns(0) > 1e9);
        for row in 0..1_000 {
            arrivals.observe(1, row * 20_000);
        }
        let now_ns = 999 * 20_000;
        assert!((arrivals.gap_ns(now_ns) - 20_000.0).abs() < 200.0);
        assert!(arrivals.gap_ns(now_ns + 1_000_000_000) > 1e6);
    }

    #[test]
    fn a_queue_is_expected_to_drain_as_it_did_while_rows_waited() {
        let mut drain = Drain::default();
        drain.observe(10, 5, 1_000_000);
        drain.observe(10, 0, 2_000_000);
        let queue_ns =
            |drain, ahead| Estimates { drain, ..Estimates::default() }.queue_ns(ahead, 10);
        assert_eq!(
            [0, 9, 10, 19, 35].map(|ahead| queue_ns(drain, ahead) / 1_000_000),
            [0, 0, 1, 1, 3]
        );
        // Ten seconds without a queue say nothing.
        drain.observe(10, 5, 10_000_000_000);
        assert_eq!(queue_ns(drain, 10), 1_000_000);
        // A stall counts for less, and is forgotten as rows go on.
        drain.observe(1, 64, 20_000_000_000);
        for batch in 1..9 {
            drain.observe(10, 64, 20_000_000_000 + batch * 1_000_000);
        }
        assert!(queue_ns(drain, 10) < 1_500_000, "{drain:?}");
    }

    #[test]
    fn full_batches_are_expected_to_take_as_much_longer_as_their_rows_cost() {
        let mut known = Estimates::default();
        for batch in 0..1_000_usize {
            let rows = 1 + batch % 3;
            known.fetch.observe(rows, 0, 1_000_000);
            known.compute.observe(rows, 0, 500_000 * rows as u64);
            known.drain.observe(rows, 1, batch as u64 * 2_000_000);
        }
        // Two rows a batch take 2 ms, and 64 would take 33.
        let full_ns = known.queue_ns(64, 64);
        assert!((32_000_000..34_000_000).contains(&full_ns), "{full_ns}");
        assert_eq!(known.queue_ns(63, 64), 0, "it finds room in the next batch");
    }
}
