//! `bench overload`: goodput and memory of a running server, from a load that it can answer to
//! several times that.
//!
//! The load is open: requests leave by the clock on many connections, so that those which wait for
//! an answer do not keep the next from leaving. Goodput is what was answered with 200; everything
//! else is to be refused at once, so that the latency of a 429 is told beside that of an answer.
//! Both count from the time at which the request was due.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::open_loop::{self, OpenLoopArgs, SenderArgs};

/// What is sent where.
#[derive(Debug, clap::Args)]
pub(crate) struct OverloadArgs {
    /// Address of the server.
    #[arg(long, default_value = "127.0.0.1:8888")]
    server: SocketAddr,
    /// Its process, whose memory is looked at.
    #[arg(long)]
    pid: u32,
    /// Requests per second, one after the other.
    #[arg(long, value_delimiter = ',', required = true)]
    rates: Vec<u32>,
    /// Connections, each with at most one request on its way.
    #[arg(long, default_value_t = 8_192)]
    connections: u32,
    /// Seconds of each rate.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Users are drawn from user-0000001 to this one.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Core that the sender is pinned to.
    #[arg(long, default_value_t = 1)]
    core: usize,
    /// How long each answer is worth having, in milliseconds, as the requests say.
    #[arg(long)]
    deadline_ms: Option<u32>,
}

/// Sends at each rate, and prints a table.
pub(crate) fn run(args: &OverloadArgs) -> Result<()> {
    println!(
        "| offered/s | 200/s | 429/s | others/s | p50 of 200 | p99 of 200 | p50 of 429 \
         | p99 of 429 | p99 of all | broken | memory |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for rate in &args.rates {
        let sender = SenderArgs {
            server: args.server,
            // One that sends less than once a second says little of the rate.
            connections: args.connections.min(*rate),
            users: args.users,
            core: args.core,
            deadline_ms: args.deadline_ms,
        };
        let (rate, seconds) = (*rate, args.seconds);
        let outcome = open_loop::send(&OpenLoopArgs { rate, seconds, cut_off: true, sender })?;
        let per_second = |count: u64| count as f64 / seconds as f64;
        let (good, shed) = (&outcome.good_latency_us, &outcome.shed_latency_us);
        println!(
            "| {rate} | {:.0} | {:.0} | {:.0} | {} | {} | {} | {} | {} | {} | {:.1} MiB |",
            per_second(good.len()),
            per_second(shed.len()),
            per_second(outcome.refused - shed.len()),
            quantile(good, 0.5),
            quantile(good, 0.99),
            quantile(shed, 0.5),
            quantile(shed, 0.99),
            quantile(&outcome.latency_us, 0.99),
            outcome.broken,
            memory_mib(args.pid)?,
        );
    }
    Ok(())
}

/// A quantile in ms; a dash where there was no such answer.
fn quantile(latency_us: &Histogram<u64>, at: f64) -> String {
    match latency_us.len() {
        0 => "–".to_owned(),
        _ => format!("{:.1} ms", latency_us.value_at_quantile(at) as f64 / 1e3),
    }
}

/// Resident memory of a process.
fn memory_mib(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
    let kib = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok()
        })
        .with_context(|| format!("{path} has no VmRSS"))?;
    Ok(kib / 1_024.0)
}
