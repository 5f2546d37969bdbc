//! `bench traces`: the simulation's arrivals on the real server, by adaptive and by fixed windows.
//!
//! [`ground`] starts what a gateway asks (nothing, a stub for a cluster, a real node, or another
//! gateway that computes its model), behind a [`relay`] that makes it as far away as asked for, and
//! one gateway for each window. Those are loaded in turns, each round starting with another one, by
//! requests that leave when the trace says, and latencies count from then. [`sample`] is what comes
//! of it, and [`summary`] compares within a round.
//!
//! What is *not* here: the traces (`shards/tests/simulation`), virtual time (`simulate`), clients
//! that wait for answers (`compare`).

mod ground;
pub(crate) mod relay;
mod sample;
mod summary;

use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::ground::{Backing, Ground};
use self::sample::{Case, Sample};
use crate::compare::{self, Inputs, Server};
use crate::open_loop::{self, Outcome, SenderArgs};
use crate::simulate::Trace;

/// Those that are played; clients that wait for answers have no arrivals of their own.
const TRACES: [Trace; 4] = [Trace::Poisson, Trace::Bursts, Trace::OnOff, Trace::Diurnal];

/// What is measured, where and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct TracesArgs {
    /// What the gateway asks for features or scores, one after the other.
    #[arg(long, value_delimiter = ',', default_value = "embedded,cql,remote")]
    backings: Vec<Backing>,
    /// How requests arrive.
    #[arg(long, value_delimiter = ',', value_parser = trace_by_name,
          default_value = "poisson,bursts,on/off,diurnal")]
    traces: Vec<Trace>,
    /// How much longer than over the loopback an answer of that takes, in µs.
    #[arg(long, default_value_t = 500)]
    delay_us: u64,
    /// Fixed windows to hold against the adaptive one, in µs.
    #[arg(long, value_delimiter = ',', default_value = "0,100,200,500,1000,2000,5000")]
    windows_us: Vec<u64>,
    /// Requests per second, as a share of what the gateway answers to a sender that never waits.
    #[arg(long, default_value_t = 0.5)]
    load: f64,
    /// How often each window is measured under each trace.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Milliseconds of load before each measurement.
    #[arg(long, default_value_t = 300)]
    warm_up_ms: u64,
    /// Users in the store; each request asks for one at random.
    #[arg(long, default_value_t = 100_000)]
    users: u64,
    /// Connections of the sender.
    #[arg(long, default_value_t = 256)]
    connections: u32,
    /// Core for the gateway.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core for the sender, and for what the gateway asks.
    #[arg(long, default_value_t = 1)]
    client_core: usize,
    /// Have the sender come before all else on its core, by `chrt`, which takes root.
    #[arg(long)]
    real_time: bool,
    /// Keep the run as traces.csv and traces.md in this folder, beside what they have already.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
}

fn trace_by_name(name: &str) -> Result<Trace, String> {
    let found = TRACES.into_iter().find(|trace| trace.name() == name);
    found.ok_or_else(|| format!("expected one of {}", TRACES.map(Trace::name).join(", ")))
}

/// Measures, prints the summary, and keeps the run if asked to.
pub(crate) fn run(args: &TracesArgs) -> Result<()> {
    ensure!(args.server_core != args.client_core, "server and client need a core each");
    let mut samples = match &args.record {
        Some(folder) => sample::read(&folder.join("traces.csv"))?,
        None => Vec::new(),
    };
    let inputs = compare::inputs(args.users)?;
    let rounds_before = samples.iter().map(|sample| sample.round).max().unwrap_or(0);
    for &backing in &args.backings {
        samples.extend(measure(args, backing, &inputs, rounds_before)?);
    }
    println!("{}", summary::markdown(&samples));
    if let Some(folder) = &args.record {
        sample::write(&folder.join("traces.csv"), &samples)?;
        summary::write(&folder.join("traces.md"), &samples)?;
    }
    Ok(())
}

/// One gateway, and the window that it was given; `None` is the adaptive one.
struct Contender {
    window_us: Option<u64>,
    server: Server,
}

