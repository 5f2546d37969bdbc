//! How far a model's features and scores have moved from those that it was trained on.
//!
//! The population stability index compares the shares of the rows between the training quantiles:
//! Σ (now − then) · ln(now / then). In a column of text it compares those of the categories, of
//! scores those of the twentieths of 0 to 1. By custom below 0.1 nothing moved, above 0.25 much did.

use std::collections::{BTreeMap, VecDeque};

use shards::telemetry::{LaneColumn, LaneTelemetry};

/// Fewer rows than this say nothing.
const ROWS_MIN: u64 = 1_000;
/// How many looks, one a minute, the window spans.
const LOOKS: usize = 60;
/// How many categories are told of a column, and from which part of the index on: so much that
/// something moved, were it all of it.
const MOVED_MAX: usize = 3;
const MOVED_INDEX_MIN: f64 = 0.01;
/// Stands for a share of nothing, whose logarithm there is none of.
const SHARE_MIN: f64 = 1e-4;

/// What of a version of a model has moved or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::admin) struct Subject {
    /// The model's name.
    pub(in crate::admin) model: String,
    /// Its version.
    pub(in crate::admin) version: u64,
    /// What of it.
    pub(in crate::admin) measured: Measured,
}

/// What is compared with the training data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::admin) enum Measured {
    /// The scores that were answered.
    Score,
    /// The column of this name, in one row a batch.
    Column(String),
}

/// How far something has moved.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::admin) struct Drift {
    /// What has.
    pub(in crate::admin) subject: Subject,
    /// The population stability index.
    pub(in crate::admin) index: f64,
    /// Of a column of text, the categories that have most of it, the foremost first.
    pub(in crate::admin) moved: Vec<Moved>,
}

/// A category whose share of the rows has changed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::admin) struct Moved {
    /// Its text; none of all other cells.
    pub(in crate::admin) text: Option<String>,
    /// Its share now.
    pub(in crate::admin) now: f64,
    /// That in the training data.
    pub(in crate::admin) then: f64,
}

/// What is known of the training data.
#[derive(Debug, Clone)]
enum Training {
    Column(LaneColumn),
    /// The shares of the scores in equal parts of 0 to 1.
    Scores(Vec<f64>),
}

/// What was in training, and how many rows are in each of its bins.
type Counts = BTreeMap<Subject, (Training, Vec<u64>)>;

/// The counts over the last hour.
#[derive(Debug, Default)]
pub(crate) struct DriftWindow {
    looks: VecDeque<Counts>,
}

impl DriftWindow {
    /// Remembers the counts of now; to be called once a minute.
    pub(crate) fn look<'a>(&mut self, lanes: impl Iterator<Item = &'a LaneTelemetry>) {
        if self.looks.is_empty() {
            // What was counted before the first look counts too.
            self.looks.push_back(Counts::default());
        }
        if self.looks.len() >= LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(count(lanes));
    }

    /// The index of each version's score and columns, with enough rows since the window began.
    pub(in crate::admin) fn indices<'a>(
        &self,
        lanes: impl Iterator<Item = &'a LaneTelemetry>,
    ) -> Vec<Drift> {
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
        enough
            .map(|(subject, (training, counts))| {
                let (index, moved) = (training.index(&counts), training.moved(&counts));
                Drift { subject, index, moved }
            })
            .collect()
    }
}

impl Training {
    fn index(&self, counts: &[u64]) -> f64 {
        match self {
            Self::Column(column) if column.shares.is_empty() => index(&column.quantiles, counts),
            Self::Column(column) => index_of_shares(shares_of(column), counts),
            Self::Scores(shares) => index_of_shares(shares.iter().copied(), counts),
        }
    }

    /// The categories that have most of the index.
    fn moved(&self, counts: &[u64]) -> Vec<Moved> {
        let Self::Column(column) = self else { return Vec::new() };
        if column.shares.is_empty() {
            return Vec::new();
        }
        let rows = counts.iter().sum::<u64>() as f64;
        let mut moved: Vec<_> = counts
            .iter()
            .zip(shares_of(column))
            .enumerate()
            .map(|(place, (count, then))| {
                let (now, then) = (*count as f64 / rows, then.max(0.0));
                Moved { text: column.texts.get(place).cloned(), now, then }
            })
            .filter(|moved| term(moved.now, moved.then) >= MOVED_INDEX_MIN)
            .collect();
        moved.sort_by(|one, other| term(other.now, other.then).total_cmp(&term(one.now, one.then)));
        moved.truncate(MOVED_MAX);
        moved
    }
}

/// The shares of the training data of each category of a column of text, and of all other cells.
fn shares_of(column: &LaneColumn) -> impl Iterator<Item = f64> {
    let rest = 1.0 - column.shares.iter().map(|(_, share)| share).sum::<f64>();
    column.shares.iter().map(|(_, share)| *share).chain([rest])
}

