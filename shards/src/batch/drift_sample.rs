//! Which rows drift is told from: a sample, as all of them would cost more than the join.

use std::cell::Cell;

/// A batch of so many rows always gives one; a smaller one by its share of them.
const ROWS_A_SAMPLE: u64 = 8;
/// The longest time between two samples while rows come, in µs: with few requests each of them counts.
const SAMPLE_INTERVAL_US_MAX: i64 = 10_000;

/// When a lane last gave a row to drift.
#[derive(Debug, Default)]
pub(crate) struct DriftSample {
    last_us: Cell<i64>,
}

impl DriftSample {
    /// The place of the row that stands for a batch: the `batch`-th of the lane, of `rows` rows, joined
    /// at `now_us`. `None` where the batch gives none.
    pub(crate) fn of_batch(&self, batch: u64, rows: usize, now_us: i64) -> Option<usize> {
        // Scattered, so that no rhythm of the clients meets that of the samples (Knuth, volume 3, 6.4).
        let scattered = batch.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let is_due = now_us.saturating_sub(self.last_us.get()) >= SAMPLE_INTERVAL_US_MAX;
        if rows == 0 || !(is_due || scattered % ROWS_A_SAMPLE < rows as u64) {
            return None;
        }
        self.last_us.set(now_us);
        Some(batch as usize % rows)
    }
}

#[cfg(test)]
mod tests {
    use super::DriftSample;

    #[test]
    fn lone_rows_that_come_fast_are_sampled_once_in_eight() {
        let sample = DriftSample::default();
        sample.of_batch(0, 1, 1_000_000);
        let taken = (0..80_000).filter(|batch| sample.of_batch(*batch, 1, 1_000_001).is_some());
        let share = taken.count() as f64 / 80_000.0;
        assert!((share - 0.125).abs() < 0.005, "{share}");
    }

    #[test]
    fn rows_that_come_slowly_are_all_sampled() {
        let sample = DriftSample::default();
        let all = (0..1_000_u64)
            .all(|batch| sample.of_batch(batch, 1, (batch as i64 + 1) * 10_000) == Some(0));
        assert!(all);
    }

    #[test]
    fn a_full_batch_gives_a_row_another_place_each_time() {
        let sample = DriftSample::default();
        let places: Vec<_> = (0..16).map(|batch| sample.of_batch(batch, 8, 0)).collect();
        let expected: Vec<_> = (0..16).map(|batch| Some(batch % 8)).collect();
        assert_eq!(places, expected);
        assert_eq!(sample.of_batch(0, 0, 0), None);
    }
}
