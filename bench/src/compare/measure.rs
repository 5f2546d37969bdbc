//! One server after the other under one load after the other.

use anyhow::{Context, Result};

use super::CompareArgs;
use super::node::Node;
use super::sample::{Figures, Load, Sample};
use super::servers::Server;
use super::wrk;
use crate::open_loop::{self, OpenLoopArgs, SenderArgs};

/// Connections of an open loop, and of the load that says what a server can answer.
const CONNECTIONS: u32 = 64;
/// A rate above this share of what a server can answer shows its queue, not its latency.
const CAPACITY_SHARE_MAX: f64 = 0.9;

/// Measures each server under each load, once in each round; counts rounds from `after`.
pub(super) fn all(
    args: &CompareArgs,
    servers: &[Server],
    node: Option<&Node>,
    after: usize,
) -> Result<Vec<Sample>> {
    let capacities = fill(args, servers, node)?;
    let closed = args.connections.iter().map(|&connections| Load::Closed { connections });
    let open = args.rates.iter().map(|&rate| Load::Open { rate });
    let loads: Vec<Load> = closed.chain(open).collect();
    let mut samples = Vec::new();
    for round in 0..args.rounds {
        for &load in &loads {
            for turn in 0..servers.len() {
                let index = (turn + round) % servers.len();
                if !holds(load, capacities[index]) {
                    continue;
                }
                let sample = in_turn(args, &servers[index], node, load, after + round + 1)
                    .with_context(|| format!("{} under {load}", servers[index].name()))?;
                eprintln!(
                    "round {}, {load}: {} {:.0} requests/s, p99 {:.0} us, {} errors",
                    sample.round,
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

/// Loads each server until its caches, its store's and what a compiler does at run time are as
/// they stay; returns the requests per second that each of them answered.
fn fill(args: &CompareArgs, servers: &[Server], node: Option<&Node>) -> Result<Vec<f64>> {
    let load = Load::Closed { connections: CONNECTIONS };
    servers
        .iter()
        .map(|server| {
            server.resume(node)?;
            let figures = apply(args, server, load, server.description().fill_seconds)
                .with_context(|| format!("the first load of {}", server.name()))?;
            server.pause(node)?;
            eprintln!("{} answers about {:.0}/s", server.name(), figures.requests_per_second);
            Ok(figures.requests_per_second)
        })
        .collect()
}

/// Whether a server that answers `capacity` requests a second is measured under `load`.
fn holds(load: Load, capacity: f64) -> bool {
    match load {
        Load::Closed { .. } => true,
        Load::Open { rate } => f64::from(rate) <= capacity * CAPACITY_SHARE_MAX,
    }
}

fn in_turn(
    args: &CompareArgs,
    server: &Server,
    node: Option<&Node>,
    load: Load,
    round: usize,
) -> Result<Sample> {
    server.resume(node)?;
    apply(args, server, load, args.warm_up_seconds)?;
    let (before, before_beside) = (server.usage()?, server.usage_beside(node)?);
    let figures = apply(args, server, load, args.seconds)?;
    let (after, after_beside) = (server.usage()?, server.usage_beside(node)?);
    server.pause(node)?;
    let requests = figures.requests_per_second * args.seconds as f64;
    let per_request_us = |seconds: f64| seconds * 1e6 / requests;
    Ok(Sample {
        round,
        server: server.name().to_owned(),
        load,
        user_us: per_request_us(after.user_seconds - before.user_seconds),
        system_us: per_request_us(after.system_seconds - before.system_seconds),
        beside_us: after_beside
            .zip(before_beside)
            .map(|(after, before)| per_request_us(after.seconds() - before.seconds())),
        memory_mib: after.memory_bytes as f64 / f64::from(1 << 20),
        figures,
    })
}

fn apply(args: &CompareArgs, server: &Server, load: Load, seconds: u64) -> Result<Figures> {
    match load {
        Load::Closed { connections } => {
            wrk::run(server.address(), connections, seconds, server.users(), args.client_core)
        }
        Load::Open { rate } => {
            let sender = SenderArgs {
                server: server.address(),
                connections: CONNECTIONS,
                users: server.users(),
                core: args.client_core,
                deadline_ms: None,
                spread: false,
                explain_every: None,
                real_time: false,
            };
            let outcome = open_loop::send(&OpenLoopArgs { rate, seconds, cut_off: true, sender })?;
            let latency_us = |quantile| outcome.latency_us.value_at_quantile(quantile) as f64;
            Ok(Figures {
                requests_per_second: outcome.latency_us.len() as f64 / seconds as f64,
                p50_us: latency_us(0.5),
                p99_us: latency_us(0.99),
                p999_us: latency_us(0.999),
                errors: outcome.refused + outcome.broken,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_near_or_above_what_a_server_answers_is_left_out() {
        assert!(holds(Load::Open { rate: 900 }, 1_000.0));
        assert!(!holds(Load::Open { rate: 901 }, 1_000.0));
        assert!(holds(Load::Closed { connections: 256 }, 1.0));
    }
}
