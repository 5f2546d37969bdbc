//! What a lane has learnt of what batches cost: a streaming estimate that never allocates.

/// How much of what is known of a batch's time one more replaces …
const BATCH_SHARE: f64 = 1.0 / 128.0;
/// … and of what it depends on, which takes more batches to tell from chance.
const SLOPE_SHARE: f64 = 1.0 / 512.0;
/// Batches after which a time far above what was expected counts for less: it may be a stall.
const CLIP_AFTER: u64 = 8;
pub(super) const CLIP_FACTOR: f64 = 4.0;
/// The variance of batches' sizes, in squares of their mean, from which on sizes have varied.
const VARIED: f64 = 0.1;
/// How many times what a batch costs by itself the rows of a slice are to cost at least: that many
/// slices cost at most a quarter more than the whole.
const SLICE_FIXED_MIN: f64 = 4.0;
/// Below this a share of the time is noise.
const FREE_SHARE_MIN: f64 = 0.1;

/// Replaces a share of what is known by what was found.
pub(super) fn learn(known: &mut f64, found: f64, share: f64) {
    *known += share * (found - *known);
}

/// What a batch costs: `time = fixed + per_row · rows + per_other · (batches in flight − 1)`, by
/// exponentially weighted least squares. No part is below 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    seen: u64,
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
    /// Learns that a batch of `rows` took `time_ns`, with so many others in flight at its start.
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
        self.seen += 1;
        let plain = 1.0 / self.seen as f64;
        for (known, found) in self.latest.iter_mut().zip([rows, others, time]) {
            learn(known, found, plain.max(BATCH_SHARE));
        }
        let share = plain.max(SLOPE_SHARE);
        let learn = |known: &mut f64, found: f64| learn(known, found, share);
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

    /// How much longer a batch takes for each other one that is in flight, in ns.
    pub fn per_other_ns(&self) -> f64 {
        self.per_other_ns
    }

    /// The share of batches' time that is not spent waiting for others, above 0 to 1: as much of
    /// what they ask is free to do more.
    pub fn free_share(&self) -> f64 {
        let [_, others, time] = self.latest;
        (1.0 - self.per_other_ns * others / time.max(1.0)).clamp(FREE_SHARE_MIN, 1.0)
    }

    /// The time that a batch of `rows` is expected to take, with so many others in flight, in ns;
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

    /// The rows of a batch of the usual size.
    pub(super) fn usual_rows(&self) -> f64 {
        self.latest[0]
    }

    /// How far off the expectation times are in the mean, in ns.
    pub fn error_ns(&self) -> u64 {
        self.error as u64
    }

    pub(super) fn at(&self, rows: f64, others: f64) -> f64 {
        self.per_other_ns.mul_add(others, self.per_row_ns.mul_add(rows, self.fixed_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::Cost;

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
}
