//! What shardgate is measured against and with.
//!
//! [`floor`] is the smallest glommio HTTP responder: the goal posts. `bench/peers/` holds the other
//! servers. Nothing here is a test: no check in CI depends on a clock.

mod floor;

use clap::Parser;

/// Benchmarks of shardgate.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// Serve a fixed answer to every request on one core.
    Floor(floor::FloorArgs),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Floor(args) => floor::run(&args),
    }
}
