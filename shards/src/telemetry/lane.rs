//! What one shard counts for one version of one model.

use std::sync::Arc;

use super::cells::Cells;
use super::table::{cells, counters, label};
use super::{Counter, Fit, Handover, Sum};
use crate::facts::{ModelDescription, ModelSchemas, Role, SCORE_BINS};
use crate::failure::{REMOTE_OUTCOMES, RowFailure};
use crate::provenance::{EntityStatuses, FeatureStatus};

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
    /// What its requests and answers have.
    pub schemas: Arc<ModelSchemas>,
    /// The model's columns, in order.
    pub columns: Vec<LaneColumn>,
    /// The names of its entities; none where it has one.
    pub entities: Vec<String>,
    /// The names of the decisions, in the order of their bands.
    pub decisions: Vec<String>,
    /// The codes of the reasons that rows may have.
    pub reasons: Vec<String>,
    /// The names of its rules, each once.
    pub rules: Vec<String>,
    /// Whether its scores are probabilities, and counted by their size.
    pub has_probabilities: bool,
    /// The shares of the training data's scores in the [`SCORE_BINS`] parts of 0 to 1; empty when
    /// they are not known.
    pub score_shares: Vec<f64>,
    /// Whether another server computes it.
    pub is_remote: bool,
    /// How long this shard took to load the model, in ns.
    pub load_ns: u64,
}

/// A column of a model, as far as telemetry is concerned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LaneColumn {
    /// Its name.
    pub name: String,
    /// Its quantiles in the training data, ascending; empty when they are not known.
    pub quantiles: Vec<f64>,
    /// Of a column of text: the codes of its categories, each with its share of the training data.
    /// What they leave of 1 is the share of all other cells. Empty when they are not known.
    pub shares: Vec<(f64, f64)>,
    /// The texts of these categories, in the same order.
    pub texts: Vec<String>,
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

counters! {
    /// What a lane counts. Every cell is written by the lane's shard alone, and no cache line of them
    /// is written by another.
    #[derive(Debug, Default)]
    #[repr(align(128))]
    pub struct LaneCounters {
        queue_rows: Gauge("shardgate_queue_rows", "Rows waiting in the queue."),
        concurrency_limit: Gauge("shardgate_batch_concurrency_limit",
            "How many batches may wait for features or scores at once; 0 where none has to."),
        batches: Counter("shardgate_batches_total", "Batches computed."),
        batches_panicked: Counter("shardgate_batches_panicked_total",
            "Batches that panicked: a defect, whose rows were answered with 500."),
        keys_fetched: Counter("shardgate_store_keys_total",
            "Distinct keys of batches that the store was asked for."),
        rows_abandoned: Counter("shardgate_rows_abandoned_total",
            "Rows whose client went away before they were answered."),
        rows: Counter("shardgate_rows_total",
            "Rows scored, by what their features stood on.")
            by "features" in FeatureStatus::WORDS,
        rows_explained: Counter("shardgate_rows_explained_total",
            "Rows explained, of which the reasons are a share."),
        rows_decided: Counter("shardgate_rows_decided_total",
            "Rows that a rule decided before the model was asked: they have no score."),
        rows_failed: Counter("shardgate_rows_failed_total",
            "Rows that were asked for and got no score, by reason.")
            by "reason" in RowFailure::REASONS,
    }
    and {
        /// Rows scored whose requests gave the features themselves; none of [`Self::rows`].
        pub rows_own_features: Counter,
        /// Nanoseconds that rows waited in the queue, summed over them.
        pub queue_ns: Counter,
        /// Nanoseconds spent fetching and joining features.
        pub features_ns: Counter,
        /// Nanoseconds spent computing scores.
        pub model_ns: Counter,
        /// Nanoseconds spent computing the contributions of explained rows.
        pub explain_ns: Counter,
        /// Rows scored by their decision, in the order of the facts'.
        pub decisions: Cells,
        /// How often each reason was given, in the order of the facts'.
        pub reasons: Cells,
        /// Rows that each rule decided, in the order of the facts'.
        pub rules: Cells,
        /// Rows scored by their score, in [`SCORE_BINS`] parts of 0 to 1; none where scores are no
        /// probabilities.
        pub scores: Cells,
        /// The sum of all scores that are finite, probabilities or not.
        pub scores_sum: Sum,
        /// Of a remote model.
        pub remote: RemoteCounters,
        /// When the last batch was computed, in ms since 1970; 0 before the first.
        pub last_batch_ms: Counter,
        /// 1 once a reload has replaced the lane: its counts stand still.
        pub retired: Counter,
        /// Of a version that scores copies.
        pub shadow: ShadowCounters,
        /// Rows scored by what the features of each entity stood on: entity by entity, each by
        /// status. None where there is one.
        pub entity_rows: Cells,
        /// How old the features of each entity were that rows were joined from, in seconds, summed.
        pub entity_age_s: Cells,
        /// How many rows were summed.
        pub entity_ages: Cells,
        /// How long batches waited for the table of each entity, in ns, summed over them.
        pub entity_wait_ns: Cells,
        /// How many batches did.
        pub entity_waits: Cells,
        /// Cells that took their column's default, by column.
        pub cells_defaulted: Cells,
        /// Texts that are none of the model's categories, by column.
        pub texts_unknown: Cells,
        /// Sampled cells by column and bin, for drift; see [`LaneTelemetry::sample`].
        pub bins: Cells,
    }
}