/// Measures each window under each trace, once in each round; counts rounds from `after`.
fn measure(
    args: &TracesArgs,
    backing: Backing,
    inputs: &Inputs,
    after: usize,
) -> Result<Vec<Sample>> {
    let ground = Ground::start(backing, args, inputs)?;
    let mut contenders = Vec::new();
    for window_us in iter::once(None).chain(args.windows_us.iter().copied().map(Some)) {
        let server = ground.gateway(window_us)?;
        server.pause(None)?;
        contenders.push(Contender { window_us, server });
    }
    // One of its own: a process that was flooded is a tenth slower from then on.
    let capacity = capacity(args, backing, &ground.gateway(None)?)?;
    eprintln!("{}: {capacity:.0} requests/s where one is always due", backing.name());
    let mut samples = Vec::new();
    for round in after..after + args.rounds {
        for &trace in &args.traces {
            let case = Case {
                backing: backing.name().to_owned(),
                delay_us: ground.delay_us(),
                trace: trace.name().to_owned(),
                load: args.load,
            };
            for turn in 0..contenders.len() {
                let contender = &contenders[(turn + round) % contenders.len()];
                let figures = in_turn(args, &contender.server, trace, capacity, round)
                    .with_context(|| format!("{case} on {}", contender.server.name()))?;
                let window_us = contender.window_us;
                samples.push(Sample::new(round + 1, &case, window_us, figures));
            }
        }
        eprintln!("round {} of {}", round - after + 1, args.rounds);
    }
    Ok(samples)
}

/// What a measurement gave.
struct Figures {
    /// Requests a second that the trace was made for.
    rate: f64,
    outcome: Outcome,
    /// CPU time of the gateway.
    user_seconds: f64,
    system_seconds: f64,
}

/// Plays a trace on a gateway that waits, and has it wait again. The round is the seed: within it,
/// all gateways have the same arrivals.
fn in_turn(
    args: &TracesArgs,
    server: &Server,
    trace: Trace,
    capacity: f64,
    round: usize,
) -> Result<Figures> {
    let rate = args.load * capacity;
    server.resume(None)?;
    let play = |trace: Trace, length: Duration| {
        let due_ns = arrivals(trace, rate, length, round as u64);
        open_loop::send_at(&sender(args, server, args.real_time), due_ns.into_iter(), None)
    };
    play(Trace::Poisson, Duration::from_millis(args.warm_up_ms))?;
    let before = server.usage()?;
    let outcome = play(trace, Duration::from_secs(args.seconds))?;
    let after = server.usage()?;
    server.pause(None)?;
    Ok(Figures {
        rate,
        outcome,
        user_seconds: after.user_seconds - before.user_seconds,
        system_seconds: after.system_seconds - before.system_seconds,
    })
}

/// When requests are due within `length`, in ns: `rate` a second in the mean (diurnal: at its
/// peak, which is in the middle).
fn arrivals(trace: Trace, rate: f64, length: Duration, seed: u64) -> Vec<u64> {
    let count = (rate * length.as_secs_f64()) as usize;
    let mut due_ns = trace.arrivals(rate / 1e9, count, seed);
    due_ns.retain(|due_ns| u128::from(*due_ns) < length.as_nanos());
    due_ns
}

/// The requests a second that the gateway answers to a sender for which one is always due, once what
/// it asks has warmed up. That sender lets others have their turn: it would take the whole core.
fn capacity(args: &TracesArgs, backing: Backing, server: &Server) -> Result<f64> {
    server.resume(None)?;
    let busy = |seconds| {
        let length = Duration::from_secs(seconds);
        open_loop::send_at(&sender(args, server, false), iter::repeat(0), Some(length))
    };
    busy(args.seconds.max(backing.warm_up_seconds()))?;
    let outcome = busy(args.seconds)?;
    server.pause(None)?;
    Ok(outcome.good_latency_us.len() as f64 / outcome.elapsed.as_secs_f64())
}

fn sender(args: &TracesArgs, server: &Server, real_time: bool) -> SenderArgs {
    SenderArgs {
        server: server.address(),
        connections: args.connections,
        users: server.users(),
        core: args.client_core,
        deadline_ms: None,
        spread: false,
        explain_every: None,
        real_time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_keep_to_the_length_and_nearly_to_the_rate() {
        let length = Duration::from_secs(1);
        for trace in TRACES {
            let due_ns = arrivals(trace, 20_000.0, length, 1);
            assert!(due_ns.is_sorted() && due_ns.last() < Some(&1_000_000_000));
            // The mean of the diurnal trace is 0.55 of its peak.
            let share = if trace == Trace::Diurnal { 0.55 } else { 1.0 };
            let (found, expected) = (due_ns.len() as f64, share * 20_000.0);
            assert!((found / expected - 1.0).abs() < 0.1, "{}: {found}", trace.name());
        }
    }
}
