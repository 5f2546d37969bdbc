//! One measurement, and the file that keeps all of them.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Figures;

/// What all windows are measured under.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    pub(super) backing: String,
    /// How much longer than over the loopback an answer of what is asked takes.
    pub(super) delay_us: u64,
    pub(super) trace: String,
    /// The share of the capacity that the trace was made for.
    pub(super) load: f64,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backing, delay_us, trace, load } = self;
        write!(formatter, "{backing}")?;
        if *delay_us > 0 {
            write!(formatter, " ({delay_us} µs away)")?;
        }
        write!(formatter, ", {trace} at {load} of the capacity")
    }
}

/// A line of `traces.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    /// Counted from 1, over all runs that the file keeps.
    pub(super) round: usize,
    pub(super) backing: String,
    pub(super) delay_us: u64,
    pub(super) trace: String,
    pub(super) load: f64,
    /// Requests a second that the trace was made for.
    pub(super) rate: f64,
    /// The fixed window; `None` is the adaptive one.
    pub(super) window_us: Option<u64>,
    pub(super) answers_per_second: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    /// How long after they were due half of the requests left, and all but one of a hundred.
    pub(super) late_p50_us: u64,
    pub(super) late_p99_us: u64,
    /// Answers other than 200, and broken connections.
    pub(super) errors: u64,
    /// CPU time of the gateway in user code and in the kernel, per request.
    pub(super) user_us: f64,
    pub(super) system_us: f64,
}

impl Sample {
    pub(super) fn new(round: usize, case: &Case, window_us: Option<u64>, figures: Figures) -> Self {
        let Figures { rate, outcome, user_seconds, system_seconds } = figures;
        let answers = outcome.good_latency_us.len() as f64;
        let latency_us = |quantile| outcome.good_latency_us.value_at_quantile(quantile);
        // As many digits as mean something.
        let rounded = |value: f64| (value * 1e3).round() / 1e3;
        Self {
            round,
            backing: case.backing.clone(),
            delay_us: case.delay_us,
            trace: case.trace.clone(),
            load: case.load,
            rate: rate.round(),
            window_us,
            answers_per_second: (answers / outcome.elapsed.as_secs_f64()).round(),
            p50_us: latency_us(0.5),
            p99_us: latency_us(0.99),
            late_p50_us: outcome.late_us.value_at_quantile(0.5),
            late_p99_us: outcome.late_us.value_at_quantile(0.99),
            errors: outcome.refused + outcome.broken,
            user_us: rounded(user_seconds * 1e6 / answers),
            system_us: rounded(system_seconds * 1e6 / answers),
        }
    }

    pub(super) fn case(&self) -> Case {
        Case {
            backing: self.backing.clone(),
            delay_us: self.delay_us,
            trace: self.trace.clone(),
            load: self.load,
        }
    }
}

/// The samples of the file at `path`; none where there is no such file.
pub(super) fn read(path: &Path) -> Result<Vec<Sample>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let named = || path.display().to_string();
    let mut reader = csv::Reader::from_path(path).with_context(named)?;
    reader.deserialize().collect::<Result<_, _>>().with_context(named)
}

/// Writes the file at `path` anew.
pub(super) fn write(path: &Path, samples: &[Sample]) -> Result<()> {
    let named = || format!("can't write {}", path.display());
    let mut writer = csv::Writer::from_path(path).with_context(named)?;
    for sample in samples {
        writer.serialize(sample).with_context(named)?;
    }
    writer.flush().with_context(named)
}

/// What the tests of this folder start from.
#[cfg(test)]
pub(super) fn sample(round: usize, window_us: Option<u64>, p99_us: u64) -> Sample {
    Sample {
        round,
        backing: "CQL".to_owned(),
        delay_us: 500,
        trace: "bursts".to_owned(),
        load: 0.5,
        rate: 1_000.0,
        window_us,
        answers_per_second: 1_000.0,
        p50_us: 10,
        p99_us,
        late_p50_us: 1,
        late_p99_us: 3,
        errors: 0,
        user_us: 1.5,
        system_us: 2.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_survive_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traces.csv");
        assert_eq!(read(&path).unwrap(), []);
        let samples = [sample(1, None, 30), sample(2, Some(0), 40)];
        write(&path, &samples).unwrap();
        assert_eq!(read(&path).unwrap(), samples);
    }
}
