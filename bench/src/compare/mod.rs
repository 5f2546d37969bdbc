//! `bench compare`: every server under the same load, in turns, and a table of what came out.
//!
//! [`servers`] starts the servers of `bench/servers.toml` and pauses those whose turn it isn't,
//! [`wrk`] and [`crate::open_loop`] load the one that runs, [`usage`] reads what it cost,
//! [`summary`] compares, [`plot`] draws that, and [`record`] keeps a run under `bench/runs/`. Not
//! here: a verdict. The figures are for people; no check depends on them.
//!
//! Each round measures each server once, starting with another one each time, so that a machine
//! that slows down for a minute doesn't slow down always the same server. A ratio compares two
//! figures of one round.

mod plot;
mod prepare;
mod record;
mod servers;
mod summary;
mod usage;
mod wrk;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::open_loop::{self, OpenLoopArgs};
use servers::{Places, Server};

pub(crate) use prepare::{Inputs, inputs};
pub(crate) use record::said_by;

/// What is measured, where and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// Servers to measure, by their names in the list; all of them by default.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// List of servers.
    #[arg(long, default_value = "bench/servers.toml")]
    list: PathBuf,
    /// Closed loop: wrk keeps this many connections busy.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256")]
    connections: Vec<u32>,
    /// Open loop: this many requests leave each second, on 64 connections.
    #[arg(long, value_delimiter = ',')]
    rates: Vec<u32>,
    /// How often each server is measured under each load.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Seconds of load before each measurement.
    #[arg(long, default_value_t = 1)]
    warm_up_seconds: u64,
    /// Users in the store; each request asks for one at random.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Core for the server under load.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core for the client.
    #[arg(long, default_value_t = 1)]
    client_core: usize,
    /// Keep the run in a new folder under bench/runs.
    #[arg(long)]
    record: bool,
}

/// How a server is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
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
struct Figures {
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// Answers other than 2xx, and broken connections.
    errors: u64,
}

/// One measurement: a server under a load in a round.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    round: usize,
    server: String,
    load: Load,
    figures: Figures,
    /// CPU time in user code, per request.
    user_us: f64,
    /// CPU time in the kernel, per request.
    system_us: f64,
    /// CPU time of the program that the server asks, per request.
    beside_us: f64,
    memory_mib: f64,
}

/// Measures, prints the summary, and keeps the run if asked to.
pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    ensure!(args.server_core != args.client_core, "server and client need a core each");
    let (core, client_core) = (args.server_core, args.client_core);
    let places = Places { core, client_core, inputs: prepare::inputs(args.users)? };
    let mut servers = Vec::new();
    for description in servers::read_list(&args.list, &args.servers)? {
        eprintln!("starting {}", description.name);
        servers.push(Server::start(description, &places)?);
    }
    servers::check_same_scores(&servers, args.users)?;
    for server in &servers {
        server.pause()?;
    }
    let samples = measure_all(args, &servers)?;
    let summary = summary::markdown(&samples);
    println!("{summary}");
    if args.record {
        let folder = record::write(&samples, &summary, &plot::svg(&samples))?;
        eprintln!("kept in {}", folder.display());
    }
    Ok(())
}

fn measure_all(args: &CompareArgs, servers: &[Server]) -> Result<Vec<Sample>> {
    let closed = args.connections.iter().map(|&connections| Load::Closed { connections });
    let open = args.rates.iter().map(|&rate| Load::Open { rate });
    let loads: Vec<Load> = closed.chain(open).collect();
    let mut samples = Vec::new();
    for round in 0..args.rounds {
        for &load in &loads {
            for turn in 0..servers.len() {
                let server = &servers[(turn + round) % servers.len()];
                server.resume()?;
                let sample = measure(args, server, load, round)
                    .with_context(|| format!("{} under {load}", server.name()))?;
                server.pause()?;
                eprintln!(
                    "round {}, {load}: {} {:.0} requests/s, p99 {:.0} us, {} errors",
                    round + 1,
                    sample.server,
                    sample.figures.requests_per_second,
                    sample.figures.p99_us,
                    sample.figures.errors,
                );
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

fn measure(args: &CompareArgs, server: &Server, load: Load, round: usize) -> Result<Sample> {
    apply(args, server, load, args.warm_up_seconds)?;
    let (before, before_beside) = (server.usage()?, server.usage_beside()?);
    let figures = apply(args, server, load, args.seconds)?;
    let (after, after_beside) = (server.usage()?, server.usage_beside()?);
    let requests = figures.requests_per_second * args.seconds as f64;
    Ok(Sample {
        round,
        server: server.name().to_owned(),
        load,
        user_us: (after.user_seconds - before.user_seconds) * 1e6 / requests,
        system_us: (after.system_seconds - before.system_seconds) * 1e6 / requests,
        beside_us: (after_beside.seconds() - before_beside.seconds()) * 1e6 / requests,
        memory_mib: after.memory_bytes as f64 / f64::from(1 << 20),
        figures,
    })
}

fn apply(args: &CompareArgs, server: &Server, load: Load, seconds: u64) -> Result<Figures> {
    match load {
        Load::Closed { connections } => {
            wrk::run(server.address(), connections, seconds, args.users, args.client_core)
        }
        Load::Open { rate } => {
            let outcome = open_loop::send(&OpenLoopArgs {
                server: server.address(),
                rate,
                connections: 64,
                seconds,
                users: args.users,
                core: args.client_core,
                deadline_ms: None,
                cut_off: false,
            })?;
            let latency = &outcome.latency_us;
            Ok(Figures {
                requests_per_second: latency.len() as f64 / seconds as f64,
                p50_us: latency.value_at_quantile(0.5) as f64,
                p99_us: latency.value_at_quantile(0.99) as f64,
                errors: outcome.refused + outcome.broken,
            })
        }
    }
}

/// What the tests of the summary and its picture start from.
#[cfg(test)]
fn sample(round: usize, server: &str, requests_per_second: f64) -> Sample {
    Sample {
        round,
        server: server.to_owned(),
        load: Load::Closed { connections: 64 },
        figures: Figures { requests_per_second, p50_us: 1.0, p99_us: 2.0, errors: 0 },
        user_us: 0.5,
        system_us: 1.5,
        beside_us: 0.0,
        memory_mib: 3.0,
    }
}
