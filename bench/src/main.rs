//! What shardgate is measured against and with.
//!
//! [`floor`] is the smallest glommio HTTP responder: the goal posts. [`generate`] makes a store of
//! many users, [`open_loop`] sends requests by the clock, [`overload`] more than can be answered,
//! and [`compare`] runs all servers of `bench/servers.toml` against the same load, in turns;
//! [`scaling`] runs the gateway on one core and on more. [`trees`] times the tree kernels and
//! [`models`] whole models, [`expressions`] what computes columns, [`store`] the embedded store,
//! [`writes`] its writes, and [`cql`] a cluster's, for which
//! [`cql_stub`] may stand in; [`instructions`] counts those of a request, [`entities`] those of one with three keys. [`simulate`] holds
//! batching policies against each other in virtual time, and [`traces`] on the real server;
//! [`simulate_shard`] plays the shard itself on a simulated thread.
//! What runs here has rings like the gateway's (`src/build.rs`). `bench/peers/` holds the other
//! servers, `bench/runs/` what was measured. No check in CI depends on a clock; what it fails
//! for is a count of instructions.

mod command;
mod compare;
mod cql;
mod cql_stub;
#[cfg(test)]
mod cql_stub_tests;
mod entities;
mod expressions;
mod floor;
mod generate;
mod instructions;
mod metrics;
mod models;
mod open_loop;
mod overload;
#[path = "../../shards/tests/random/mod.rs"]
mod random;
mod scaling;
mod simulate;
mod simulate_shard;
#[path = "../../shards/tests/simulated/mod.rs"]
mod simulated;
mod store;
#[path = "../../shards/tests/stores/mod.rs"]
mod stores;
mod traces;
mod trees;
mod writes;

use clap::Parser;

/// Benchmarks of shardgate.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// Serve a fixed answer to every request on one core.
    Floor(floor::FloorArgs),
    /// Write a CSV of many users, to be imported into a store.
    Generate(generate::GenerateArgs),
    /// Send requests at a fixed rate and print their latencies.
    OpenLoop(open_loop::OpenLoopArgs),
    /// Send more than a server can answer, and print what it answers.
    Overload(overload::OverloadArgs),
    /// Record what batches cost on this machine, for `simulate`.
    Record(simulate::record::RecordArgs),
    /// Time writes of the embedded store, and what readers lose beside them.
    Writes(writes::WritesArgs),
    /// Count the instructions of a request, and fail where they have become more.
    Instructions(instructions::InstructionsArgs),
    /// Count the instructions of a request for three entities beside those for one.
    Entities(entities::EntitiesArgs),
    #[command(hide = true)]
    Drive(instructions::drive::DriveArgs),
    /// Hold batching policies against each other in virtual time.
    Simulate(simulate::SimulateArgs),
    /// Play seeds of the simulated shard until one breaks a promise.
    SimulateShard(simulate_shard::SimulateShardArgs),
    /// Hold batching policies against each other on the real server.
    Traces(traces::TracesArgs),
    #[command(hide = true)]
    Relay(traces::relay::RelayArgs),
    /// Measure the gateway on one core and on more, in turns.
    Scaling(scaling::ScalingArgs),
    /// Measure servers side by side, in turns.
    Compare(compare::CompareArgs),
    /// Time the embedded store.
    Store(store::StoreArgs),
    /// Time fetches from a cluster, beside the bare driver's.
    Cql(cql::CqlArgs),
    /// Stand in for a node: answer with rows that were encoded at the start.
    CqlStub(cql_stub::CqlStubArgs),
    /// Time expressions, ten together and each alone.
    Expressions(expressions::ExpressionsArgs),
    /// Time whole models on recorded rows, for `bench/trees/compare.py`.
    Models(models::ModelsArgs),
    /// Time the tree kernels.
    Trees(trees::TreesArgs),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Floor(args) => floor::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::OpenLoop(args) => open_loop::run(&args),
        Command::Overload(args) => overload::run(&args),
        Command::Record(args) => simulate::record::run(&args),
        Command::Instructions(args) => instructions::run(&args),
        Command::Entities(args) => entities::run(&args),
        Command::Drive(args) => instructions::drive::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::SimulateShard(args) => simulate_shard::run(&args).map_err(anyhow::Error::msg),
        Command::Traces(args) => traces::run(&args),
        Command::Relay(args) => traces::relay::run(&args),
        Command::Scaling(args) => scaling::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Writes(args) => writes::run(&args),
        Command::Cql(args) => cql::run(args),
        Command::CqlStub(args) => cql_stub::run(&args),
        Command::Expressions(args) => expressions::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Trees(args) => trees::run(&args),
    }
}
