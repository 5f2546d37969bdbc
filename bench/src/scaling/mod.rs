//! `bench scaling`: what shards on more cores answer, and what a request costs them in CPU time.
//!
//! On few cores the clients share them with the shards, so requests a second say little; requests
//! for each second of CPU time that the server spent say whether a second shard costs the first
//! one anything. Each round starts each [`gateway`] anew and loads it with wrk, in turns; a ratio
//! compares two figures of one round, the first being that of one shard.
//!
//! What is *not* here: other servers (`compare`).

mod gateway;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::compare::{self, Spread, said_by};
use gateway::{Counts, Gateway};

const SCRIPT: &str = "scripts/wrk/random_users.lua";

/// On which cores, under which loads.
#[derive(Debug, clap::Args)]
pub(crate) struct ScalingArgs {
    /// Cores for shards, the first one first; by default all.
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
    /// Numbers of shards, beside one; by default as many as there are cores for.
    #[arg(long, value_delimiter = ',')]
    shards: Vec<usize>,
    /// How the kernel chooses a shard for a connection: hash, cpu.
    #[arg(long, value_delimiter = ',', default_value = "hash")]
    steering: Vec<String>,
    /// Cores for the clients, a thread of wrk for each; by default those of the shards.
    #[arg(long, value_delimiter = ',')]
    client_cores: Vec<usize>,
    /// Connections that are kept busy.
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    connections: Vec<u32>,
    /// How often each number of shards is measured under each load.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement; before each there is one of load that doesn't count.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Users in the store; each request asks for one at random.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Keep the run as scaling.csv and scaling.md in this folder.
    #[arg(long)]
    record: Option<PathBuf>,
}

/// A way to run the gateway.
#[derive(Debug, Clone, PartialEq)]
struct Variant {
    shards: usize,
    steering: String,
}

/// One measurement.
#[derive(Debug)]
struct Sample {
    round: usize,
    variant: Variant,
    connections: u32,
    requests_per_second: f64,
    counts: Counts,
}

impl Sample {
    fn requests_per_cpu_second(&self) -> f64 {
        self.counts.answers.iter().sum::<u64>() as f64 / self.counts.cpu_s
    }
}

/// Measures, prints a table, and keeps the run if asked to.
pub(crate) fn run(args: &ScalingArgs) -> Result<()> {
    let available = std::thread::available_parallelism()?.get();
    let cores = or_default(&args.cores, (0..available).collect());
    let client_cores = or_default(&args.client_cores, cores.clone());
    let variants = variants(args, cores.len())?;
    let inputs = compare::inputs(args.users)?;
    let mut samples = Vec::new();
    for round in 0..args.rounds {
        for &connections in &args.connections {
            for turn in 0..variants.len() {
                let variant = &variants[(turn + round) % variants.len()];
                let gateway = Gateway::start(variant, &cores, &inputs)?;
                let load = |seconds| {
                    closed_loop(&gateway, &client_cores, connections, seconds, args.users)
                };
                load(1)?;
                let before = gateway.counts()?;
                let requests_per_second = load(args.seconds)?;
                let counts = gateway.counts()?.since(&before);
                let variant = variant.clone();
                samples.push(Sample { round, variant, connections, requests_per_second, counts });
            }
        }
        eprintln!("round {} of {}", round + 1, args.rounds);
    }
    let table = table(&samples, &variants, &args.connections);
    println!("{table}");
    if let Some(folder) = &args.record {
        std::fs::write(folder.join("scaling.csv"), raw_csv(&samples))?;
        std::fs::write(folder.join("scaling.md"), page(&table, &cores, &client_cores)?)?;
    }
    Ok(())
}

fn or_default(given: &[usize], default: Vec<usize>) -> Vec<usize> {
    if given.is_empty() { default } else { given.to_vec() }
}

/// One shard first, then what was asked for.
fn variants(args: &ScalingArgs, cores: usize) -> Result<Vec<Variant>> {
    let mut variants = Vec::new();
    for shards in [1].into_iter().chain(or_default(&args.shards, vec![cores])) {
        ensure!((1..=cores).contains(&shards), "{shards} shards on {cores} cores");
        for steering in &args.steering {
            let variant = Variant { shards, steering: steering.clone() };
            // Of one shard there is nothing to choose.
            if !variants.contains(&variant) && (shards > 1 || variants.is_empty()) {
                variants.push(variant);
            }
        }
    }
    Ok(variants)
}