counters! {
    /// How the server of a remote model does.
    #[derive(Debug, Default)]
    pub struct RemoteCounters {
        batches: Counter("shardgate_remote_batches_total",
            "Batches for the server of a remote model, by what came of it.")
            by "result" in REMOTE_OUTCOMES,
        circuit_open: Gauge("shardgate_remote_circuit_open",
            "1 while a remote model's circuit is open, as its server failed too often."),
    }
    and {
        /// Nanoseconds that batches waited for it, summed over them.
        pub waited_ns: Counter,
    }
}

/// What the lane of a version that scores copies of rows counts, instead of rows.
#[derive(Debug, Default)]
pub struct ShadowCounters {
    /// Copies whose score was compared with the one that was answered.
    pub compared: Counter,
    /// Copies that got no score.
    pub failed: Counter,
    /// Copies that were dropped, as the shard was busy, or as they have a text that only the candidate
    /// may know.
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

    /// Counts a score.
    pub(crate) fn count_score(&self, score: f64) {
        if score.is_finite() {
            self.counters.scores_sum.add(score);
        }
        if let Some(last) = self.counters.scores.len().checked_sub(1) {
            // Each part has its upper bound; what is no probability is in the nearest part.
            let place = score * SCORE_BINS as f64;
            let bin = place as usize;
            let bin = bin.saturating_sub(usize::from(bin as f64 >= place));
            self.counters.scores.get(bin.min(last)).add(1);
        }
    }

    /// Counts what the features of each entity of a scored row stood on.
    pub(crate) fn count_entities(&self, statuses: EntityStatuses) {
        for (entity, status) in statuses.iter().take(self.facts.entities.len()) {
            self.entity_rows(entity, status).add(1);
        }
    }

    /// The rows of which the features of an entity stood on this.
    pub fn entity_rows(&self, entity: usize, status: FeatureStatus) -> &Counter {
        self.counters.entity_rows.get(entity * FeatureStatus::ALL.len() + status as usize)
    }

