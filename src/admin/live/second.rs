//! What one second was like, as the page reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hdrhistogram::Histogram;
use serde::Serialize;
use shards::failure::RowFailure;
use shards::provenance::FeatureStatus;
use shards::telemetry::counters::STATUSES;
use shards::telemetry::{HistogramCopies, Histograms, Phase};

use super::answers::AnswerSeconds;
use super::look::Counted;
use super::models::ModelSeconds;
use super::store::StoreSecond;
use crate::admin::ShardView;

/// The heat map's rows: bounds in µs, each √2 times the one below, from 10 µs.
const HEAT_ROWS: usize = 36;
const HEAT_LOWEST_US: f64 = 10.0;
/// The upper bounds of batch sizes that are told apart, in rows.
const BATCH_ROWS: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// A finished second: the JSON text that pages get, and what the process itself reads.
#[derive(Debug)]
pub(in crate::admin) struct Second {
    /// The JSON text, on one line.
    pub(super) text: Arc<str>,
    /// What the feature store did.
    pub(super) store: StoreSecond,
}

/// A second in the making.
#[derive(Debug, Serialize)]
pub(super) struct Draft {
    /// Its end, in seconds since 1970.
    time_s: u64,
    /// How long it was: between two looks at all counters.
    elapsed_s: f64,
    shards: Vec<ShardSecond>,
    responses: BTreeMap<u16, u64>,
    features: BTreeMap<&'static str, u64>,
    failed: BTreeMap<&'static str, u64>,
    /// What the shards counted, by its name on `/metrics`.
    counters: BTreeMap<&'static str, u64>,
    phases: Vec<PhaseSecond>,
    batch_rows: Vec<u64>,
    heat: Vec<u64>,
    requests_per_s: f64,
    models: ModelSeconds,
    answers: AnswerSeconds,
    #[serde(skip)]
    merged: Histograms,
    #[serde(skip)]
    store: StoreSecond,
}

#[derive(Debug, Serialize)]
struct ShardSecond {
    index: usize,
    core: usize,
    answered: bool,
    requests_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    connections: u64,
    queue_rows: u64,
    /// Shares of the second, 0 to 1.
    busy: f64,
    features: f64,
    model: f64,
}

#[derive(Debug, Serialize)]
struct PhaseSecond {
    name: &'static str,
    mean_us: f64,
    p50_us: f64,
    p99_us: f64,
}

impl Second {
    /// Begins a second that ended at `time_s` and was `elapsed_s` long.
    pub(super) fn begin(time_s: u64, elapsed_s: f64) -> Draft {
        Draft {
            time_s,
            elapsed_s,
            shards: Vec::new(),
            responses: BTreeMap::new(),
            features: FeatureStatus::ALL.iter().map(|status| (status.as_str(), 0)).collect(),
            failed: BTreeMap::new(),
            counters: BTreeMap::new(),
            phases: Vec::new(),
            batch_rows: Vec::new(),
            heat: Vec::new(),
            requests_per_s: 0.0,
            models: ModelSeconds::default(),
            answers: AnswerSeconds::default(),
            merged: Histograms::default(),
            store: StoreSecond::default(),
        }
    }
}

impl Draft {
    /// Adds what a shard did; `since` is what it measured, where it answered.
    pub(super) fn add(
        &mut self,
        shard: &ShardView,
        now: &Counted,
        last: &Counted,
        since: Option<&Histograms>,
    ) {
        let grown = |now: &[u64], last: &[u64]| -> Vec<u64> {
            now.iter().zip(last).map(|(now, last)| now.saturating_sub(*last)).collect()
        };
        let elapsed_s = self.elapsed_s;
        let responses = grown(&now.responses, &last.responses);
        let requests_per_s = responses.iter().sum::<u64>() as f64 / elapsed_s;
        for (status, count) in STATUSES.iter().zip(responses).filter(|(_, count)| *count > 0) {
            *self.responses.entry(*status).or_default() += count;
        }
        for (status, count) in FeatureStatus::ALL.iter().zip(grown(&now.features, &last.features)) {
            *self.features.entry(status.as_str()).or_default() += count;
            self.store.add(&StoreSecond::of_features(*status, count));
        }
        let failed = grown(&now.failed, &last.failed);
        self.store.add(&StoreSecond {
            refused: failed.get(StoreSecond::REFUSED).copied().unwrap_or(0),
            statements_failed: std::array::from_fn(|reason| {
                now.statements_failed[reason].saturating_sub(last.statements_failed[reason])
            }),
            damaged: now.damaged.saturating_sub(last.damaged),
            disconnected: now.is_disconnected.then_some(shard.index).into_iter().collect(),
            ..StoreSecond::default()
        });
        let failed = RowFailure::REASONS.iter().zip(failed);
        for (reason, count) in failed.filter(|(_, count)| *count > 0) {
            *self.failed.entry(reason).or_default() += count;
        }
        now.lines.add_since(&last.lines, &mut self.counters);
        self.answers.add(&now.answered, &last.answered);
        let request = since.map(|since| since.phase(Phase::Request));
        let quantile = |q| request.map_or(0.0, |times| quantile_us(times, q));
        let share = |now: u64, last: u64| now.saturating_sub(last) as f64 / 1e9 / elapsed_s;
        let telemetry = &shard.shared.telemetry;
        let lanes = telemetry.lanes();
        self.shards.push(ShardSecond {
            index: shard.index,
            core: shard.core,
            answered: since.is_some(),
            requests_per_s,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            connections: telemetry.counters.connections_open.get(),
            queue_rows: lanes.iter().map(|lane| lane.counters.queue_rows.get()).sum(),
            busy: ((now.cpu_s - last.cpu_s) / elapsed_s).clamp(0.0, 1.0),
            features: share(now.features_ns, last.features_ns),
            model: share(now.model_ns, last.model_ns),
        });
        self.requests_per_s += requests_per_s;
        if let Some(since) = since {
            self.merged.merge(since);
        }
    }

