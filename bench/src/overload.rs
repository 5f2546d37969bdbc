//! `bench overload`: goodput and memory of a running server, from a load that it can answer to
//! several times that.
//!
//! The load is open: requests leave by the clock on many connections, so that those which wait for
//! an answer do not keep the next from leaving. Goodput is what was answered with 200; everything
//! else is to be refused at once, so that the latency of a 429 is told beside that of an answer.
//! Both count from the time at which the request was due.
//!
//! Answers count in the second in which they arrive, after a warm-up and not after the last request:
//! else a queue would count as answered that was only filled, or drained when the load had gone.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::open_loop::{self, Answers, OpenLoopArgs, SenderArgs};

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
    /// Seconds of each rate in which answers count.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Seconds of each rate before that, in which queues fill.
    #[arg(long, default_value_t = 2)]
    warm_up_seconds: u64,
    /// Users are drawn from user-0000001 to this one.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Core that the sender is pinned to.
    #[arg(long, default_value_t = 1)]
    core: usize,
    /// How long each answer is worth having, in milliseconds, as the requests say.
    #[arg(long)]
    deadline_ms: Option<u32>,
    /// Take the connection that was unused for longest, as many clients with one each would; else
    /// the one that was used last, as proxies do.
    #[arg(long)]
    spread: bool,
}

/// Sends at each rate, and prints a table.
pub(crate) fn run(args: &OverloadArgs) -> Result<()> {
    println!(
        "| offered/s | 200/s | 429/s | others/s | p50 of 200 | p99 of 200 | p50 of 429 \
         | p99 of 429 | p99 of all | left late, p99 | broken | memory |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for rate in &args.rates {
        let sender = SenderArgs {
            server: args.server,
            // One that sends less than once a second says little of the rate.
            connections: args.connections.min(*rate),
            users: args.users,
            core: args.core,
            deadline_ms: args.deadline_ms,
            spread: args.spread,
        };
        let (rate, seconds) = (*rate, args.warm_up_seconds + args.seconds);
        let outcome = open_loop::send(&OpenLoopArgs { rate, seconds, cut_off: true, sender })?;
        let counted = outcome.seconds.iter().skip(args.warm_up_seconds as usize);
        let counted: Vec<_> = counted.take(args.seconds as usize).collect();
        let per_second = |count: fn(&Answers) -> u64| {
            counted.iter().map(|answers| count(answers)).sum::<u64>() as f64 / args.seconds as f64
        };
        let (good, shed) = (&outcome.good_latency_us, &outcome.shed_latency_us);
        println!(
            "| {rate} | {:.0} | {:.0} | {:.0} | {} | {} | {} | {} | {} | {} | {} | {:.1} MiB |",
            per_second(|answers| answers.good),
            per_second(|answers| answers.shed),
            per_second(|answers| answers.other),
            quantile(good, 0.5),
            quantile(good, 0.99),
            quantile(shed, 0.5),
            quantile(shed, 0.99),
            quantile(&outcome.latency_us, 0.99),
            quantile(&outcome.late_us, 0.99),
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
