//! What one shard counts for one version of one model.

use super::cells::Cells;
use super::{Counter, Fit, Handover, Sum};
use crate::facts::{ModelDescription, Role};
use crate::failure::{REMOTE_OUTCOMES, RowFailure};
use crate::provenance::FeatureStatus;

/// What is known of a lane when it is opened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LaneFacts {
    /// The model's name.
    pub model: String,
    /// The model's version.
    pub version: u64,
    /// What the version is for.
    pub role: Role,
    /// What the model is made of.
    pub description: ModelDescription,
    /// The model's columns, in order.
    pub columns: Vec<LaneColumn>,
    /// Whether another server computes it.
    pub is_remote: bool,
    /// How long this shard took to load the model, in ns.
    pub load_ns: u64,
}

/// A column of a model, as far as telemetry is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneColumn {
    /// Its name.
    pub name: String,
    /// Its quantiles in the training data, ascending; empty when they are not known.
    pub quantiles: Vec<f64>,
}

/// What one shard counts for one version of one model, as others see it.
#[derive(Debug)]
pub struct LaneTelemetry {
    /// What was known when the lane was opened.
    pub facts: LaneFacts,
    /// What the lane counts.
    pub counters: LaneCounters,
    /// Whether the store fits the model.
    pub fit: Fit,
    /// Where the shard copies the lane's histograms when asked.
    pub handover: Handover,
}

/// What a lane counts. Every cell is written by the lane's shard alone, and no cache line of them
/// is written by another.
#[derive(Debug)]
#[repr(align(128))]
pub struct LaneCounters {
    /// Batches computed.
    pub batches: Counter,
    /// Rows scored on joined features, by the index of their [`FeatureStatus`].
    pub rows: [Counter; FeatureStatus::ALL.len()],
    /// Rows scored whose requests gave the features themselves; none of [`Self::rows`].
    pub rows_own_features: Counter,
    /// Rows that were queued and got no score, by [`RowFailure::reason_index`].
    pub rows_failed: [Counter; RowFailure::REASONS.len()],
    /// Rows whose client went away before they were answered.
    pub rows_abandoned: Counter,
    /// Rows waiting in the queue now.
    pub queue_rows: Counter,
    /// How many batches may be under way at once, as is known now; 0 before the first has been.
    pub batch_places: Counter,
    /// Distinct keys that the store was asked for.
    pub keys_fetched: Counter,
    /// Batches that panicked.
    pub batches_panicked: Counter,
    /// Nanoseconds that rows waited in the queue, summed over them.
    pub queue_ns: Counter,
    /// Nanoseconds spent fetching and joining features.
    pub features_ns: Counter,
    /// Nanoseconds spent computing scores.
    pub model_ns: Counter,
    /// Batches that were sent to the server of a remote model, by the index of what came of it in
    /// [`REMOTE_OUTCOMES`].
    pub remote: [Counter; REMOTE_OUTCOMES.len()],
    /// Nanoseconds that they took, summed over them.
    pub remote_ns: Counter,
    /// 1 while the server of a remote model is left alone.
    pub remote_left_alone: Counter,
    /// When the last batch was computed, in ms since 1970; 0 before the first.
    pub last_batch_ms: Counter,
    /// 1 once a reload has replaced the lane: its counts stand still.
    pub retired: Counter,
    /// Of a version that scores copies.
    pub shadow: ShadowCounters,
    /// Cells that took their column's default, by column.
    pub cells_defaulted: Cells,
    /// Texts that are none of the model's categories, by column.
    pub texts_unknown: Cells,
    /// Sampled cells by column and quantile bin, for drift; see [`LaneTelemetry::sample`].
    pub bins: Cells,
}

/// What the lane of a version that scores copies of rows counts, instead of rows.
#[derive(Debug, Default)]
pub struct ShadowCounters {
    /// Copies whose score was compared with the one that was answered.
    pub compared: Counter,
    /// Copies that got no score.
    pub failed: Counter,
    /// Copies that were dropped, as the shard was busy.
    pub skipped: Counter,
    /// The sum of the differences: this version's score minus the one that was answered.
    pub difference_sum: Sum,
    /// The sum of their absolute values.
    pub difference_absolute_sum: Sum,
}

