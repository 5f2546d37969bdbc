//! What a lane has learnt of its costs and its load: streaming estimates that never allocate.

/// How much of what is known of a batch's time one more replaces …
const BATCH_SHARE: f64 = 1.0 / 128.0;
/// … and of what it depends on, which takes more batches to tell from chance.
const SLOPE_SHARE: f64 = 1.0 / 512.0;
/// Batches after which a time far above what was expected counts for less: it may be a stall.
const CLIP_AFTER: u32 = 8;
const CLIP_FACTOR: f64 = 4.0;
/// The variance of batches' sizes, in squares of their mean, from which on sizes have varied.
const VARIED: f64 = 0.1;
/// How many times what a batch costs by itself the rows of a slice are to cost at least: that many
/// slices cost at most a quarter more than the whole.
const SLICE_FIXED_MIN: f64 = 4.0;
/// Below this a share of the time is noise.
const FREE_SHARE_MIN: f64 = 0.1;
/// How much of what is known of a queue's drain one more batch replaces.
const DRAIN_SHARE: f64 = 1.0 / 16.0;
/// How far back arrivals count, in ns.
const ARRIVALS_NS: f64 = 1.5e6;

/// What a batch costs: `time = fixed + per_row · rows + per_other · (batches under way − 1)`, by
/// exponentially weighted least squares. No part is below 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    seen: u32,
    /// The latest batches' means: of rows, others and time.
    latest: [f64; 3],
    /// Weighted means, and below them means of squares and products.
    rows: f64,
    others: f64,
    time: f64,
    rows_rows: f64,
    others_others: f64,
    rows_others: f64,
    rows_time: f64,
    others_time: f64,
    /// Of the time's distance from what was expected.
    error: f64,
    error_squared: f64,
    /// The solution, so that a decision solves nothing.
    per_row_ns: f64,
    per_other_ns: f64,
    fixed_ns: f64,
}

impl Cost {
    /// Learns that a batch of `rows` took `time_ns`, with so many others under way at its start.
    pub fn observe(&mut self, rows: usize, others: usize, time_ns: u64) {
        if rows == 0 {
            return;
        }
        let (rows, others, mut time) = (rows as f64, others as f64, time_ns as f64);
        let expected = self.at(rows, others);
        if self.seen >= CLIP_AFTER {
            // One stall must not look like a new cost; a new cost gets through in a few steps.
            time = time.min(expected.mul_add(CLIP_FACTOR, 1_000.0));
        }
        // The first ones are averaged plainly, so that the start does not weigh for ever.
        self.seen = self.seen.saturating_add(1);
        let plain = 1.0 / f64::from(self.seen);
        for (known, found) in self.latest.iter_mut().zip([rows, others, time]) {
            *known += plain.max(BATCH_SHARE) * (found - *known);
        }
        let share = plain.max(SLOPE_SHARE);
        let learn = |known: &mut f64, found: f64| *known += share * (found - *known);
        learn(&mut self.rows, rows);
        learn(&mut self.others, others);
        learn(&mut self.time, time);
        learn(&mut self.rows_rows, rows * rows);
        learn(&mut self.others_others, others * others);
        learn(&mut self.rows_others, rows * others);
        learn(&mut self.rows_time, rows * time);
        learn(&mut self.others_time, others * time);
        if self.seen > 1 {
            learn(&mut self.error, (time - expected).abs());
            learn(&mut self.error_squared, (time - expected) * (time - expected));
        }
        self.solve();
    }

    /// Solves the normal equations. Where sizes or companies were all alike, or went hand in hand,
    /// nothing is laid on them: a prediction that is too low refuses nobody wrongly.
    fn solve(&mut self) {
        let rows_variance = self.rows_variance().max(1e-3);
        let others_variance = self.others.mul_add(-self.others, self.others_others).max(1e-3);
        let rows_others = self.rows.mul_add(-self.others, self.rows_others);
        let rows_time = self.rows.mul_add(-self.time, self.rows_time);
        let others_time = self.others.mul_add(-self.time, self.others_time);
        let determinant = rows_variance.mul_add(others_variance, -rows_others * rows_others);
        let (mut per_row, mut per_other) = (rows_time / rows_variance, 0.0);
        if determinant > 0.05 * rows_variance * others_variance {
            let slope = rows_variance.mul_add(others_time, -rows_time * rows_others) / determinant;
            // Only what stands out from the noise counts.
            let spread = self.error_squared * rows_variance / determinant * SLOPE_SHARE;
            per_other = (slope - 1.5 * spread.sqrt()).max(0.0);
            per_row = per_other.mul_add(-rows_others, rows_time) / rows_variance;
        }
        let [rows, others, time] = self.latest;
        self.per_row_ns = per_row.clamp(0.0, time / rows.max(1.0));
        self.per_other_ns = per_other;
        let rest = self.per_row_ns.mul_add(rows, self.per_other_ns * others);
        self.fixed_ns = (time - rest).max(0.0);
    }

    /// The time of a batch whatever its size, alone, in ns.
    pub fn fixed_ns(&self) -> f64 {
        self.fixed_ns
    }

    /// The time that one more row takes, in ns.
    pub fn per_row_ns(&self) -> f64 {
        self.per_row_ns
    }

    /// How much longer a batch takes for each other one that is under way, in ns.
    pub fn per_other_ns(&self) -> f64 {
        self.per_other_ns
    }

