//! A table with clustering columns is read by `latest_by`, whichever way its rows lie, or refused with
//! the reason; and a key of several columns is read whole.

use shards::features::Precision;
use shards::features::column::ColumnType;
use shards::features::inputs::{FeaturePolicies, OnExpired};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::{CqlStore, ScyllaSettings};
use shards::provenance::FeatureStatus::{Cached, Expired, Missing, Stored};

use crate::cql::{column, fetch, keyspace, node, on_shard, open, row, settings};

fn plan(store: &CqlStore, policies: &FeaturePolicies) -> JoinPlan {
    let columns = [column("a", ColumnType::Double), column("at", ColumnType::Bigint)];
    JoinPlan::bind(ModelInputs::Columns(&columns), &store.schema(), policies, Precision::F64)
        .unwrap()
}

/// A table with rows of three events of `u` and one of `v`, and settings that read it.
fn clustered(order: &str, name: &str) -> ScyllaSettings {
    let node = node();
    let table = format!(
        "CREATE TABLE user_profiles (user_id text, at bigint, part text, a double, \
         last_updated timestamp, PRIMARY KEY (user_id, at, part)) \
         WITH CLUSTERING ORDER BY (at {order}, part ASC)"
    );
    let rows = [("u", 3, 30), ("u", 1, 10), ("u", 2, 20), ("v", 9, 90)].map(|(user, at, a)| {
        format!(
            "INSERT INTO user_profiles (user_id, at, part, a, last_updated) \
             VALUES ('{user}', {at}, 'x', {a}, {at}000)"
        )
    });
    let statements = std::iter::once(table.as_str()).chain(rows.iter().map(String::as_str));
    keyspace(node, name, &statements.collect::<Vec<_>>());
    settings(node, name)
}

#[test]
fn the_row_with_the_greatest_value_is_read() {
    for (order, name) in [("DESC", "cql_latest_desc"), ("ASC", "cql_latest_asc")] {
        let settings = clustered(order, name);
        let settings = ScyllaSettings { latest_by: Some("at".to_owned()), ..settings };
        on_shard(move || async move {
            let store = open(settings).await.unwrap();
            let found = plan(&store, &FeaturePolicies::default());
            for status in [Stored, Cached] {
                let joined = fetch(&store, &found, &["u", "v", "w", "u"]).await;
                for (at, cells) in [(0, [30.0, 3.0]), (1, [90.0, 9.0]), (3, [30.0, 3.0])] {
                    assert_eq!(joined.outcomes[at].status, status, "{order} {at}");
                    assert_eq!(row(&joined, at), cells, "{order} {at}");
                }
                assert_eq!(joined.outcomes[2].status, Missing);
            }
            // It is as old as that row.
            let policies = FeaturePolicies {
                max_age_s: Some(60),
                on_expired: OnExpired::Use,
                ..FeaturePolicies::default()
            };
            let joined = fetch(&store, &plan(&store, &policies), &["u"]).await;
            let outcome = joined.outcomes[0];
            assert_eq!((outcome.status, outcome.last_updated_us), (Expired, Some(3_000_000)));
        });
    }
}

#[test]
fn what_does_not_say_which_row_is_refused() {
    let settings = clustered("DESC", "cql_latest_refused");
    for (latest_by, says) in [
        (None, "Set `latest_by = \"at\"`"),
        (Some("part"), "has to be the first of them"),
        (Some("a"), "its clustering columns are (at, part)"),
    ] {
        let latest_by = latest_by.map(str::to_owned);
        let settings = ScyllaSettings { latest_by, ..settings.clone() };
        let said = on_shard(move || async move { open(settings).await.unwrap_err().to_string() });
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_key_of_several_columns_is_read_whole() {
    let node = node();
    let statements = [
        "CREATE TABLE user_profiles (country text, bin int, a double, at bigint, \
         last_updated timestamp, PRIMARY KEY ((country, bin)))",
        "INSERT INTO user_profiles (country, bin, a, at) VALUES ('NL', 1, 1, 1)",
        "INSERT INTO user_profiles (country, bin, a, at) VALUES ('NL', 2, 2, 2)",
        "INSERT INTO user_profiles (country, bin, a, at) VALUES ('DE', 1, 3, 3)",
    ];
    keyspace(node, "cql_composite", &statements);
    let by_one = settings(node, "cql_composite");
    let whole = ScyllaSettings { key_column: String::new(), ..by_one.clone() };
    let by_one = ScyllaSettings { key_column: "country".to_owned(), ..by_one };
    let said = on_shard(move || async move { open(by_one).await.unwrap_err().to_string() });
    assert!(said.contains("(country, bin)") && said.contains("key_column = \"\""), "{said}");
    on_shard(move || async move {
        use shards::features::entities::Entity;
        let store = open(whole).await.unwrap();
        let schema = store.schema();
        let columns = [column("a", ColumnType::Double)];
        let (inputs, policies) = (ModelInputs::Columns(&columns), FeaturePolicies::default());
        // A model names a field for each column of the key.
        let said = JoinPlan::bind(inputs, &schema, &policies, Precision::F64).unwrap_err();
        assert!(said.to_string().contains("1 fields in model.toml"), "{said}");
        let key = vec!["country".to_owned(), "bin".to_owned()];
        let entity = Entity { key, ..Entity::user(&policies) };
        let plan = JoinPlan::bind_entities(inputs, &[entity], &schema, Precision::F64).unwrap();
        for status in [Stored, Cached] {
            let keys = ["2:NL1:1", "2:DE1:1", "2:NL1:2", "2:DE1:2", "2:NL2:02"];
            let joined = fetch(&store, &plan, &keys).await;
            for (at, cell) in [(0, 1.0), (1, 3.0), (2, 2.0), (4, 2.0)] {
                assert_eq!((joined.outcomes[at].status, row(&joined, at)), (status, vec![cell]));
            }
            assert_eq!(joined.outcomes[3].status, Missing);
        }
    });
}
