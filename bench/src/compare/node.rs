//! The Cassandra node that servers with CQL features ask: started, filled, pinned to the client's
//! core, paused while a server without such features is measured, and removed on drop.
//!
//! It is the same for all of them, and shares its core with wrk: what they reach is what one core
//! of a store and a client lets through.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::usage::Usage;
use crate::command::run_to_end;

const SCRIPT: &str = "scripts/cassandra";
const PID_FILE: &str = ".cache/cassandra/bench/1/pid";

/// The node's address and the keyspace, as `--store` takes them.
pub(super) fn store() -> String {
    format!("scylla://{}/bench", Node::ADDRESS)
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    process: u32,
}

impl Node {
    /// Where `scripts/cassandra start bench` listens.
    pub(crate) const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 19_442);

    /// Starts the node on `core` and imports the users of a CSV.
    pub(crate) fn start(core: usize, users_csv: &Path) -> Result<Self> {
        run_to_end(Command::new(SCRIPT).args(["start", "bench"]))?;
        let text = fs::read_to_string(PID_FILE).context(PID_FILE)?;
        let node = Self { process: text.trim().parse().context(PID_FILE)? };
        run_to_end(
            Command::new("taskset")
                .args(["-apc", &core.to_string(), &node.process.to_string()])
                .stdout(std::process::Stdio::null()),
        )?;
        run_to_end(Command::new("target/release/shardgate").arg("import").arg(users_csv).args([
            "--store",
            &store(),
            "--create",
            "--dev",
        ]))?;
        Ok(node)
    }

    /// Takes the node off the client's core.
    pub(super) fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    pub(super) fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        run_to_end(Command::new("kill").args(["-s", signal, &self.process.to_string()]))
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of_tree(self.process)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nothing is left to do for a node that is gone already.
        let _ = run_to_end(Command::new(SCRIPT).args(["stop", "bench"]));
    }
}
