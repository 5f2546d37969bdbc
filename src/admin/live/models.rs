//! What one second was like for each version of each model.

use std::sync::Arc;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use shards::facts::Role;
use shards::telemetry::{HistogramCopies, LaneTelemetry, Phase};

use super::ELAPSED_S_MIN;
use super::second::quantile_us;

/// Those that were asked, and those that score copies.
#[derive(Debug, Default)]
pub(super) struct ModelSeconds(Vec<ModelSecond>);

#[derive(Debug)]
struct ModelSecond {
    model: String,
    version: u64,
    role: Role,
    requests_per_s: f64,
    /// From the read that completed a request to the end of the write of its answer, in ns.
    times: Histogram<u64>,
    /// Copies whose scores were compared, since the version was loaded, and by how much they
    /// differed, summed.
    compared: u64,
    difference_sum: f64,
    difference_absolute_sum: f64,
}

#[derive(Serialize)]
struct Shown<'a> {
    model: &'a str,
    version: u64,
    role: &'static str,
    requests_per_s: f64,
    p99_us: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<Difference>,
}

#[derive(Serialize)]
struct Difference {
    compared: u64,
    /// This version's scores less those that were answered.
    mean: f64,
    mean_absolute: f64,
}

impl ModelSeconds {
    /// Adds what a shard measured since `last`: of the time between these copies, which is not that
    /// between two looks where a shard was too busy to answer one.
    pub(super) fn add(&mut self, now: &HistogramCopies, last: Option<&HistogramCopies>) {
        for (lane, histograms) in &now.lanes {
            if lane.is_retired() {
                continue;
            }
            // Before the first copies a shard has served for less than a second.
            let elapsed_s = last.map_or(1.0, |last| now.elapsed_s(lane, last).max(ELAPSED_S_MIN));
            let times = histograms.phase(Phase::Request);
            let before = last.and_then(|last| find(last, lane));
            let known = before.map_or(0, Histogram::len);
            let count = times.len().saturating_sub(known);
            let shadow = lane.facts.role == Role::Shadow;
            if count == 0 && !shadow {
                continue;
            }
            let second = self.of(lane, times);
            second.requests_per_s += count as f64 / elapsed_s;
            // Both are of one shape, and what is older was counted in what is newer.
            let _ = second.times.add(times);
            let _ = before.map(|before| second.times.subtract(before));
            let counters = &lane.counters.shadow;
            second.compared += counters.compared.get();
            second.difference_sum += counters.difference_sum.get();
            second.difference_absolute_sum += counters.difference_absolute_sum.get();
        }
    }

    /// What there is of this version; `times` says of which shape its times are.
    fn of(&mut self, lane: &LaneTelemetry, times: &Histogram<u64>) -> &mut ModelSecond {
        let facts = &lane.facts;
        let known = self.0.iter().position(|known| {
            (&known.model, known.version, known.role) == (&facts.model, facts.version, facts.role)
        });
        let place = known.unwrap_or_else(|| {
            self.0.push(ModelSecond {
                model: facts.model.clone(),
                version: facts.version,
                role: facts.role,
                requests_per_s: 0.0,
                times: Histogram::new_from(times),
                compared: 0,
                difference_sum: 0.0,
                difference_absolute_sum: 0.0,
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

/// The histogram of a lane's requests in an older copy.
fn find<'a>(copies: &'a HistogramCopies, lane: &Arc<LaneTelemetry>) -> Option<&'a Histogram<u64>> {
    let found = copies.lanes.iter().find(|(known, _)| Arc::ptr_eq(known, lane))?;
    Some(found.1.phase(Phase::Request))
}

impl ModelSecond {
    fn difference(&self) -> Difference {
        // The sums are zero where nothing was compared.
        let compared = self.compared.max(1) as f64;
        Difference {
            compared: self.compared,
            mean: self.difference_sum / compared,
            mean_absolute: self.difference_absolute_sum / compared,
        }
    }
}

impl Serialize for ModelSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|second| Shown {
            model: &second.model,
            version: second.version,
            role: second.role.as_str(),
            requests_per_s: (second.requests_per_s * 100.0).round() / 100.0,
            p99_us: quantile_us(&second.times, 0.99),
            shadow: (second.role == Role::Shadow).then(|| second.difference()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use shards::telemetry::{Histograms, LaneFacts};

    use super::*;

    fn lane() -> LaneTelemetry {
        LaneTelemetry::new(LaneFacts {
            model: "model".to_owned(),
            version: 1,
            ..LaneFacts::default()
        })
    }

    /// A busy shard makes a copy late, or leaves one out: its requests are those of all that time.
    #[test]
    fn a_rate_is_over_the_time_between_the_copies() {
        let lane = Arc::new(lane());
        let start = Instant::now();
        let copies = |ms: u64, count: u64| {
            let mut histograms = Histograms::default();
            histograms.record(Phase::Request, 1_000, count);
            let lanes = vec![(Arc::clone(&lane), histograms)];
            HistogramCopies::new(start + Duration::from_millis(ms), Histograms::default(), lanes)
        };
        let mut seconds = ModelSeconds::default();
        seconds.add(&copies(1_800, 1_000), Some(&copies(0, 100)));
        assert!((seconds.0[0].requests_per_s - 500.0).abs() < 1e-6, "{seconds:?}");
    }
}
