//! What is measured: a load, what came out under it, and a line of `raw.csv` for each measurement.

use std::fmt;

use anyhow::{Context, Result, ensure};

/// The columns of `raw.csv`.
pub(super) const HEADER: &str = "round,server,connections,rate,requests_per_second,p50_us,p99_us,\
                                 p999_us,errors,user_us_per_request,system_us_per_request,\
                                 beside_us_per_request,memory_mib";

/// How a server is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// wrk: each connection asks as soon as it was answered.
    Closed { connections: u32 },
    /// Our own sender: requests leave by the clock.
    Open { rate: u32 },
}

impl fmt::Display for Load {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { connections: 1 } => write!(formatter, "1 connection"),
            Self::Closed { connections } => write!(formatter, "{connections} connections"),
            Self::Open { rate } => write!(formatter, "{rate} requests/s"),
        }
    }
}

/// What one run of a load on a server showed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figures {
    pub(super) requests_per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    /// Answers other than 2xx, and broken connections.
    pub(super) errors: u64,
}

/// One measurement: a server under a load in a round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// Counted from 1, over all runs that a folder keeps: figures of one round were measured
    /// within a minute or two of each other.
    pub(super) round: usize,
    pub(super) server: String,
    pub(super) load: Load,
    pub(super) figures: Figures,
    /// CPU time of the server in user code, per request.
    pub(super) user_us: f64,
    /// CPU time of the server in the kernel, per request.
    pub(super) system_us: f64,
    /// CPU time of what the server asks for features, per request, where it asks.
    pub(super) beside_us: Option<f64>,
    pub(super) memory_mib: f64,
}

impl Sample {
    /// The line of this sample under [`HEADER`].
    pub(super) fn to_csv(&self) -> String {
        let (connections, rate) = match self.load {
            Load::Closed { connections } => (connections.to_string(), String::new()),
            Load::Open { rate } => (String::new(), rate.to_string()),
        };
        let Figures { requests_per_second, p50_us, p99_us, p999_us, errors } = self.figures;
        format!(
            "{},{},{connections},{rate},{requests_per_second:.1},{p50_us:.1},{p99_us:.1},\
             {p999_us:.1},{errors},{:.3},{:.3},{},{:.1}",
            self.round,
            self.server,
            self.user_us,
            self.system_us,
            self.beside_us.map_or_else(String::new, |us| format!("{us:.3}")),
            self.memory_mib,
        )
    }

    /// The sample that such a line says.
    fn of_csv(line: &str) -> Result<Self> {
        let cells: Vec<&str> = line.split(',').collect();
        let expected = HEADER.split(',').count();
        ensure!(cells.len() == expected, "{} cells where {expected} are wanted", cells.len());
        let number = |index: usize| -> Result<f64> {
            cells[index].parse().with_context(|| format!("{:?} is no number", cells[index]))
        };
        let load = if cells[2].is_empty() {
            Load::Open { rate: cells[3].parse().context("rate")? }
        } else {
            Load::Closed { connections: cells[2].parse().context("connections")? }
        };
        Ok(Self {
            round: cells[0].parse().context("round")?,
            server: cells[1].to_owned(),
            load,
            figures: Figures {
                requests_per_second: number(4)?,
                p50_us: number(5)?,
                p99_us: number(6)?,
                p999_us: number(7)?,
                errors: cells[8].parse().context("errors")?,
            },
            user_us: number(9)?,
            system_us: number(10)?,
            beside_us: if cells[11].is_empty() { None } else { Some(number(11)?) },
            memory_mib: number(12)?,
        })
    }
}

/// The samples of a `raw.csv`.
pub(super) fn read_csv(text: &str) -> Result<Vec<Sample>> {
    let mut lines = text.lines();
    ensure!(lines.next() == Some(HEADER), "the header is not {HEADER}");
    let numbered = (2..).zip(lines);
    numbered
        .map(|(number, line)| Sample::of_csv(line).with_context(|| format!("line {number}")))
        .collect()
}

/// What the tests of the summary and its pictures start from.
#[cfg(test)]
pub(super) fn sample(round: usize, server: &str, requests_per_second: f64) -> Sample {
    Sample {
        round,
        server: server.to_owned(),
        load: Load::Closed { connections: 64 },
        figures: Figures { requests_per_second, p50_us: 1.0, p99_us: 2.0, p999_us: 4.0, errors: 0 },
        user_us: 0.5,
        system_us: 1.5,
        beside_us: None,
        memory_mib: 3.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_its_line() {
        let open = Sample {
            load: Load::Open { rate: 500 },
            beside_us: Some(7.25),
            ..sample(2, "cql", 499.5)
        };
        for original in [sample(1, "floor", 100.0), open] {
            let text = format!("{HEADER}\n{}\n", original.to_csv());
            assert_eq!(read_csv(&text).unwrap(), [original]);
        }
    }

    #[test]
    fn a_line_of_another_shape_is_named() {
        let error = read_csv(&format!("{HEADER}\n1,floor,64\n")).unwrap_err();
        assert_eq!(format!("{error:#}"), "line 2: 3 cells where 13 are wanted");
    }
}
