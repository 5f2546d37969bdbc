//! Cells of every type that a cluster's table has are joined as those of the embedded store are, texts
//! by the model's codes.

use std::sync::Arc;

use shards::features::column::ColumnType;
use shards::features::inputs::{FeaturePolicies, InputColumn};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::ScyllaSettings;
use shards::features::stored::StoredRow;
use shards::features::{Categories, Precision};
use shards::provenance::FeatureStatus::{Cached, Stored};

use crate::cql::{column, fetch, keyspace, node, on_shard, open, row, settings};

const TABLE: &str = "CREATE TABLE user_profiles (user_id text PRIMARY KEY, s smallint, t tinyint, \
    d decimal, v varint, at timestamp, day date, purpose text, plain ascii, id uuid, \
    last_updated timestamp)";

fn plan_for(schema: &shards::features::schema::Schema) -> JoinPlan {
    let columns: Vec<InputColumn> = [
        ("s", ColumnType::Smallint),
        ("t", ColumnType::Tinyint),
        ("d", ColumnType::Decimal),
        ("v", ColumnType::Varint),
        ("at", ColumnType::Timestamp),
        ("day", ColumnType::Date),
        ("purpose", ColumnType::Text),
        ("plain", ColumnType::Text),
        ("id", ColumnType::Uuid),
    ]
    .map(|(name, column_type)| column(name, column_type))
    .to_vec();
    let known = Categories::new([("car", 3.0), ("", 4.0), ("Zürich", 5.0)], -1.0);
    let ids = Categories::new([("00112233-4455-6677-8899-aabbccddeeff", 8.0)], -1.0);
    let (known, ids) = (Some(Arc::new(known)), Some(Arc::new(ids)));
    let none = || (0..6).map(|_| None);
    let categories: Vec<_> = none().chain([known.clone(), known, ids]).collect();
    let inputs = ModelInputs::Columns(&columns);
    JoinPlan::bind(inputs, schema, &FeaturePolicies::default(), Precision::F64)
        .and_then(|plan| plan.with_categories(&categories))
        .unwrap()
}

#[test]
fn every_new_type_is_read() {
    let node = node();
    let insert = |user: &str, cells: &str| {
        format!(
            "INSERT INTO user_profiles (user_id, s, t, d, v, at, day, purpose, plain, id) \
             VALUES ('{user}', {cells})"
        )
    };
    let rows = [
        insert(
            "full",
            "-32768, 127, 19.99, -9223372036854775808, '2024-01-02T03:04:05.678Z', '1969-12-31', \
             'Zürich', 'car', 00112233-4455-6677-8899-aabbccddeeff",
        ),
        insert(
            "odd",
            "0, 0, 0.1000000000000000000001, 9223372036854775808, 0, '1970-01-01', '', 'boat', \
             ffffffff-ffff-1fff-8fff-ffffffffffff",
        ),
    ];
    let empty = "INSERT INTO user_profiles (user_id) VALUES ('empty')";
    keyspace(node, "cql_new_types", &[TABLE, &rows[0], &rows[1], empty]);
    on_shard(move || async move {
        let store = open(settings(node, "cql_new_types")).await.unwrap();
        let plan = plan_for(&store.schema());
        for status in [Stored, Cached] {
            let joined = fetch(&store, &plan, &["full", "odd", "empty"]).await;
            let time = 1_704_164_645_678_000.0;
            let smallest = -9_223_372_036_854_775_808.0;
            let full = [-32_768.0, 127.0, 19.99, smallest, time, -1.0, 5.0, 3.0, 8.0];
            assert_eq!(row(&joined, 0), full);
            // A decimal and an integer that 64 bits do not hold are not known.
            assert_eq!(row(&joined, 1), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, -1.0, -1.0]);
            assert_eq!(joined.outcomes[1].defaulted, 2);
            assert_eq!(joined.unknown_cells, [(1, 7), (1, 8)]);
            let empty = row(&joined, 2);
            assert!(empty[..6] == [0.0; 6] && empty[6..].iter().all(|code| code.is_nan()));
            assert!(joined.outcomes.iter().all(|outcome| outcome.status == status));
        }
        assert_eq!(store.counters().cells_lost, 2);
    });
    let settings = settings(node, "cql_new_types");
    let shown = |key| {
        let row =
            StoredRow::in_table(&settings, settings.resolve().unwrap(), key).unwrap().unwrap();
        let cells = row.cells.iter().filter(|(name, _)| ["d", "v", "day"].contains(&name.as_str()));
        cells.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(shown("full"), "d 19.99, day \"1969-12-31\", v -9223372036854775808");
    assert_eq!(shown("empty"), "d null, day null, v null");
}

#[test]
fn texts_beyond_the_bound_are_forgotten_with_the_cache() {
    let node = node();
    let table = "CREATE TABLE user_profiles (user_id text PRIMARY KEY, purpose text, \
                 last_updated timestamp)";
    let rows: Vec<String> = (0..60)
        .map(|user| {
            let text = if user % 2 == 0 { "car".to_owned() } else { format!("text {user}") };
            format!("INSERT INTO user_profiles (user_id, purpose) VALUES ('{user}', '{text}')")
        })
        .collect();
    let statements: Vec<&str> =
        [table].into_iter().chain(rows.iter().map(String::as_str)).collect();
    keyspace(node, "cql_texts", &statements);
    on_shard(move || async move {
        let mut settings: ScyllaSettings = settings(node, "cql_texts");
        settings.cache.max_texts_bytes = 100;
        let store = open(settings).await.unwrap();
        let columns = [column("purpose", ColumnType::Text)];
        let known = Some(Arc::new(Categories::new([("car", 3.0)], -1.0)));
        let inputs = ModelInputs::Columns(&columns);
        let policies = FeaturePolicies::default();
        let plan = JoinPlan::bind(inputs, &store.schema(), &policies, Precision::F64)
            .and_then(|plan| plan.with_categories(&[known]))
            .unwrap();
        for round in 0..3 {
            for start in (0..60).step_by(6) {
                let keys: Vec<String> = (start..start + 6).map(|user| user.to_string()).collect();
                let joined = fetch(&store, &plan, &keys).await;
                let found: Vec<f64> = (0..6).map(|at| row(&joined, at)[0]).collect();
                assert_eq!(found, [3.0, -1.0, 3.0, -1.0, 3.0, -1.0], "round {round}");
            }
        }
        let forgotten = store.counters().texts_forgotten;
        assert!((2..=30).contains(&forgotten), "{forgotten}");
    });
}