/// Loads the gateway; returns the requests a second that wrk counted.
fn closed_loop(
    gateway: &Gateway,
    cores: &[usize],
    connections: u32,
    seconds: u64,
    users: u64,
) -> Result<f64> {
    let output = Command::new("taskset")
        .args(["-c", &list(cores), "wrk", "-s", SCRIPT])
        .args([format!("-t{}", cores.len()), format!("-c{connections}"), format!("-d{seconds}s")])
        .args([&format!("http://{}", gateway.address), "--", &users.to_string()])
        .output()
        .context("wrk didn't start; sudo apt-get install -y wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let wrong = ["Non-2xx", "Socket errors"].iter().any(|label| text.contains(label));
    ensure!(output.status.success() && !wrong, "wrk printed what wasn't expected:\n{text}");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    Ok(rate.context("no rate")?.trim().parse()?)
}

/// Numbers as `--cores` and taskset take them.
fn list(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn table(samples: &[Sample], variants: &[Variant], connections: &[u32]) -> String {
    let mut text = String::from(
        "| connections | shards | steering | requests/s (min–max) | of each core | requests per CPU \
         second of the server (min–max) | of one shard's (min–max) | fewest and most connections \
         of a shard, by round |\n|---|---|---|---|---|---|---|---|\n",
    );
    for &connections in connections {
        for variant in variants {
            let of = |variant: &Variant, round: Option<usize>| {
                let variant = variant.clone();
                samples.iter().filter(move |sample| {
                    sample.connections == connections
                        && sample.variant == variant
                        && round.is_none_or(|round| sample.round == round)
                })
            };
            let rates = of(variant, None).map(|sample| sample.requests_per_second);
            let per_core = rates.clone().map(|rate| rate / variant.shards as f64);
            let costs = of(variant, None).map(Sample::requests_per_cpu_second);
            let ratios = of(variant, None).filter_map(|sample| {
                let one = of(&variants[0], Some(sample.round)).next()?;
                Some(sample.requests_per_cpu_second() / one.requests_per_cpu_second())
            });
            let skews = of(variant, None).filter_map(|sample| {
                let known = &sample.counts.connections;
                Some(format!("{}–{}", known.iter().min()?, known.iter().max()?))
            });
            // Writing to a string can't fail, here and below.
            let _ = writeln!(
                text,
                "| {connections} | {} | {} | {} | {:.0} | {} | {} | {} |",
                variant.shards,
                if variant.shards == 1 { "" } else { &variant.steering },
                Spread::of(rates).text(0),
                Spread::of(per_core).median,
                Spread::of(costs).text(0),
                Spread::of(ratios).text(3),
                skews.collect::<Vec<_>>().join(", "),
            );
        }
    }
    text
}

fn raw_csv(samples: &[Sample]) -> String {
    let mut text = String::from(
        "round,connections,shards,steering,requests_per_second,server_cpu_s,answers,\
         answers_by_shard,connections_by_shard\n",
    );
    let joined =
        |values: &[u64]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    for sample in samples {
        let Sample { variant, counts, .. } = sample;
        let _ = writeln!(
            text,
            "{},{},{},{},{:.1},{:.2},{},{},{}",
            sample.round + 1,
            sample.connections,
            variant.shards,
            variant.steering,
            sample.requests_per_second,
            counts.cpu_s,
            counts.answers.iter().sum::<u64>(),
            joined(&counts.answers),
            joined(&counts.connections),
        );
    }
    text
}

fn page(table: &str, cores: &[usize], client_cores: &[usize]) -> Result<String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    Ok(format!(
        "# A run of `bench scaling`\n\n```\ncargo run --release -p bench -- {}\n```\n\n\
         {}, commit {}. Shards on the cores {}, clients (wrk) on the cores {}. A closed loop: \
         what a request costs falls as more of them come together. `scaling.csv` has every \
         measurement.\n\n{table}",
        arguments.join(" "),
        said_by("date", &["-u", "+%F %T UTC"])?,
        said_by("git", &["describe", "--always", "--dirty"])?,
        list(cores),
        list(client_cores),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: usize, shards: usize, answers: u64, cpu_s: f64) -> Sample {
        let variant = Variant { shards, steering: "hash".to_owned() };
        let connections = vec![32; shards];
        let counts = Counts { cpu_s, connections, answers: vec![answers] };
        Sample { round, variant, connections: 64, requests_per_second: 1.0, counts }
    }

    #[test]
    fn a_ratio_compares_two_figures_of_one_round() {
        let samples = [
            sample(0, 1, 100, 1.0),
            sample(0, 2, 90, 1.0),
            sample(1, 1, 50, 1.0),
            sample(1, 2, 50, 1.0),
        ];
        let variants = [samples[0].variant.clone(), samples[1].variant.clone()];
        let table = table(&samples, &variants, &[64]);
        assert!(table.contains("| 0.950 (0.900–1.000) | 32–32, 32–32 |"), "{table}");
    }
}
