//! A table that is down, slow or answers half of the keys takes the cells of its own entity with it, and
//! no more: the rows are answered within the deadline, and say what each entity stood on.

use std::time::Duration;

use shards::features::cache::CacheSettings;
use shards::features::entities::{EntityInput, entities_of};
use shards::features::inputs::{FeaturePolicies, InputColumn, OnError};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::ScyllaSettings;
use shards::features::{FetchRequests, Fetched, Joined, Precision, StoreSource};
use shards::provenance::FeatureStatus::{self, Error, Stored};

use crate::cql::{keyspace, node, on_shard, row};
use crate::proxied::{Proxied, asks_for, delays, drops, fails};

const FOREVER: Duration = Duration::from_hours(1);

fn statements() -> Vec<String> {
    let mut statements = Vec::new();
    for (table, key) in
        [("user_profiles", "user"), ("merchants", "merchant"), ("devices", "device")]
    {
        let column = if table == "user_profiles" { "user_id" } else { "id" };
        statements.push(format!(
            "CREATE TABLE {table} ({column} text PRIMARY KEY, a float, last_updated timestamp)"
        ));
        for number in 0..8 {
            statements.push(format!(
                "INSERT INTO {table} ({column}, a) VALUES ('{key}-{number}', {number})"
            ));
        }
    }
    statements
}

fn entity(name: &str, table: &str, on_error: OnError) -> EntityInput {
    EntityInput {
        name: name.to_owned(),
        key: vec![format!("{name}_id")],
        table: Some(table.to_owned()),
        on_error: Some(on_error),
        ..EntityInput::default()
    }
}

fn columns() -> Vec<InputColumn> {
    let column = |name: &str| InputColumn {
        name: format!("{name}_a"),
        column: Some("a".to_owned()),
        entity: Some(name.to_owned()),
        default: -1.0,
        ..InputColumn::default()
    };
    ["user", "merchant", "device"].map(column).to_vec()
}

/// The statuses of a row's entities, and its cells.
type Row = ([FeatureStatus; 3], Vec<f64>);

/// Eight rows of eight users, merchants and devices, of numbers of their own.
async fn fetch(store: &shards::features::FeatureStore, plan: &JoinPlan) -> Vec<Row> {
    let mut requests = FetchRequests::new(0).with_entities(3);
    for number in 0..8 {
        requests.push(format!("user-{number}").as_bytes(), &[]);
        for (place, name) in [(1, "merchant"), (2, "device")] {
            let key = format!("{name}-{}", (number + place) % 8);
            requests.push_key(place, std::iter::once(key.as_bytes()));
        }
    }
    let mut joined = Joined::new(plan);
    assert_eq!(store.fetch(plan, &requests, 0, &mut joined).await, Fetched::Joined);
    let statuses = |at| [0, 1, 2].map(|entity| joined.outcome_of(entity, at).status);
    (0..8).map(|at| (statuses(at), row(&joined, at))).collect()
}

#[test]
fn whatever_happens_to_it() {
    let node = node();
    let statements = statements();
    let statements: Vec<_> = statements.iter().map(String::as_str).collect();
    keyspace(node, "cql_one_table", &statements);
    for (name, rule, half) in [
        ("down", fails(asks_for("merchant-")), false),
        ("slow", delays(asks_for("merchant-"), FOREVER), false),
        ("lost", drops(asks_for("merchant-")), false),
        ("half", fails(asks_for("merchant-4")), true),
    ] {
        let proxied = Proxied::start(node, vec![]);
        let rules = proxied.rules();
        let settings = ScyllaSettings {
            fetch_deadline_ms: 1000,
            address_map: [(proxied.node, proxied.address)].into(),
            cache: CacheSettings { ttl_ms: 0, negative_ttl_ms: 0, ..CacheSettings::default() },
            ..crate::cql::settings(proxied.address, "cql_one_table")
        };
        on_shard(move || async move {
            let addresses = settings.resolve().unwrap();
            let source = StoreSource::Cql { settings: settings.into(), addresses };
            let store = source.open().await.unwrap();
            store.open_tables(["merchants", "devices"]).await.unwrap();
            let declared = [
                entity("merchant", "merchants", OnError::Default),
                entity("device", "devices", OnError::Reject),
            ];
            let (columns, policies) = (columns(), FeaturePolicies::default());
            let entities = entities_of(&declared, &columns, &policies);
            let inputs = ModelInputs::Columns(&columns);
            let schema = store.schema().unwrap();
            let plan = JoinPlan::bind_entities(inputs, &entities, &schema, Precision::F64).unwrap();
            let number = |at: usize| (at % 8) as f64;
            for (at, found) in fetch(&store, &plan).await.into_iter().enumerate() {
                let cells = vec![number(at), number(at + 1), number(at + 2)];
                assert_eq!(found, ([Stored; 3], cells), "{name}: row {at}");
            }
            rules(vec![rule]);
            let rows = fetch(&store, &plan).await;
            for (at, found) in rows.into_iter().enumerate() {
                let fails = !half || at == 3;
                // The last known value stands in for a store that does not answer, where the policy
                // lets it; `default` does not.
                let (status, cell) = if fails { (Error, -1.0) } else { (Stored, number(at + 1)) };
                let cells = vec![number(at), cell, number(at + 2)];
                assert_eq!(found, ([Stored, status, Stored], cells), "{name}: row {at}");
            }
        });
    }
}

#[test]
fn a_table_that_is_gone_is_said_with_its_entity() {
    let node = node();
    let statements = statements();
    let statements: Vec<_> = statements.iter().map(String::as_str).collect();
    keyspace(node, "cql_no_table", &statements);
    let settings = crate::cql::settings(node, "cql_no_table");
    on_shard(move || async move {
        let addresses = settings.resolve().unwrap();
        let source = StoreSource::Cql { settings: settings.into(), addresses };
        let store = source.open().await.unwrap();
        let failed = store.open_tables(["merchants", "cards"]).await.unwrap_err().to_string();
        assert!(failed.contains("`cards`"), "{failed}");
        let declared = [entity("merchant", "cards", OnError::Default)];
        let columns = columns();
        let entities = entities_of(&declared, &columns[..2], &FeaturePolicies::default());
        let inputs = ModelInputs::Columns(&columns[..2]);
        let schema = store.schema().unwrap();
        let bound = JoinPlan::bind_entities(inputs, &entities, &schema, Precision::F64);
        let said = bound.unwrap_err().to_string();
        assert!(said.contains("entity `merchant`") && said.contains("no table `cards`"), "{said}");
    });
}
