//! Plays seeds of the simulated shard until one breaks a promise, or the time is over.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use crate::simulated;

/// What is played.
#[derive(Debug, Args)]
pub(crate) struct SimulateShardArgs {
    /// The first seed. One that broke something is played again by `--from SEED --seeds 1`.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds are played at most.
    #[arg(long, default_value_t = u64::MAX)]
    seeds: u64,
    /// For how many minutes.
    #[arg(long, default_value_t = 1)]
    minutes: u64,
}

/// How often it says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &SimulateShardArgs) -> Result<(), String> {
    if !Path::new("models/demo-logistic").exists() {
        return Err(
            "models/demo-logistic is not here: run it in the root of the project".to_owned()
        );
    }
    let start = Instant::now();
    let (mut told, mut turns, mut answers, mut seeds) = (start, 0, 0, 0);
    let end = args.from.saturating_add(args.seeds);
    for seed in args.from..end {
        if start.elapsed() >= Duration::from_secs(60 * args.minutes) {
            break;
        }
        let played = simulated::run(seed);
        (turns, answers, seeds) = (turns + played.turns, answers + played.answers, seeds + 1);
        if !played.broken.is_empty() {
            let broken = played.broken.join("\n");
            return Err(format!("seed {seed} breaks, after {seeds} seeds:\n{broken}"));
        }
        if told.elapsed() >= TELL_EVERY {
            println!("{seeds} seeds, {turns} turns, {answers} answers");
            told = Instant::now();
        }
    }
    println!("{seeds} seeds, {turns} turns, {answers} answers: every promise held");
    Ok(())
}
