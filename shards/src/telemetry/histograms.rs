//! HDR histograms of one shard: plain memory that only its thread touches.
//!
//! Range 1 µs to 60 s, saturating, 3 significant digits (`HdrHistogram`, Gil Tene); batch sizes
//! are counted in rows.

use hdrhistogram::Histogram;

/// A part of a request's life that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From the read that completed the request to the end of the write of its answer.
    Request,
    /// From being queued to the start of its batch.
    Queue,
    /// The batch's fetch and join.
    Features,
    /// The batch's computation.
    Model,
    /// From the answer being ready to its last byte handed to the kernel.
    Write,
}

impl Phase {
    /// Every phase, in the order of the report.
    pub const ALL: [Self; 5] =
        [Self::Request, Self::Queue, Self::Features, Self::Model, Self::Write];

    /// The phase's name in reports and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Queue => "queue",
            Self::Features => "features",
            Self::Model => "model",
            Self::Write => "write",
        }
    }
}

const LATENCY_NS_MIN: u64 = 1_000;
const LATENCY_NS_MAX: u64 = 60_000_000_000;
const BATCH_ROWS_MAX: u64 = 65_536;
const SIGNIFICANT_DIGITS: u8 = 3;

/// The histograms of one shard, or of several merged.
#[derive(Debug, Clone)]
pub struct Histograms {
    phases: [Histogram<u64>; Phase::ALL.len()],
    batch_rows: Histogram<u64>,
}

impl Default for Histograms {
    fn default() -> Self {
        // The bounds are constants that HdrHistogram accepts; the test below holds them to it.
        let latency = || {
            Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
                .expect("constant bounds")
        };
        Self {
            phases: std::array::from_fn(|_| latency()),
            batch_rows: Histogram::new_with_bounds(1, BATCH_ROWS_MAX, SIGNIFICANT_DIGITS)
                .expect("constant bounds"),
        }
    }
}

impl Histograms {
    /// Records that `count` requests spent `duration_ns` in a phase.
    pub fn record(&mut self, phase: Phase, duration_ns: u64, count: u64) {
        let value = duration_ns.clamp(LATENCY_NS_MIN, LATENCY_NS_MAX);
        self.phases[phase as usize].saturating_record_n(value, count);
    }

    /// Records a batch of `rows` rows.
    pub fn record_batch(&mut self, rows: u64) {
        self.batch_rows.saturating_record(rows.clamp(1, BATCH_ROWS_MAX));
    }

    /// The latency histogram of a phase, in nanoseconds.
    pub fn phase(&self, phase: Phase) -> &Histogram<u64> {
        &self.phases[phase as usize]
    }

    /// The histogram of batch sizes, in rows.
    pub fn batch_rows(&self) -> &Histogram<u64> {
        &self.batch_rows
    }

    /// Copies `other` over this one; nothing is allocated.
    pub fn copy_from(&mut self, other: &Self) {
        for (mine, theirs) in self.pairs(other) {
            // Both were made by `default`, so the shapes agree and the call cannot fail.
            mine.set_to(theirs).expect("same bounds");
        }
    }

    /// Adds what `other` recorded.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.pairs(other) {
            mine.add(theirs).expect("same bounds");
        }
    }

    /// Takes away what `earlier`, an older copy of this one, had recorded.
    pub fn subtract(&mut self, earlier: &Self) {
        for (mine, theirs) in self.pairs(earlier) {
            mine.subtract(theirs).expect("an older copy");
        }
    }

    fn pairs<'a>(
        &'a mut self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a mut Histogram<u64>, &'a Histogram<u64>)> {
        self.phases.iter_mut().zip(&other.phases).chain([(&mut self.batch_rows, &other.batch_rows)])
    }
}

#[cfg(test)]
mod tests {
    use super::{Histograms, Phase};

    #[test]
    fn what_was_since_the_last_print_is_the_difference_of_two_copies() {
        let mut live = Histograms::default();
        live.record(Phase::Queue, 5_000, 3);
        live.record_batch(3);
        let earlier = live.clone();
        live.record(Phase::Queue, u64::MAX, 2);
        let mut since = live.clone();
        since.subtract(&earlier);
        assert_eq!(since.phase(Phase::Queue).len(), 2);
        assert_eq!(since.batch_rows().len(), 0);
        let mut copy = Histograms::default();
        copy.copy_from(&live);
        copy.merge(&earlier);
        assert_eq!(copy.phase(Phase::Queue).len(), 8);
    }
}
