//! A table that is dropped and made anew, or whose columns change, under a shard: rows are read in
//! the types that it has now, or the model is answered with 503 until it fits again.

use std::net::SocketAddr;

use crate::cql::{keyspace, node, on_tokio, plain_session, settings};
use crate::support::{Served, Setup, wait_until};
use shards::features::cache::CacheSettings;
use shards::features::scylla::ScyllaSettings;

/// `demo-logistic` with columns of a type that holds what narrower ones do.
const MANIFEST: &str = "columns = [\n\
     { name = \"feature_1\", type = \"double\" },\n\
     { name = \"feature_2\", type = \"double\" },\n\
     { name = \"feature_3\", type = \"double\" },\n]\n";

fn table(first: &str) -> String {
    format!(
        "CREATE TABLE user_profiles (user_id text PRIMARY KEY, feature_1 {first}, \
         feature_2 double, feature_3 double, last_updated timestamp)"
    )
}

fn insert(first: &str) -> String {
    format!(
        "INSERT INTO user_profiles (user_id, feature_1, feature_2, feature_3) \
         VALUES ('u', {first}, 0.25, 0)"
    )
}

fn run(node: SocketAddr, name: &str, statements: &[&str]) {
    on_tokio(async {
        let session = plain_session(node).await;
        session.use_keyspace(name, false).await.unwrap();
        for statement in statements {
            session.query_unpaged(*statement, ()).await.unwrap();
        }
    });
}

fn serve(node: SocketAddr, name: &str) -> Served {
    let cache = CacheSettings { ttl_ms: 0, negative_ttl_ms: 0, ..CacheSettings::default() };
    let settings = ScyllaSettings { cache, ..settings(node, name) };
    Setup::with_manifest(MANIFEST).cluster(settings).serve()
}

/// What the user's features are, or the status of an answer without a score.
fn ask(served: &Served) -> Result<(String, String), u16> {
    let answer = served.client().predict("{\"user_id\": \"u\"}");
    let features = answer.field("x-features").unwrap_or_default().to_owned();
    if answer.status == 200 {
        Ok((answer.score().to_string(), features))
    } else {
        Err(answer.status)
    }
}

/// The score of a user with this first feature, from a store that was never another.
fn expected(first: f64) -> Result<(String, String), u16> {
    let csv =
        format!("user_id,feature_1:double,feature_2:double,feature_3:double\nu,{first},0.25,0\n");
    let served = Setup::with_manifest(MANIFEST).csv(&csv).serve();
    ask(&served)
}

#[test]
fn in_types_of_the_same_width_and_of_another() {
    let node = node();
    let (old, new) = (expected(5.0), expected(2.0));
    for (number, (before, after)) in
        [("float", "int"), ("int", "float"), ("double", "float"), ("float", "double")]
            .into_iter()
            .enumerate()
    {
        let name = format!("cql_anew_{number}");
        keyspace(node, &name, &[&table(before), &insert("5")]);
        let served = serve(node, &name);
        assert_eq!(ask(&served), old, "{before}");
        run(node, &name, &["DROP TABLE user_profiles", &table(after), &insert("2")]);
        // Not once is the new row read as if it were an old one, and then it is read.
        wait_until("the row is read as it is now", || match ask(&served) {
            Ok((score, features)) if features == "stored" => {
                let found = Ok((score, features));
                assert_eq!(found, new, "{before} to {after}");
                true
            }
            // The last known values, and none while there is no row.
            Ok((_, features)) => {
                assert!(["stale", "missing", "error"].contains(&features.as_str()), "{features}");
                false
            }
            Err(status) => panic!("{status}"),
        });
    }
}

#[test]
fn a_model_whose_column_is_gone_is_unfit_until_it_is_back() {
    let node = node();
    keyspace(node, "cql_gone_column", &[&table("double"), &insert("5")]);
    let served = serve(node, "cql_gone_column");
    assert_eq!(ask(&served), expected(5.0));
    run(node, "cql_gone_column", &["ALTER TABLE user_profiles DROP feature_1"]);
    // Nobody asks meanwhile: the shard looks by itself.
    wait_until("the store is unfit", || served.lane().fit.is_unfit());
    assert_eq!(ask(&served), Err(503));
    let reason = served.lane().fit.reason().unwrap();
    assert!(reason.contains("`feature_1` is not in the store"), "{reason}");
    // A type that is not read is named with it.
    let statements = ["DROP TABLE user_profiles", &table("timestamp"), &insert("5")];
    run(node, "cql_gone_column", &statements);
    wait_until("the type is named", || {
        let reason = served.lane().fit.reason();
        reason.is_some_and(|reason| reason.contains("`feature_1` is timestamp in the store"))
    });
    // Beside a clustering column, a user may have many rows.
    let clustered = "CREATE TABLE user_profiles (user_id text, at timestamp, feature_1 double, \
                     feature_2 double, feature_3 double, last_updated timestamp, \
                     PRIMARY KEY (user_id, at))";
    run(node, "cql_gone_column", &["DROP TABLE user_profiles", clustered]);
    wait_until("the key is named", || {
        let reason = served.lane().fit.reason();
        reason.is_some_and(|reason| reason.contains("clustering columns (at)"))
    });
    assert_eq!(ask(&served), Err(503));
    run(node, "cql_gone_column", &["DROP TABLE user_profiles", &table("double"), &insert("2")]);
    wait_until("the store fits", || !served.lane().fit.is_unfit());
    let new = expected(2.0);
    wait_until("it answers", || ask(&served) == new);
}

#[test]
fn a_column_more_changes_nothing() {
    let node = node();
    keyspace(node, "cql_one_more", &[&table("double"), &insert("5")]);
    let served = serve(node, "cql_one_more");
    let old = expected(5.0);
    // Once it is open: a node before 4.1 names a column a moment before it may be asked for.
    assert_eq!(ask(&served), old);
    for added in ["more double", "other text"] {
        run(node, "cql_one_more", &[&format!("ALTER TABLE user_profiles ADD {added}")]);
        let before = served.lane().fit.changes();
        wait_until("the shard has looked", || {
            assert_eq!(ask(&served), old, "{added}");
            served.lane().fit.changes() > before
        });
        assert_eq!(ask(&served), old, "{added}");
    }
    run(node, "cql_one_more", &["DROP TABLE user_profiles"]);
    wait_until("the last known values stand in", || {
        ask(&served).is_ok_and(|(_, features)| features == "stale")
    });
    assert!(!served.lane().fit.is_unfit(), "a table that is gone is a store that does not answer");
    run(node, "cql_one_more", &[&table("double"), &insert("2")]);
    let new = expected(2.0);
    wait_until("the new table is read", || ask(&served) == new);
}
