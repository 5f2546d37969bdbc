//! How far a model's features have moved from what it was trained on.
//!
//! The population stability index compares the shares of the rows between the training quantiles:
//! Σ (now − then) · ln(now / then). In a column of text it compares those of the categories. By
//! custom below 0.1 nothing moved, above 0.25 much did.

use std::collections::{BTreeMap, VecDeque};

use shards::telemetry::{LaneColumn, LaneTelemetry};

/// Fewer sampled rows than this say nothing.
const ROWS_MIN: u64 = 1_000;
/// How many looks, one a minute, the window spans.
const LOOKS: usize = 60;
/// Stands for a share of nothing, whose logarithm there is none of.
const SHARE_MIN: f64 = 1e-4;

/// A model's name, its version and a column.
pub(in crate::admin) type Subject = (String, u64, String);

/// Sampled counts of each column: what it was in training, and the rows in each of its bins.
type Counts = BTreeMap<Subject, (LaneColumn, Vec<u64>)>;

/// The sampled counts over the last hour.
#[derive(Debug, Default)]
pub(crate) struct DriftWindow {
    looks: VecDeque<Counts>,
}

impl DriftWindow {
    /// Remembers the counts of now; to be called once a minute.
    pub(crate) fn look<'a>(&mut self, lanes: impl Iterator<Item = &'a LaneTelemetry>) {
        if self.looks.len() >= LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(count(lanes));
    }

    /// The index of each column with enough rows since the window began.
    pub(in crate::admin) fn indices<'a>(
        &self,
        lanes: impl Iterator<Item = &'a LaneTelemetry>,
    ) -> Vec<(Subject, f64)> {
        let mut now = count(lanes);
        if let Some(oldest) = self.looks.front() {
            for (subject, (_, counts)) in &mut now {
                let Some((_, before)) = oldest.get(subject) else { continue };
                // Fewer than before: the model was loaded again since.
                if counts.iter().zip(before).all(|(now, before)| now >= before) {
                    counts.iter_mut().zip(before).for_each(|(now, before)| *now -= before);
                }
            }
        }
        let enough =
            now.into_iter().filter(|(_, (_, counts))| counts.iter().sum::<u64>() >= ROWS_MIN);
        let index = |column: &LaneColumn, counts: &[u64]| match column.shares.as_slice() {
            [] => index(&column.quantiles, counts),
            shares => index_of_shares(shares, counts),
        };
        enough.map(|(subject, (column, counts))| (subject, index(&column, &counts))).collect()
    }
}

/// Adds up the counts of a model's lanes on all shards.
fn count<'a>(lanes: impl Iterator<Item = &'a LaneTelemetry>) -> Counts {
    let mut all = Counts::new();
    for lane in lanes {
        for (column, counts) in lane.sampled() {
            let subject = (lane.facts.model.clone(), lane.facts.version, column.name.clone());
            let zeros = || (column.clone(), vec![0; counts.len()]);
            let (_, sums) = all.entry(subject).or_insert_with(zeros);
            sums.iter_mut().zip(&counts).for_each(|(sum, count)| *sum += count);
        }
    }
    all
}

/// The population stability index of `counts`, the rows below the first quantile, between each
/// two, and above the last.
///
/// Of a column of few values, quantiles coincide, and they say of a value only between which two
/// shares the training data reached it. Any share between those counts as no drift: the index is
/// then the least that is consistent with the quantiles.
fn index(quantiles: &[f64], counts: &[u64]) -> f64 {
    let rows: u64 = counts.iter().sum();
    let is_discrete = quantiles.windows(2).any(|pair| pair[0] >= pair[1]);
    let step = 1.0 / (quantiles.len() as f64 + 1.0);
    let (mut sum, mut below) = (0.0, 0);
    let (mut then_before, mut now_before) = (0.0, 0.0);
    for (place, quantile) in quantiles.iter().enumerate() {
        below += counts[place];
        if quantiles.get(place + 1) == Some(quantile) {
            continue;
        }
        let now = below as f64 / rows as f64;
        let least = (place as f64 + 1.0) * step;
        let then = if is_discrete { now.clamp(least, least + step) } else { least };
        sum += term(now - now_before, then - then_before);
        (now_before, then_before) = (now, then);
    }
    sum + term(1.0 - now_before, 1.0 - then_before)
}

/// The index of `counts`, the rows of each category with its share, and behind them all others.
fn index_of_shares(shares: &[(f64, f64)], counts: &[u64]) -> f64 {
    let rows: u64 = counts.iter().sum();
    let rest = 1.0 - shares.iter().map(|(_, share)| share).sum::<f64>();
    let then = shares.iter().map(|(_, share)| *share).chain([rest]);
    counts.iter().zip(then).map(|(count, then)| term(*count as f64 / rows as f64, then)).sum()
}

fn term(now: f64, then: f64) -> f64 {
    let (now, then) = (now.max(SHARE_MIN), then.max(SHARE_MIN));
    (now - then) * (now / then).ln()
}

#[cfg(test)]
mod tests {
    use super::{index, index_of_shares};

    const CONTINUOUS: [f64; 3] = [10.0, 20.0, 30.0];
    /// Zero and one, three of ten rows are zero.
    const BINARY: [f64; 9] = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];

    #[test]
    fn rows_like_those_of_the_training_have_no_drift() {
        assert!(index(&CONTINUOUS, &[250, 250, 250, 250]) < 1e-9);
        // 35 % zeros lie between the third and the fourth decile, as the quantiles say.
        let counts = [350, 0, 0, 650, 0, 0, 0, 0, 0, 0];
        assert!(index(&BINARY, &counts) < 1e-9);
    }

    #[test]
    fn categories_are_compared_by_their_shares() {
        let shares = [(4.0, 0.5), (0.0, 0.3)];
        assert!(index_of_shares(&shares, &[500, 300, 200]) < 1e-9);
        // Half of the cars are texts that training never saw.
        let expected = -0.25 * (0.25_f64 / 0.5).ln() + 0.25 * (0.45_f64 / 0.2).ln();
        let found = index_of_shares(&shares, &[250, 300, 450]);
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        // Training had no others: their share counts as a ten-thousandth.
        let found = index_of_shares(&[(0.0, 0.6), (1.0, 0.400_000_5)], &[600, 400, 0]);
        assert!(found < 1e-6, "{found}");
    }

    #[test]
    fn rows_that_moved_have_the_index_of_the_definition() {
        let expected = 0.25 * (0.5_f64 / 0.25).ln() + 2.0 * (-0.125) * (0.125_f64 / 0.25).ln();
        let found = index(&CONTINUOUS, &[500, 250, 125, 125]);
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        let flipped = index(&BINARY, &[900, 0, 0, 100, 0, 0, 0, 0, 0, 0]);
        assert!(flipped > 1.0, "{flipped}");
    }
}
