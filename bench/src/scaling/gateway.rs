//! A gateway with some shards, and what its admin port says of them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::Variant;
use crate::compare::Inputs;
use crate::metrics;

/// A gateway that serves; it is killed on drop.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    admin: SocketAddr,
    process: Child,
}

/// What a gateway has counted since its start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counts {
    /// CPU time of the whole process, in seconds: `/proc/PID/stat`, in hundredths.
    pub(super) cpu_s: f64,
    /// Connections accepted, by shard.
    pub(super) connections: Vec<u64>,
    /// Requests answered, by shard.
    pub(super) answers: Vec<u64>,
}

impl Gateway {
    /// Starts one on `cores` and waits until it serves.
    pub(super) fn start(variant: &Variant, cores: &[usize], inputs: &Inputs) -> Result<Self> {
        let cores = super::list(&cores[..variant.shards]);
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "target/release/shardgate", "serve"])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log", "warn"])
            .args(["--models", "models", "--model", "bench-credit-numeric", "--cores", &cores])
            .args(["--steering", &variant.steering])
            .arg(format!("--store=embedded:{}", inputs.store.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("setpriv didn't start")?;
        let said = process.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(said).lines();
        let mut address = || {
            let line = lines.next().and_then(Result::ok).unwrap_or_default();
            let rest = line.split_once("http://").map(|(_, rest)| rest.to_owned());
            let text = rest.context("the gateway doesn't say where it serves")?;
            let end = text.find([',', '/']).unwrap_or(text.len());
            text[..end].parse().with_context(|| text.clone())
        };
        let (address, admin) = (address()?, address()?);
        Ok(Self { address, admin, process })
    }

    /// What it has counted.
    pub(super) fn counts(&self) -> Result<Counts> {
        let text = metrics::read(self.admin)?;
        let seconds = metrics::samples(&text, "process_cpu_seconds_total").next();
        Ok(Counts {
            cpu_s: seconds.context("no process_cpu_seconds_total")?.1,
            connections: by_shard(&text, "shardgate_connections_accepted_total"),
            answers: by_shard(&text, "shardgate_responses_total"),
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Nothing is left to do for one that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Counts {
    /// What was counted since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let less = |now: &[u64], before: &[u64]| {
            now.iter().zip(before).map(|(now, before)| now - before).collect()
        };
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            connections: less(&self.connections, &before.connections),
            answers: less(&self.answers, &before.answers),
        }
    }
}

/// The sum of a family's samples for each shard.
fn by_shard(text: &str, family: &str) -> Vec<u64> {
    let mut sums = Vec::new();
    for (labels, value) in metrics::samples(text, family) {
        let shard = labels.strip_prefix("{shard=\"").and_then(|rest| rest.split_once('"'));
        let Some(Ok(shard)) = shard.map(|(shard, _)| shard.parse::<usize>()) else { continue };
        if sums.len() <= shard {
            sums.resize(shard + 1, 0);
        }
        sums[shard] += value as u64;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::by_shard;

    #[test]
    fn samples_are_summed_for_each_shard() {
        let text = "# HELP a x\na{shard=\"0\",status=\"200\"} 5\na{shard=\"1\",status=\"200\"} 7\n\
            a{shard=\"0\",status=\"404\"} 1\nab{shard=\"0\"} 9\n";
        assert_eq!(by_shard(text, "a"), [6, 7]);
    }
}