    /// Adds what was measured of each model on a shard, beside what was before.
    pub(super) fn add_models(&mut self, now: &HistogramCopies, last: Option<&HistogramCopies>) {
        self.models.add(now, last);
    }

    /// The second as it is kept.
    pub(super) fn finish(mut self) -> Second {
        self.phases = Phase::ALL
            .iter()
            .map(|phase| {
                let times = self.merged.phase(*phase);
                PhaseSecond {
                    name: phase.as_str(),
                    mean_us: round(times.mean() / 1e3),
                    p50_us: quantile_us(times, 0.5),
                    p99_us: quantile_us(times, 0.99),
                }
            })
            .collect();
        self.batch_rows = count(self.merged.batch_rows(), BATCH_ROWS.len() + 1, |rows| {
            BATCH_ROWS.partition_point(|bound| *bound < rows)
        });
        self.heat = count(self.merged.phase(Phase::Request), HEAT_ROWS, heat_row);
        // Every value is a number or a string: it serialises.
        let text = serde_json::to_string(&self).unwrap_or_default();
        Second { text: text.into(), store: self.store }
    }
}

/// The heat map's row of a latency.
fn heat_row(latency_ns: u64) -> usize {
    let steps = (latency_ns as f64 / 1e3 / HEAT_LOWEST_US).log2() * 2.0;
    (steps.max(0.0) as usize).min(HEAT_ROWS - 1)
}

/// How many values fall into each of `length` places.
fn count(values: &Histogram<u64>, length: usize, place: impl Fn(u64) -> usize) -> Vec<u64> {
    let mut counts = vec![0; length];
    for step in values.iter_recorded() {
        let lowest = values.lowest_equivalent(step.value_iterated_to());
        counts[place(lowest)] += step.count_at_value();
    }
    counts
}

pub(super) fn quantile_us(times: &Histogram<u64>, quantile: f64) -> f64 {
    round(times.value_at_quantile(quantile) as f64 / 1e3)
}

/// To a tenth: more would only make the text longer.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use shards::shard::ShardShared;

    use super::super::look::Look;
    use super::{HEAT_ROWS, Second, heat_row};
    use crate::admin::ShardView;

    /// Two shards are looked at together, so that all counts are of one time.
    #[test]
    fn a_rate_is_over_the_time_between_its_counters() {
        let shard =
            |index| ShardView { index, core: index, shared: Arc::new(ShardShared::default()) };
        let shards = [shard(0), shard(1)];
        let last = Look::at(&shards);
        let mut now = Look::at(&shards);
        assert!(now.at >= last.at, "the time is that of the look");
        now.at = last.at + Duration::from_millis(1_800);
        for counted in &mut now.shards {
            counted.responses[0] += 900;
            counted.model_ns += 900_000_000;
        }
        let elapsed_s = now.elapsed_s(&last);
        let mut second = Second::begin(0, elapsed_s);
        for (shard, (now, last)) in shards.iter().zip(now.shards.iter().zip(&last.shards)) {
            second.add(shard, now, last, None);
        }
        assert!((elapsed_s - 1.8).abs() < 1e-9, "what the page divides counts by");
        assert!((second.requests_per_s - 1_000.0).abs() < 1e-6, "{}", second.requests_per_s);
        for shard in &second.shards {
            assert!((shard.requests_per_s - 500.0).abs() < 1e-6, "{}", shard.requests_per_s);
            assert!((shard.model - 0.5).abs() < 1e-9, "{}", shard.model);
        }
    }

    #[test]
    fn each_row_of_the_heat_map_is_the_square_root_of_two_above_the_last() {
        assert_eq!(heat_row(1_000), 0);
        assert_eq!(heat_row(10_000), 0);
        assert_eq!(heat_row(14_200), 1);
        assert_eq!(heat_row(20_001), 2);
        assert_eq!(heat_row(60_000_000_000), HEAT_ROWS - 1);
    }
}
