//! Prometheus buckets out of HDR histograms.

use hdrhistogram::Histogram;
use shards::facts::SCORE_BINS;
use shards::telemetry::LaneCounters;
use shards::telemetry::histograms::DIFFERENCE_UNIT;

/// Upper bounds of latencies, in seconds: half of them below a millisecond, where a gateway that
/// keeps its promise spends its time.
const LATENCY_S: [f64; 24] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_075, 0.000_1, 0.000_15, 0.000_2, 0.000_3, 0.000_5,
    0.000_75, 0.001, 0.001_5, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
];
/// Upper bounds of batch sizes, in rows.
const ROWS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0];
/// Upper bounds of ages, in seconds: a second to a quarter of a year.
const AGE_S: [f64; 12] = [
    1.0,
    10.0,
    60.0,
    300.0,
    900.0,
    3_600.0,
    21_600.0,
    86_400.0,
    259_200.0,
    604_800.0,
    2_592_000.0,
    7_776_000.0,
];
/// Upper bounds of differences of scores, which mostly are probabilities: none, next to none, and
/// on up to what no two probabilities differ by.
const DIFFERENCE: [f64; 12] =
    [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];
/// Upper bounds of probabilities, as many as they are counted by.
const SCORE: [f64; SCORE_BINS] = [
    0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85,
    0.9, 0.95, 1.0,
];
const NS_PER_S: f64 = 1e9;

/// A histogram with fixed bounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Buckets {
    bounds: &'static [f64],
    counts: Vec<u64>,
    /// How many values there are, those above the last bound included.
    pub(super) count: u64,
    /// Their sum, in the bounds' unit.
    pub(super) sum: f64,
}

impl Buckets {
    /// Of durations in nanoseconds, with bounds in seconds.
    pub(super) fn of_latency(histogram: &Histogram<u64>) -> Self {
        Self::of(histogram, &LATENCY_S, NS_PER_S)
    }

    /// Of the scores that a lane has counted.
    pub(super) fn of_scores(counters: &LaneCounters) -> Self {
        let bins = 0..counters.scores.len();
        let counts: Vec<u64> = bins.map(|bin| counters.scores.get(bin).get()).collect();
        let count = counts.iter().sum();
        Self { bounds: &SCORE, counts, count, sum: counters.scores_sum.get() }
    }

    /// Of numbers of rows.
    pub(super) fn of_rows(histogram: &Histogram<u64>) -> Self {
        Self::of(histogram, &ROWS, 1.0)
    }

    /// Of ages in seconds.
    pub(super) fn of_age(histogram: &Histogram<u64>) -> Self {
        Self::of(histogram, &AGE_S, 1.0)
    }

    /// Of absolute differences of scores.
    pub(super) fn of_difference(histogram: &Histogram<u64>) -> Self {
        Self::of(histogram, &DIFFERENCE, DIFFERENCE_UNIT.recip())
    }

    /// One pass over what was recorded. A value counts as the lowest that the histogram does not
    /// tell from it, so that one on a bound is not above it.
    fn of(histogram: &Histogram<u64>, bounds: &'static [f64], unit: f64) -> Self {
        let mut buckets = Self { bounds, counts: vec![0; bounds.len()], count: 0, sum: 0.0 };
        for step in histogram.iter_recorded() {
            let count = step.count_at_value();
            let value = step.value_iterated_to();
            let lowest = histogram.lowest_equivalent(value) as f64 / unit;
            let at = bounds.partition_point(|bound| *bound < lowest);
            if let Some(bucket) = buckets.counts.get_mut(at) {
                *bucket += count;
            }
            buckets.count += count;
            buckets.sum += histogram.median_equivalent(value) as f64 / unit * count as f64;
        }
        buckets
    }

    /// What is left without `others`, which are among them.
    pub(super) fn without(mut self, others: &Self) -> Self {
        for (mine, theirs) in self.counts.iter_mut().zip(&others.counts) {
            *mine = mine.saturating_sub(*theirs);
        }
        self.count = self.count.saturating_sub(others.count);
        self.sum = (self.sum - others.sum).max(0.0);
        self
    }

    /// Each bound with how many values lie between it and the bound below.
    pub(super) fn counts(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds.iter().copied().zip(self.counts.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::Buckets;
    use shards::telemetry::{Histograms, Phase};

    #[test]
    fn a_value_on_a_bound_is_not_above_it_and_none_is_lost() {
        let mut histograms = Histograms::default();
        for (duration_ns, count) in [(100_000, 3), (101_000, 2), (60_000_000_000, 1)] {
            histograms.record(Phase::Request, duration_ns, count);
        }
        let buckets = Buckets::of_latency(histograms.phase(Phase::Request));
        let counted: Vec<_> = buckets.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(0.000_1, 3), (0.000_15, 2)]);
        assert_eq!(buckets.count, 6);
        assert!((buckets.sum - 60.0005).abs() < 0.06, "{}", buckets.sum);
    }

    #[test]
    fn all_without_the_failures_are_the_successes() {
        let mut histograms = Histograms::default();
        histograms.record_request(200, 40_000);
        histograms.record_request(404, 40_000);
        histograms.record_request(404, 1_000_000);
        let all = Buckets::of_latency(histograms.phase(Phase::Request));
        let failed = Buckets::of_latency(&histograms.failed()[0].1);
        let good = all.without(&failed);
        assert_eq!(good.count, 1);
        assert_eq!(good.counts().map(|(_, count)| count).sum::<u64>(), 1);
    }
}
