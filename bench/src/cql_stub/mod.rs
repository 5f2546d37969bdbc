//! A stand-in for a node that speaks CQL: it answers with rows that were encoded at its start, so
//! that a gateway which asks it shows its own ceiling and not that of a database.
//!
//! [`users`] encodes the rows of a CSV, [`catalog`] knows the statements that a driver prepares and
//! what each answers with, [`answers`] writes answers, and [`connection`] reads requests. The
//! frames are those of the binary protocol v4; their headers are read with the tests' own relay's
//! `frames`. What is *not* here: writing, paging, events, and any CQL beyond those statements.

mod answers;
mod catalog;
mod connection;
#[path = "../../../shards/tests/cql/frames.rs"]
pub(crate) mod frames;
mod users;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use self::catalog::Catalog;
use self::users::Users;

/// Where the stub listens and what its table holds.
#[derive(Debug, clap::Args)]
pub(crate) struct CqlStubArgs {
    /// Address to listen on; the port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:9043")]
    listen: SocketAddr,
    /// CSV whose rows are those of the table `user_profiles`.
    #[arg(long, default_value = "models/bench-credit-numeric/features.csv")]
    users: PathBuf,
    /// Keyspace of the table.
    #[arg(long, default_value = "bench")]
    keyspace: String,
    /// Core to run on; any by default.
    #[arg(long)]
    core: Option<usize>,
}

/// Serves until the process is ended.
pub(crate) fn run(args: &CqlStubArgs) -> Result<()> {
    if let Some(id) = args.core {
        let pinned = core_affinity::set_for_current(core_affinity::CoreId { id });
        ensure!(pinned, "the stub can't run on core {id}");
    }
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("the stub can't listen on {}", args.listen))?;
    let stub = Stub::of(&args.users, &args.keyspace, listener)?;
    let users = &stub.catalog.users;
    println!(
        "{} users of {} columns at {}",
        users.len(),
        users.schema().columns().len(),
        stub.listener.local_addr()?
    );
    stub.serve()
}

/// A node that is about to answer.
#[derive(Debug)]
pub(crate) struct Stub {
    listener: TcpListener,
    catalog: Arc<Catalog>,
}

impl Stub {
    /// A node at `listener`, with the rows of the CSV at `path` in its keyspace.
    pub(crate) fn of(path: &Path, keyspace: &str, listener: TcpListener) -> Result<Self> {
        let (users, address) = (Users::read(path)?, listener.local_addr()?);
        Ok(Self { listener, catalog: Arc::new(Catalog::new(users, keyspace, address)) })
    }

    /// Serves each connection in a thread of its own.
    pub(crate) fn serve(self) -> Result<()> {
        loop {
            let (stream, _) = self.listener.accept().context("accept")?;
            let catalog = Arc::clone(&self.catalog);
            std::thread::spawn(move || {
                // A driver that goes away ends its own connection only.
                let _ = connection::answer_all(stream, &catalog);
            });
        }
    }
}
