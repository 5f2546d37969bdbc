//! `bench compare`: every server under the same load, in turns, and a table of what came out.
//!
//! [`servers`] starts the servers of `bench/servers.toml` (a [`process`] each) and pauses those
//! whose turn it isn't, [`node`] the Cassandra node that some of them ask, [`measure`] loads the one that runs by
//! [`wrk`] or [`crate::open_loop`], [`usage`] reads what it cost, and [`sample`] is what comes of
//! it. [`summary`] compares, [`plot`] and [`curves`] draw that, and [`record`] keeps a run under
//! `bench/runs/`. Not here: a verdict. The figures are for people; no check depends on them.
//!
//! Each round measures each server once, starting with another one each time, so that a machine
//! that slows down for a minute doesn't slow down always the same server. A ratio compares two
//! figures of one round.

mod curves;
mod measure;
mod node;
mod plot;
mod prepare;
mod process;
mod record;
mod sample;
mod servers;
mod summary;
mod usage;
mod wrk;

use std::path::PathBuf;

use anyhow::{Result, ensure};

pub(crate) use node::Node;
pub(crate) use prepare::{Inputs, inputs};
pub(crate) use process::Process;
pub(crate) use record::said_by;
pub(crate) use servers::{Description, Places, Server, free_port, wait_until_it_listens};
pub(crate) use summary::{Spread, in_order};

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
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256", num_args = 0..)]
    connections: Vec<u32>,
    /// Open loop: this many requests leave each second, on 64 connections; not where a server
    /// answers hardly more, or less.
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
    /// The same of the Cassandra node.
    #[arg(long, default_value_t = 100_000)]
    cassandra_users: u64,
    /// Core for the server under load.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core for the client, and for the Cassandra node.
    #[arg(long, default_value_t = 1)]
    client_core: usize,
    /// Keep the run in a new folder under bench/runs.
    #[arg(long)]
    record: bool,
    /// Keep it in a folder that has a run already, beside what is there.
    #[arg(long, value_name = "FOLDER", conflicts_with = "record")]
    append: Option<PathBuf>,
}

/// Measures, prints the summary, and keeps the run if asked to.
pub(crate) fn run(args: &CompareArgs) -> Result<()> {
    ensure!(args.server_core != args.client_core, "server and client need a core each");
    let mut kept = match &args.append {
        Some(folder) => record::Run::open(folder)?,
        None => record::Run::default(),
    };
    let descriptions = servers::read_list(&args.list, &args.servers)?;
    let inputs = prepare::inputs(args.users)?;
    let node = if descriptions.iter().any(|description| description.cassandra) {
        let users = prepare::inputs(args.cassandra_users)?;
        Some(Node::start(args.client_core, &users.users_csv)?)
    } else {
        None
    };
    let (core, client_core) = (args.server_core, args.client_core);
    let places = Places { core, client_core, inputs, cassandra_users: args.cassandra_users };
    let mut servers = Vec::new();
    for description in descriptions {
        eprintln!("starting {}", description.name);
        servers.push(Server::start(description, &places)?);
    }
    servers::check_same_scores(&servers, args.users.min(args.cassandra_users))?;
    for server in &servers {
        server.pause(node.as_ref())?;
    }
    let samples = measure::all(args, &servers, node.as_ref(), kept.rounds())?;
    println!("{}", summary::markdown(&samples));
    if args.record || args.append.is_some() {
        let folder = kept.add(samples)?;
        eprintln!("kept in {}", folder.display());
    }
    Ok(())
}