/// Adds up the counts of a model's lanes on all shards.
fn count<'a>(lanes: impl Iterator<Item = &'a LaneTelemetry>) -> Counts {
    let mut all = Counts::new();
    for lane in lanes {
        let facts = &lane.facts;
        let mut add = |measured: Measured, training: &dyn Fn() -> Training, counts: &[u64]| {
            let subject = Subject { model: facts.model.clone(), version: facts.version, measured };
            let zeros = || (training(), vec![0; counts.len()]);
            let (_, sums) = all.entry(subject).or_insert_with(zeros);
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        };
        let scores = &lane.counters.scores;
        if !facts.score_shares.is_empty() {
            let counts: Vec<_> = (0..scores.len()).map(|part| scores.get(part).get()).collect();
            add(Measured::Score, &|| Training::Scores(facts.score_shares.clone()), &counts);
        }
        for (column, counts) in lane.sampled() {
            let measured = Measured::Column(column.name.clone());
            add(measured, &|| Training::Column(column.clone()), &counts);
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

/// The index of `counts`, the rows in each of the parts that have these shares of the training data.
fn index_of_shares(shares: impl Iterator<Item = f64>, counts: &[u64]) -> f64 {
    let rows: u64 = counts.iter().sum();
    counts.iter().zip(shares).map(|(count, then)| term(*count as f64 / rows as f64, then)).sum()
}

fn term(now: f64, then: f64) -> f64 {
    let (now, then) = (now.max(SHARE_MIN), then.max(SHARE_MIN));
    (now - then) * (now / then).ln()
}

#[cfg(test)]
mod tests {
    use shards::facts::SCORE_BINS;
    use shards::telemetry::{LaneColumn, LaneFacts, LaneTelemetry};

    use super::{DriftWindow, LOOKS, Measured, Subject, Training, index};

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
        let column = |shares: &[(f64, f64)]| {
            Training::Column(LaneColumn { shares: shares.to_vec(), ..LaneColumn::default() })
        };
        let known = column(&[(4.0, 0.5), (0.0, 0.3)]);
        assert!(known.index(&[500, 300, 200]) < 1e-9);
        // Half of the cars are texts that training never saw.
        let expected = -0.25 * (0.25_f64 / 0.5).ln() + 0.25 * (0.45_f64 / 0.2).ln();
        let found = known.index(&[250, 300, 450]);
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        let moved = known_moved(&[250, 300, 450]);
        assert_eq!(moved, [(None, 0.45, 0.2), (Some("car"), 0.25, 0.5)].map(told));
        assert_eq!(known_moved(&[500, 300, 200]), []);
        // Training had no others: their share counts as a ten-thousandth.
        let found = column(&[(0.0, 0.6), (1.0, 0.400_000_5)]).index(&[600, 400, 0]);
        assert!(found < 1e-6, "{found}");
    }

    fn told((text, now, then): (Option<&str>, f64, f64)) -> (Option<String>, i64, i64) {
        let thousandths = |share: f64| (share * 1e3).round() as i64;
        (text.map(str::to_owned), thousandths(now), thousandths(then))
    }

    /// What moved of a column of cars and boats.
    fn known_moved(counts: &[u64]) -> Vec<(Option<String>, i64, i64)> {
        let column = LaneColumn {
            shares: vec![(4.0, 0.5), (0.0, 0.3)],
            texts: ["car", "boat"].map(str::to_owned).to_vec(),
            ..LaneColumn::default()
        };
        let moved = Training::Column(column).moved(counts);
        moved.iter().map(|it| told((it.text.as_deref(), it.now, it.then))).collect()
    }

    /// A lane whose scores were evenly spread over the lower half in training.
    fn lane() -> LaneTelemetry {
        let half = SCORE_BINS / 2;
        let shares = (0..SCORE_BINS).map(|part| if part < half { 0.1 } else { 0.0 });
        LaneTelemetry::new(LaneFacts {
            model: "model".to_owned(),
            version: 1,
            has_probabilities: true,
            score_shares: shares.collect(),
            ..LaneFacts::default()
        })
    }

    #[test]
    fn scores_are_compared_with_those_of_the_training_over_all_shards() {
        let lanes = [lane(), lane()];
        let mut window = DriftWindow::default();
        let drift = |window: &DriftWindow| window.indices(lanes.iter());
        for lane in &lanes {
            (0..10).for_each(|part| lane.counters.scores.get(part).add(40));
        }
        assert_eq!(drift(&window), [], "800 rows say nothing");
        for lane in &lanes {
            (0..10).for_each(|at| lane.counters.scores.get(at).add(40));
        }
        let found = drift(&window);
        let expected = Subject { model: "model".to_owned(), version: 1, measured: Measured::Score };
        assert_eq!(found.iter().map(|found| &found.subject).collect::<Vec<_>>(), [&expected]);
        assert!(found[0].index.abs() < 1e-9, "{found:?}");
        // From now on all scores lie where none did: what came before the window counts no more.
        (0..LOOKS).for_each(|_| window.look(lanes.iter()));
        lanes[1].counters.scores.get(SCORE_BINS - 1).add(2_000);
        let found = drift(&window)[0].index;
        let expected = 10.0 * super::term(0.0, 0.1) + super::term(1.0, 0.0);
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
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
