//! The tables that Feast's Cassandra store writes are read as they are: keys, values, ages; and what a
//! column can't read is refused. `scripts/feast` asks the same of a real Feast.

use std::fmt::Write;

use shards::features::Precision;
use shards::features::column::ColumnType;
use shards::features::entities::Entity;
use shards::features::inputs::{FeaturePolicies, OnError};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::{CqlStore, ScyllaSettings, TableLayout};
use shards::provenance::FeatureStatus::{Cached, Error, Missing, Stored};

use crate::cql::{
    column, fetch, keyspace, node, on_shard, on_tokio, open, plain_session, row, settings,
};

const TABLE: &str = "CREATE TABLE user_profiles (entity_key text, feature_name text, value blob, \
     event_ts timestamp, created_ts timestamp, PRIMARY KEY ((entity_key), feature_name)) \
     WITH CLUSTERING ORDER BY (feature_name ASC)";

/// The key of a driver, as Feast serialises it.
fn key(version: u8, driver: i64) -> String {
    let mut bytes = Vec::new();
    let length = |number: u32| number.to_le_bytes();
    if version == 3 {
        bytes.extend(length(1));
    }
    bytes.extend(length(2));
    if version == 3 {
        bytes.extend(length(9));
    }
    bytes.extend(b"driver_id");
    bytes.extend(length(4));
    bytes.extend(length(8));
    bytes.extend(driver.to_le_bytes());
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn insert(key: &str, feature: &str, value: &[u8], ts_ms: i64) -> String {
    format!(
        "INSERT INTO user_profiles (entity_key, feature_name, value, event_ts) \
         VALUES ('{key}', '{feature}', 0x{}, {ts_ms})",
        hex(value)
    )
}

fn feast(name: &str, version: u8, columns: &[&str]) -> ScyllaSettings {
    ScyllaSettings {
        layout: TableLayout::Feast,
        join_keys: vec!["driver_id:bigint".to_owned()],
        entity_key_version: version,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        ..settings(node(), name)
    }
}

fn plan(store: &CqlStore, on_error: OnError) -> JoinPlan {
    let columns = [
        column("conv_rate", ColumnType::Float),
        column("trips", ColumnType::Bigint),
        column("since", ColumnType::Timestamp),
    ];
    let policies = FeaturePolicies { on_error, ..FeaturePolicies::default() };
    let entity = Entity { key: vec!["driver_id".to_owned()], ..Entity::user(&policies) };
    let inputs = ModelInputs::Columns(&columns);
    JoinPlan::bind_entities(inputs, &[entity], &store.schema(), Precision::F64).unwrap()
}

const COLUMNS: [&str; 3] = ["since:timestamp", "conv_rate:float", "trips:bigint"];

#[test]
fn with_keys_of_either_version() {
    for version in [2, 3] {
        let name = format!("cql_feast_{version}");
        let (one, two, three) = (key(version, 1001), key(version, -2), key(version, 7));
        let statements = [
            TABLE.to_owned(),
            insert(&one, "conv_rate", b"\x35\0\0\xc0\x3f", 5000),
            insert(&one, "trips", b"\x20\xe9\x07", 4000),
            insert(&one, "since", b"\x40\x02", 5000),
            // None of the model's.
            insert(&one, "embedding", b"\x82\x01\x06\x0a\x04\0\0\xc0\x3f", 1000),
            insert(&two, "trips", b"", 5000),
            insert(&three, "embedding", b"\x82\x01\0", 5000),
        ];
        let statements: Vec<_> = statements.iter().map(String::as_str).collect();
        keyspace(node(), &name, &statements);
        let settings = feast(&name, version, &COLUMNS);
        on_shard(move || async move {
            let store = open(settings).await.unwrap();
            let plan = plan(&store, OnError::Default);
            for status in [Stored, Cached] {
                let keys = ["1001", "-2", "8", "7", "01001"];
                let joined = fetch(&store, &plan, &keys).await;
                for at in [0, 4] {
                    assert_eq!(joined.outcomes[at].status, status);
                    assert_eq!(row(&joined, at), [1.5, 1001.0, 2_000_000.0]);
                    // As old as the oldest of its features that are read.
                    assert_eq!(joined.outcomes[at].last_updated_us, Some(4_000_000));
                }
                let nulls = joined.outcomes[1];
                assert_eq!(
                    (nulls.status, nulls.defaulted, row(&joined, 1)),
                    (status, 3, vec![0.0; 3])
                );
                assert_eq!(joined.outcomes[2].status, Missing);
                assert_eq!(joined.outcomes[3].status, Missing, "nothing that is read");
            }
            let joined = fetch(&store, &plan, &["x"]).await;
            assert!(joined.outcomes[0].refusal.is_some(), "{:?}", joined.outcomes[0]);
        });
    }
}

#[test]
fn what_is_of_another_type_is_refused() {
    let name = "cql_feast_refused";
    let statements = [TABLE.to_owned(), insert(&key(3, 1), "conv_rate", b"\x82\x01\0", 5000)];
    let statements: Vec<_> = statements.iter().map(String::as_str).collect();
    keyspace(node(), name, &statements);
    for (columns, says) in [
        (&["conv_rate:float"][..], "`conv_rate` of the table `user_profiles` is a list"),
        (&[], "does not say which features it has"),
        (&["conv_rate"], "expected a name and its type"),
        (&["conv_rate:list<float>"], "lists, sets and maps are not read"),
    ] {
        let settings = feast(name, 3, columns);
        let said = on_shard(move || async move { open(settings).await.unwrap_err().to_string() });
        assert!(said.contains(says), "{said}");
    }
    keyspace(
        node(),
        "cql_feast_none",
        &["CREATE TABLE user_profiles (entity_key text, feature_name text, value blob, \
           event_ts timestamp, PRIMARY KEY (feature_name, entity_key))"],
    );
    let settings = feast("cql_feast_none", 3, &COLUMNS);
    let said = on_shard(move || async move { open(settings).await.unwrap_err().to_string() });
    assert!(said.contains("((entity_key), feature_name)"), "{said}");
}

/// Runs a statement in a keyspace that is there.
fn run(name: &str, statement: &str) {
    on_tokio(async {
        let session = plain_session(node()).await;
        session.use_keyspace(name, false).await.unwrap();
        session.query_unpaged(statement, ()).await.unwrap();
    });
}

#[test]
fn a_value_that_changed_its_type_fails_its_key_alone() {
    let name = "cql_feast_changed";
    let statements = [
        TABLE.to_owned(),
        insert(&key(3, 1), "trips", b"\x20\x01", 5000),
        insert(&key(3, 2), "trips", b"\x20\x02", 5000),
    ];
    let statements: Vec<_> = statements.iter().map(String::as_str).collect();
    keyspace(node(), name, &statements);
    let settings = feast(name, 3, &COLUMNS);
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let plan = plan(&store, OnError::Default);
        let write = insert(&key(3, 1), "conv_rate", b"\x29\0\0\0\0\0\0\xf8\x3f", 6000);
        let written = std::thread::spawn(move || run(name, &write));
        written.join().unwrap();
        let joined = fetch(&store, &plan, &["1", "2"]).await;
        assert_eq!(joined.outcomes[0].status, Error);
        assert_eq!((joined.outcomes[1].status, row(&joined, 1)), (Stored, vec![0.0, 2.0, 0.0]));
    });
}
