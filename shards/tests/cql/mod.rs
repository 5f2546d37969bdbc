//! What the tests against a real node share: the node, a keyspace of their own, a shard to run on.
//!
//! `SHARDGATE_TEST_CQL=HOST:PORT` names a node that runs; without it the tests start one through
//! `scripts/cassandra`.

#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod frames;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use shards::executor;
use shards::features::column::ColumnType;
use shards::features::inputs::{FeaturePolicies, InputColumn};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::{CqlStore, ScyllaError, ScyllaSettings, TlsSettings};
use shards::features::{FetchRequests, Fetched, Joined, Precision};

/// The table of the default schema, in the keyspace of the test.
pub(crate) const PROFILES: &str = "CREATE TABLE user_profiles (user_id text PRIMARY KEY, \
     feature_1 float, feature_2 float, feature_3 float, last_updated timestamp)";

/// Runs `scripts/cassandra` with `arguments`.
pub(crate) fn cassandra(arguments: &[&str]) {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/cassandra");
    let status = Command::new(&script).args(arguments).status().unwrap();
    assert!(status.success(), "{} {arguments:?} failed: {status}", script.display());
}

/// The node that the tests ask.
pub(crate) fn node() -> SocketAddr {
    if let Ok(address) = std::env::var("SHARDGATE_TEST_CQL") {
        return address.parse().expect("SHARDGATE_TEST_CQL is not HOST:PORT");
    }
    cassandra(&["start", "one"]);
    "127.0.0.1:19042".parse().unwrap()
}

/// The node that asks for a password and lets roles do only what they were granted, where `run` is
/// given the port that encrypts nothing. It is stopped afterwards; one test has it at a time.
#[expect(clippy::disallowed_methods, reason = "tests wait for each other, no shard does")]
pub(crate) fn with_passwords(run: impl FnOnce(SocketAddr)) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    cassandra(&["start", "password"]);
    run("127.0.0.1:19243".parse().unwrap());
    cassandra(&["stop", "password"]);
}

/// Runs statements as the node's superuser.
pub(crate) fn as_superuser(address: SocketAddr, statements: &[&str]) {
    on_tokio(async {
        let session = SessionBuilder::new().known_node_addr(address);
        let session = session.user("cassandra", "cassandra").build().await.unwrap();
        for statement in statements {
            session.query_unpaged(*statement, ()).await.unwrap();
        }
    });
}

/// One of the files that `scripts/cassandra` makes for nodes that encrypt.
fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.cache/cassandra/tls").join(name)
}

/// Trusts the authority in the file `ca`, and shows no certificate.
pub(crate) fn trusting(ca: &str) -> TlsSettings {
    TlsSettings { ca: certificate(ca), ..TlsSettings::default() }
}

/// Trusts the nodes' authority, and shows the certificate that they ask clients for.
pub(crate) fn certified() -> TlsSettings {
    let (chain, key) = (certificate("client.pem"), certificate("client.key"));
    TlsSettings { certificate: Some(chain), key: Some(key), ..trusting("ca.pem") }
}

/// Runs `future` on a tokio runtime of its own: for what is no part of the gateway.
pub(crate) fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Runs `future` as a shard would, on a thread of its own.
pub(crate) fn on_shard<T: Send + 'static, F: Future<Output = T> + 'static>(
    future: impl FnOnce() -> F + Send + 'static,
) -> T {
    let thread = std::thread::spawn(move || {
        executor::make("shard").unwrap().run(async move { future().await })
    });
    thread.join().unwrap()
}

pub(crate) async fn plain_session(address: SocketAddr) -> Session {
    // Types with quotes in their names are among what tests make, and the driver can't parse them.
    let builder = SessionBuilder::new().known_node_addr(address).fetch_full_schema_metadata(false);
    builder.build().await.unwrap()
}

/// Makes the keyspace anew and runs `statements` in it.
pub(crate) fn keyspace(address: SocketAddr, name: &str, statements: &[&str]) {
    keyspace_with(address, name, 1, statements);
}

pub(crate) fn keyspace_with(address: SocketAddr, name: &str, copies: u8, statements: &[&str]) {
    on_tokio(async {
        let session = plain_session(address).await;
        for statement in [
            format!("DROP KEYSPACE IF EXISTS {name}"),
            format!(
                "CREATE KEYSPACE {name} WITH replication = \
                 {{'class': 'SimpleStrategy', 'replication_factor': {copies}}}"
            ),
        ] {
            session.query_unpaged(statement, ()).await.unwrap();
        }
        until_done(name, || session.use_keyspace(name, false)).await;
        for statement in statements {
            let statement = repeatable(statement);
            until_done(&statement, || session.query_unpaged(statement.as_str(), ())).await;
        }
    });
}

/// A statement that may be sent again: what was created although nobody said so is left as it is.
fn repeatable(statement: &str) -> String {
    let kinds =
        ["TABLE", "TYPE", "INDEX", "MATERIALIZED VIEW"].map(|kind| format!("CREATE {kind} "));
    let kind = kinds.iter().find(|kind| statement.starts_with(kind.as_str()));
    kind.map_or_else(
        || statement.to_owned(),
        |kind| statement.replacen(kind, &format!("{kind}IF NOT EXISTS "), 1),
    )
}

/// Tries again for ten seconds: of several nodes, one that the session wasn't connected to at a
/// creation may not have heard of it yet, as agreement is asked of the connected ones only.
async fn until_done<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    try_it: impl Fn() -> F,
) -> T {
    for _ in 0..100 {
        if let Ok(done) = try_it().await {
            return done;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    try_it().await.unwrap_or_else(|error| panic!("{what}: {error}"))
}

pub(crate) fn settings(address: SocketAddr, keyspace: &str) -> ScyllaSettings {
    ScyllaSettings {
        contact_points: vec![address.to_string()],
        keyspace: keyspace.to_owned(),
        // The node shares two cores with the tests.
        fetch_deadline_ms: 2000,
        ..ScyllaSettings::default()
    }
}

pub(crate) async fn open(settings: ScyllaSettings) -> Result<CqlStore, ScyllaError> {
    let addresses = settings.resolve()?;
    CqlStore::open(Arc::new(settings), addresses).await
}

/// A store column with default 0.
pub(crate) fn column(name: &str, column_type: ColumnType) -> InputColumn {
    InputColumn { name: name.to_owned(), column_type, ..InputColumn::default() }
}

/// A plan for `feature_1..feature_3`.
pub(crate) fn profile_plan(store: &CqlStore, policies: &FeaturePolicies) -> JoinPlan {
    let columns: Vec<_> =
        (1..=3).map(|at| column(&format!("feature_{at}"), ColumnType::Float)).collect();
    let inputs = ModelInputs::Columns(&columns);
    JoinPlan::bind(inputs, &store.schema(), policies, Precision::F32).unwrap()
}

/// Fetches `keys` without request cells.
pub(crate) async fn fetch(store: &CqlStore, plan: &JoinPlan, keys: &[impl AsRef<[u8]>]) -> Joined {
    let mut requests = FetchRequests::new(plan.request_fields().len());
    for key in keys {
        requests.push(key.as_ref(), &[]);
    }
    let mut joined = Joined::new(plan);
    let now_us = shards::features::import::now_us();
    assert_eq!(store.fetch(plan, &requests, now_us, &mut joined).await, Fetched::Joined);
    joined
}

/// The cells of one row.
pub(crate) fn row(joined: &Joined, row: usize) -> Vec<f64> {
    (0..joined.matrix.columns()).map(|column| joined.matrix.get(row, column)).collect()
}
