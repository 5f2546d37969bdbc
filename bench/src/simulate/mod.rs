//! Batching policies on a shard in virtual time: a table, and a plot of every fixed window from 0
//! to 10 ms beside the adaptive policy.
//!
//! The simulation itself is the one that `shards/tests` asserts on. [`record`] makes the costs
//! that it draws from, and [`plot`] writes the picture.

#[path = "../../../shards/tests/simulation/mod.rs"]
mod simulation;

mod plot;
pub(crate) mod record;

use std::path::PathBuf;

use anyhow::{Context, Result};

pub(crate) use self::simulation::trace::Trace;

use self::plot::{Panel, Series};
use self::simulation::{Comparison, LOADS, WINDOWS_US, compare, set_ups};

/// What to simulate.
#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Runs of each case; the means are shown.
    #[arg(long, default_value_t = 24)]
    seeds: u64,
    /// The first of their seeds: the policy was chosen by those from 0 to 95.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Requests of each run.
    #[arg(long, default_value_t = 50_000)]
    requests: usize,
    /// Where the plot goes, SVG.
    #[arg(long, default_value = "bench/plots/batching.svg")]
    plot: PathBuf,
}

/// Prints every case and writes the plot.
pub(crate) fn run(args: &SimulateArgs) -> Result<()> {
    println!(
        "{:16} {:11} {:>5} {:>10} {:>8} {:>8} {:>6}   best fixed window that is not worse",
        "costs", "trace", "load", "answers/s", "p50 µs", "p99 µs", "rows"
    );
    let seeds = args.first_seed..args.first_seed + args.seeds;
    let mut rows = Vec::new();
    for costs in set_ups() {
        let mut panels = [Vec::new(), Vec::new()];
        for trace in Trace::ALL {
            let cases: Vec<(f64, Comparison)> = LOADS
                .iter()
                .map(|load| {
                    let compared = compare(&costs, trace, *load, seeds.clone(), args.requests);
                    print_case(costs.name, trace, *load, &compared);
                    (*load, compared)
                })
                .collect();
            panels[0].push(panel(
                format!("{}, {}: p99 ms", costs.name, trace.name()),
                &cases,
                |o| o.p99_us / 1e3,
            ));
            panels[1]
                .push(panel("answers/s, thousands".to_owned(), &cases, |o| o.throughput / 1e3));
        }
        if costs.fetch.is_some() {
            rows.extend(panels);
        }
    }
    let labels = LOADS.map(|load| format!("load {load}"));
    if let Some(folder) = args.plot.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("can't make {}", folder.display()))?;
    }
    std::fs::write(&args.plot, plot::svg(&rows, &labels))
        .with_context(|| format!("can't write {}", args.plot.display()))?;
    println!("{}", args.plot.display());
    Ok(())
}

fn print_case(name: &str, trace: Trace, load: f64, compared: &Comparison) {
    let adaptive = &compared.adaptive;
    let (better, window_us) = compared.beaten_by();
    let fixed = match better {
        0.0 => "-".to_owned(),
        _ => format!("{window_us} µs, better by {:.1} %", 100.0 * better),
    };
    println!(
        "{name:16} {:11} {load:5} {:10.0} {:8.0} {:8.0} {:6.1}   {fixed}",
        trace.name(),
        adaptive.throughput,
        adaptive.p50_us,
        adaptive.p99_us,
        adaptive.rows
    );
}

fn panel(
    title: String,
    cases: &[(f64, Comparison)],
    value: impl Fn(&simulation::shard::Outcome) -> f64,
) -> Panel {
    let series = cases.iter().map(|(_, compared)| Series {
        points: compared.fixed.iter().map(|(_, outcome)| value(outcome)).collect(),
        level: value(&compared.adaptive),
    });
    let ticks = WINDOWS_US.iter().map(|window| (*window as f64 / 1e3).to_string());
    Panel { title, ticks: ticks.collect(), series: series.collect() }
}