    /// Cells for a lane; to be made on its shard's thread.
    pub fn new(facts: LaneFacts) -> Self {
        let bins = facts.columns.iter().map(LaneColumn::bins).sum();
        let counters = LaneCounters {
            cells_defaulted: Cells::new(facts.columns.len()),
            texts_unknown: Cells::new(facts.columns.len()),
            bins: Cells::new(bins),
            entity_rows: Cells::new(facts.entities.len() * FeatureStatus::ALL.len()),
            entity_age_s: Cells::new(facts.entities.len()),
            entity_ages: Cells::new(facts.entities.len()),
            entity_wait_ns: Cells::new(facts.entities.len()),
            entity_waits: Cells::new(facts.entities.len()),
            decisions: Cells::new(facts.decisions.len()),
            reasons: Cells::new(facts.reasons.len()),
            rules: Cells::new(facts.rules.len()),
            scores: Cells::new(if facts.has_probabilities { SCORE_BINS } else { 0 }),
            ..LaneCounters::default()
        };
        Self { facts, counters, fit: Fit::default(), handover: Handover::default() }
    }

    /// Counts one row's cells into the bins that the training quantiles bound. A column of text has a
    /// bin for each category, and a last one for all other cells. `cell` gives the value of a column.
    /// To be called for a sample of rows: it costs some ns a column.
    pub fn sample(&self, cell: impl Fn(usize) -> f64) {
        let mut first = 0;
        for (column, facts) in self.facts.columns.iter().enumerate() {
            if let Some(bin) = facts.bin_of(cell(column)) {
                self.counters.bins.get(first + bin).add(1);
            }
            first += facts.bins();
        }
    }

    /// The sampled counts of each column with known quantiles or shares, bin by bin.
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
    /// The bin of a value, where it has one.
    fn bin_of(&self, value: f64) -> Option<usize> {
        if !self.shares.is_empty() {
            let place = self.shares.iter().position(|(code, _)| code.total_cmp(&value).is_eq());
            // NaN is one of the others: missing, or a text that is not known.
            return Some(place.unwrap_or(self.shares.len()));
        }
        // NaN is no number: a model that reads it as one has no quantile for it.
        let has_bin = !self.quantiles.is_empty() && !value.is_nan();
        has_bin.then(|| self.quantiles.iter().filter(|quantile| **quantile < value).count())
    }

    /// How many bins its quantiles bound or its shares name: one more than there are, or none.
    fn bins(&self) -> usize {
        match self.quantiles.len().max(self.shares.len()) {
            0 => 0,
            known => known + 1,
        }
    }
}

#[cfg(test)]
impl LaneTelemetry {
    /// A lane with these columns' quantiles and nothing else, for tests.
    pub(crate) fn with_quantiles(quantiles: &[&[f64]]) -> Self {
        let column = |(index, quantiles): (usize, &&[f64])| LaneColumn {
            name: format!("column-{index}"),
            quantiles: quantiles.to_vec(),
            ..LaneColumn::default()
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
    use super::{LaneColumn, LaneCounters, LaneFacts, LaneTelemetry};

    #[test]
    fn lanes_never_share_a_cache_line() {
        assert_eq!(align_of::<LaneCounters>() % 128, 0);
        assert_eq!(size_of::<LaneCounters>() % 128, 0);
    }

    #[test]
    fn a_text_without_a_share_is_one_of_the_others() {
        let shares = vec![(2.0, 0.5), (0.0, 0.25)];
        let text = LaneColumn { name: "a".to_owned(), shares, ..LaneColumn::default() };
        let number =
            LaneColumn { name: "b".to_owned(), quantiles: vec![1.0], ..LaneColumn::default() };
        let columns = vec![text, number];
        let lane = LaneTelemetry::new(LaneFacts { columns, ..LaneFacts::default() });
        for code in [0.0, 2.0, 2.0, 1.0, -1.0, f64::NAN] {
            lane.sample(|column| if column == 0 { code } else { 0.5 });
        }
        let sampled: Vec<_> = lane.sampled().map(|(column, bins)| (&*column.name, bins)).collect();
        assert_eq!(sampled, [("a", vec![2, 1, 3]), ("b", vec![6, 0])]);
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
