//! HDR histograms of one shard: plain memory that only its thread touches.
//!
//! Range 1 µs to 60 s, saturating, 3 significant digits (`HdrHistogram`, Gil Tene); batch sizes
//! are counted in rows; the ages of features in seconds and the differences of scores in
//! millionths, to two digits.

use hdrhistogram::Histogram;

use super::exemplars::{Exemplar, Exemplars};

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
const AGE_S_MAX: u64 = 1_000_000_000;
/// The unit in which differences of scores are counted.
pub const DIFFERENCE_UNIT: f64 = 1e-6;
const DIFFERENCE_MAX: u64 = 1_000_000_000_000;
const DIFFERENCE_SIGNIFICANT_DIGITS: u8 = 2;
const SIGNIFICANT_DIGITS: u8 = 3;
const AGE_SIGNIFICANT_DIGITS: u8 = 2;
/// The status of an answer that is not a failure.
const STATUS_OK: u16 = 200;

/// The histograms of one model on one shard, or of several merged.
#[derive(Debug, Clone)]
pub struct Histograms {
    phases: [Histogram<u64>; Phase::ALL.len()],
    batch_rows: Histogram<u64>,
    feature_age_s: Histogram<u64>,
    /// Whole requests that were not answered with 200, by status; they are in
    /// [`Phase::Request`] too. A status has a histogram once it has been answered.
    failed: Vec<(u16, Histogram<u64>)>,
    /// How far a candidate's scores were from those that were answered; none before the first.
    differences: Option<Histogram<u64>>,
    /// Recorded requests; none before the first.
    exemplars: Option<Box<Exemplars>>,
}

fn differences() -> Histogram<u64> {
    Histogram::new_with_bounds(1, DIFFERENCE_MAX, DIFFERENCE_SIGNIFICANT_DIGITS)
        .expect("constant bounds")
}

fn latency() -> Histogram<u64> {
    // The bounds are constants that HdrHistogram accepts; the test below holds them to it.
    Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
        .expect("constant bounds")
}

impl Default for Histograms {
    fn default() -> Self {
        Self {
            phases: std::array::from_fn(|_| latency()),
            batch_rows: Histogram::new_with_bounds(1, BATCH_ROWS_MAX, SIGNIFICANT_DIGITS)
                .expect("constant bounds"),
            feature_age_s: Histogram::new_with_bounds(1, AGE_S_MAX, AGE_SIGNIFICANT_DIGITS)
                .expect("constant bounds"),
            failed: Vec::new(),
            differences: None,
            exemplars: None,
        }
    }
}

impl Histograms {
    /// Records that `count` requests spent `duration_ns` in a phase.
    pub fn record(&mut self, phase: Phase, duration_ns: u64, count: u64) {
        let value = duration_ns.clamp(LATENCY_NS_MIN, LATENCY_NS_MAX);
        self.phases[phase as usize].saturating_record_n(value, count);
    }

    /// Records a whole request that was answered with `status`.
    pub fn record_request(&mut self, status: u16, duration_ns: u64) {
        self.record(Phase::Request, duration_ns, 1);
        if status != STATUS_OK {
            let value = duration_ns.clamp(LATENCY_NS_MIN, LATENCY_NS_MAX);
            self.failed_mut(status).saturating_record(value);
        }
    }

    /// Keeps a whole request that was recorded as an example of those that took as long.
    pub fn record_exemplar(
        &mut self,
        status: u16,
        duration_ns: u64,
        trace_id: [u8; 16],
        unix_ns: u64,
    ) {
        let exemplar = Exemplar { trace_id, duration_ns, status, unix_ns };
        self.exemplars.get_or_insert_default().keep(exemplar);
    }

    /// The recorded requests that are kept.
    pub fn exemplars(&self) -> impl Iterator<Item = &Exemplar> {
        self.exemplars.iter().flat_map(|kept| kept.all())
    }