    /// The share of batches' time that is not spent waiting for others, above 0 to 1: as much of
    /// what they ask is free to do more.
    pub fn free_share(&self) -> f64 {
        let [_, others, time] = self.latest;
        (1.0 - self.per_other_ns * others / time.max(1.0)).clamp(FREE_SHARE_MIN, 1.0)
    }

    /// The time that a batch of `rows` is expected to take, with so many others under way, in ns;
    /// 0 before the first.
    pub fn predict_ns(&self, rows: usize, others: usize) -> u64 {
        self.at(rows as f64, others as f64) as u64
    }

    /// How many rows are expected to take no longer than `time_ns`, at least one; more where a batch
    /// would cost far more in slices than as a whole.
    pub fn rows_within(&self, time_ns: u64) -> usize {
        if self.seen == 0 {
            return 1;
        }
        let time_ns = time_ns as f64;
        let rows = if self.per_row_ns > 0.0 {
            (time_ns - self.fixed_ns).max(SLICE_FIXED_MIN * self.fixed_ns) / self.per_row_ns
        } else if self.rows_variance() > VARIED * self.rows * self.rows {
            // Rows were seen to cost nothing, so far.
            2.0 * self.rows_rows.sqrt()
        } else if self.seen.is_multiple_of(2) {
            // Batches of one size tell nothing of a row's cost: larger and smaller ones do.
            2.0 * self.rows
        } else {
            self.rows * time_ns / self.time.max(1.0)
        };
        (rows as usize).max(1)
    }

    fn rows_variance(&self) -> f64 {
        self.rows.mul_add(-self.rows, self.rows_rows)
    }

    /// How far off the expectation times are in the mean, in ns.
    pub fn error_ns(&self) -> u64 {
        self.error as u64
    }

    fn at(&self, rows: f64, others: f64) -> f64 {
        self.per_other_ns.mul_add(others, self.per_row_ns.mul_add(rows, self.fixed_ns))
    }
}

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
    /// From there until its scores are.
    pub compute: Cost,
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

    /// How long a batch of `rows` is expected to take, with so many others under way, in ns.
    pub fn batch_ns(&self, rows: usize, others: usize) -> u64 {
        self.fetch.predict_ns(rows, others).saturating_add(self.compute.predict_ns(rows, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrivals, Cost, Drain, Estimates};

    #[test]
    fn each_part_of_a_cost_is_told_from_the_others() {
        let mut cost = Cost::default();
        for batch in 0..2_000_usize {
            let (rows, others) = (1 + batch * 7 % 64, batch * 5 % 8);
            cost.observe(rows, others, (40_000 + 3_000 * rows + 9_000 * others) as u64);
        }
        assert!((cost.fixed_ns() - 40_000.0).abs() < 400.0, "{cost:?}");
        assert!((cost.per_row_ns() - 3_000.0).abs() < 30.0, "{cost:?}");
        assert!((cost.per_other_ns() - 9_000.0).abs() < 90.0, "{cost:?}");
        assert!(cost.predict_ns(64, 0).abs_diff(232_000) < 2_000, "{cost:?}");
    }

    #[test]
    fn batches_of_one_size_are_all_fixed_cost() {
        let mut cost = Cost::default();
        for _ in 0..100 {
            cost.observe(1, 0, 5_000);
        }
        assert_eq!((cost.per_row_ns(), cost.per_other_ns()), (0.0, 0.0));
        assert_eq!(cost.predict_ns(64, 7), 5_000);
    }

    #[test]
    fn one_stall_is_no_new_cost_and_a_new_cost_is_learnt() {
        let mut cost = Cost::default();
        for batch in 0..500_usize {
            cost.observe(1 + batch % 4, 0, 10_000);
        }
        cost.observe(1, 0, 1_000_000_000);
        assert!(cost.predict_ns(1, 0) < 11_000, "{cost:?}");
        for batch in 0..1_000_usize {
            cost.observe(1 + batch % 4, 0, 1_000_000);
        }
        assert!(cost.predict_ns(1, 0) > 990_000, "{cost:?}");
    }

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
    fn a_time_holds_as_many_rows_as_have_been_seen_to_fit() {
        let mut cost = Cost::default();
        assert_eq!(cost.rows_within(500_000), 1, "nothing is known");
        for _ in 0..9 {
            cost.observe(1, 0, 100_000);
        }
        assert_eq!(cost.rows_within(500_000), 5, "as if every row took so long");
        for batch in 0..1_000_usize {
            let rows = 1 + batch % 8;
            cost.observe(rows, 0, (50_000 + 10_000 * rows) as u64);
        }
        assert!((44..=46).contains(&cost.rows_within(500_000)), "{cost:?}");
        let least = cost.rows_within(1);
        assert!((19..=20).contains(&least), "slices cost a quarter more than the whole: {least}");
    }

    #[test]
    fn slices_grow_to_the_whole_where_only_their_number_costs() {
        let mut cost = Cost::default();
        for _ in 0..1_000 {
            cost.observe(1, 0, 1_000_000);
        }
        for _ in 0..2_000 {
            let rows = cost.rows_within(500_000).min(64);
            cost.observe(rows, 0, 1_000_000);
        }
        assert!(cost.rows_within(500_000) >= 64, "{cost:?}");
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