impl LaneTelemetry {
    /// Whether another version, or none, is served in its place.
    pub fn is_retired(&self) -> bool {
        self.counters.retired.get() == 1
    }

    /// Cells for a lane; to be made on its shard's thread.
    pub fn new(facts: LaneFacts) -> Self {
        let bins = facts.columns.iter().map(LaneColumn::bins).sum();
        let counters = LaneCounters {
            batches: Counter::default(),
            rows: Default::default(),
            rows_own_features: Counter::default(),
            rows_failed: Default::default(),
            rows_abandoned: Counter::default(),
            queue_rows: Counter::default(),
            batch_places: Counter::default(),
            keys_fetched: Counter::default(),
            batches_panicked: Counter::default(),
            queue_ns: Counter::default(),
            features_ns: Counter::default(),
            model_ns: Counter::default(),
            remote: Default::default(),
            remote_ns: Counter::default(),
            remote_left_alone: Counter::default(),
            last_batch_ms: Counter::default(),
            retired: Counter::default(),
            shadow: ShadowCounters::default(),
            cells_defaulted: Cells::new(facts.columns.len()),
            texts_unknown: Cells::new(facts.columns.len()),
            bins: Cells::new(bins),
        };
        Self { facts, counters, fit: Fit::default(), handover: Handover::default() }
    }

    /// Counts one row's cells into the bins that the training quantiles bound. `cell` gives the
    /// value of a column. To be called for a sample of rows: it costs some ns a column.
    pub fn sample(&self, cell: impl Fn(usize) -> f64) {
        let mut first = 0;
        for (column, facts) in self.facts.columns.iter().enumerate() {
            let value = cell(column);
            // NaN is no value: a model that reads it as one has no quantile for it.
            if facts.bins() > 0 && !value.is_nan() {
                let below = facts.quantiles.iter().filter(|quantile| **quantile < value).count();
                self.counters.bins.get(first + below).add(1);
            }
            first += facts.bins();
        }
    }

    /// The sampled counts of each column with known quantiles, bin by bin.
    pub fn sampled(&self) -> impl Iterator<Item = (&LaneColumn, Vec<u64>)> {
        let mut first = 0;
        self.facts.columns.iter().filter_map(move |column| {
            let range = first..first + column.bins();
            first = range.end;
            let counts: Vec<_> = range.map(|index| self.counters.bins.get(index).get()).collect();
            (!counts.is_empty()).then_some((column, counts))
        })
    }
}

impl LaneColumn {
    /// How many bins its quantiles bound: one more than there are, or none.
    fn bins(&self) -> usize {
        if self.quantiles.is_empty() { 0 } else { self.quantiles.len() + 1 }
    }
}

#[cfg(test)]
impl LaneTelemetry {
    /// A lane with these columns' quantiles and nothing else, for tests.
    pub(crate) fn with_quantiles(quantiles: &[&[f64]]) -> Self {
        let column = |(index, quantiles): (usize, &&[f64])| LaneColumn {
            name: format!("column-{index}"),
            quantiles: quantiles.to_vec(),
        };
        Self::new(LaneFacts {
            model: "model".to_owned(),
            version: 1,
            columns: quantiles.iter().enumerate().map(column).collect(),
            ..LaneFacts::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{LaneCounters, LaneTelemetry};

    #[test]
    fn lanes_never_share_a_cache_line() {
        assert_eq!(align_of::<LaneCounters>() % 128, 0);
        assert_eq!(size_of::<LaneCounters>() % 128, 0);
    }

    #[test]
    fn a_sampled_row_is_counted_once_in_each_column_that_has_quantiles() {
        let lane = LaneTelemetry::with_quantiles(&[&[1.0, 2.0], &[], &[5.0, 5.0]]);
        let rows = [[1.0, 9.0, 5.0], [1.5, 9.0, 6.0], [f64::NAN, 9.0, -1.0], [9.0, 9.0, 5.0]];
        for row in rows {
            lane.sample(|column| row[column]);
        }
        let sampled: Vec<_> = lane.sampled().map(|(column, bins)| (&*column.name, bins)).collect();
        assert_eq!(sampled, [("column-0", vec![1, 1, 1]), ("column-2", vec![3, 0, 1])]);
    }
}