    /// Records that a row's features were `age_s` seconds old.
    pub fn record_feature_age(&mut self, age_s: u64) {
        self.feature_age_s.saturating_record(age_s.clamp(1, AGE_S_MAX));
    }

    /// Records a batch of `rows` rows.
    pub fn record_batch(&mut self, rows: u64) {
        self.batch_rows.saturating_record(rows.clamp(1, BATCH_ROWS_MAX));
    }

    /// Records that a candidate's score was `difference` above, or below, the one that was
    /// answered.
    pub fn record_difference(&mut self, difference: f64) {
        let value = (difference.abs() / DIFFERENCE_UNIT).round() as u64;
        let known = self.differences.get_or_insert_with(differences);
        known.saturating_record(value.min(DIFFERENCE_MAX));
    }

    /// The absolute differences of a candidate's scores, in [`DIFFERENCE_UNIT`]; `None` where
    /// there were none.
    pub fn differences(&self) -> Option<&Histogram<u64>> {
        self.differences.as_ref()
    }

    /// The latency histogram of a phase, in nanoseconds.
    pub fn phase(&self, phase: Phase) -> &Histogram<u64> {
        &self.phases[phase as usize]
    }

    /// The histogram of batch sizes, in rows.
    pub fn batch_rows(&self) -> &Histogram<u64> {
        &self.batch_rows
    }

    /// The histogram of the ages of features, in seconds; ages below 1 s count as 1 s.
    pub fn feature_age_s(&self) -> &Histogram<u64> {
        &self.feature_age_s
    }

    /// Whole requests that were not answered with 200, by status.
    pub fn failed(&self) -> &[(u16, Histogram<u64>)] {
        &self.failed
    }

    /// Copies `later` over this one, an older copy of it. What has not changed since is not
    /// copied again, and nothing is allocated unless a status was answered for the first time.
    pub fn copy_from(&mut self, later: &Self) {
        for (mine, theirs) in self.pairs(later) {
            // Histograms only grow, so one of the same length is the same.
            if mine.len() != theirs.len() {
                // Both were made by `default`, so the shapes agree and the call cannot fail.
                mine.set_to(theirs).expect("same bounds");
            }
        }
        if let Some(theirs) = &later.exemplars {
            self.exemplars.get_or_insert_default().clone_from(theirs);
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
        for (status, _) in &other.failed {
            self.failed_mut(*status);
        }
        if other.differences.is_some() {
            self.differences.get_or_insert_with(differences);
        }
        let differences = self.differences.as_mut().zip(other.differences.as_ref());
        let failed = self.failed.iter_mut().filter_map(|(status, mine)| {
            let theirs = other.failed.iter().find(|(theirs, _)| theirs == status)?;
            Some((mine, &theirs.1))
        });
        let counted = [
            (&mut self.batch_rows, &other.batch_rows),
            (&mut self.feature_age_s, &other.feature_age_s),
        ];
        self.phases.iter_mut().zip(&other.phases).chain(counted).chain(failed).chain(differences)
    }

    fn failed_mut(&mut self, status: u16) -> &mut Histogram<u64> {
        let known = self.failed.iter().position(|(known, _)| *known == status);
        let index = known.unwrap_or_else(|| {
            self.failed.push((status, latency()));
            self.failed.len() - 1
        });
        &mut self.failed[index].1
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

    #[test]
    fn failures_are_kept_by_status_and_among_all_requests() {
        let mut live = Histograms::default();
        live.record_request(200, 1_000);
        live.record_request(404, 2_000);
        let mut copy = Histograms::default();
        copy.copy_from(&live);
        live.record_request(404, 2_000);
        live.record_request(429, 3_000);
        copy.copy_from(&live);
        let failed: Vec<_> =
            copy.failed().iter().map(|(status, times)| (*status, times.len())).collect();
        assert_eq!(failed, [(404, 2), (429, 1)]);
        assert_eq!(copy.phase(Phase::Request).len(), 4);
    }
}
