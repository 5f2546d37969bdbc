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
mod frames;
mod users;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
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
    #[arg(long, default_value = "models/credit-risk/features.csv")]
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
    let users = Users::read(&args.users)?;
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("the stub can't listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    println!("{} users of {} columns at {address}", users.len(), users.schema().columns().len());
    serve(&listener, &Arc::new(Catalog::new(users, &args.keyspace, address)))
}

/// Answers each connection in a thread of its own.
fn serve(listener: &TcpListener, catalog: &Arc<Catalog>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().context("accept")?;
        let catalog = Arc::clone(catalog);
        std::thread::spawn(move || {
            // A driver that goes away ends its own connection only.
            let _ = connection::answer_all(stream, &catalog);
        });
    }
}

#[cfg(test)]
mod tests {
    use scylla::client::session_builder::SessionBuilder;

    use super::*;

    type Found = (String, scylla::value::CqlTimestamp, Option<f32>, i32);

    #[test]
    fn a_driver_reads_the_rows_of_the_csv() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("users.csv");
        std::fs::write(&csv, "user_id,a,b:int\nx,0.5,-7\ny,,2\n").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let catalog = Arc::new(Catalog::new(Users::read(&csv).unwrap(), "bench", address));
        std::thread::spawn(move || serve(&listener, &catalog));

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let session = SessionBuilder::new().known_node_addr(address).build().await.unwrap();
            let select = "SELECT user_id, last_updated, a, \"b\" FROM bench.user_profiles";
            let group = session.prepare(format!("{select} WHERE user_id IN ?")).await.unwrap();
            let single = session.prepare(format!("{select} WHERE user_id = ?")).await.unwrap();
            let found = session.execute_unpaged(&group, (vec!["y", "nobody", "x"],)).await.unwrap();
            let found = found.into_rows_result().unwrap();
            let rows: Vec<_> = found.rows::<Found>().unwrap().map(Result::unwrap).collect();
            let told: Vec<_> = rows.iter().map(|row| (row.0.as_str(), row.2, row.3)).collect();
            assert_eq!(told, [("y", None, 2), ("x", Some(0.5), -7)]);
            let found = session.execute_unpaged(&single, ("x",)).await.unwrap();
            assert_eq!(found.into_rows_result().unwrap().single_row::<Found>().unwrap().3, -7);
            let other = "SELECT b FROM bench.user_profiles WHERE user_id = ?";
            assert!(session.prepare(other).await.is_err());
        });
    }
}
