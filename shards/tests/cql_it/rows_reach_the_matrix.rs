//! Users stored in a real cluster are joined as they were written, whatever a row lacks.

use shards::features::Precision;
use shards::features::column::ColumnType;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::{Compression, Consistency, ScyllaSettings};
use shards::provenance::FeatureStatus::{Cached, Missing, Stored};

use crate::cql::{
    PROFILES, column, fetch, keyspace, node, on_shard, open, profile_plan, row, settings,
};

#[test]
fn the_documented_statements_give_the_documented_features() {
    let node = node();
    let insert = |user: &str, cells: &str| {
        format!(
            "INSERT INTO user_profiles (user_id, feature_1, feature_2, feature_3, last_updated) \
             VALUES ('{user}', {cells}, toTimestamp(now()))"
        )
    };
    let (first, second) =
        (insert("user-001", "0.5, 1.2, -0.8"), insert("user-002", "-1.1, 0.3, 2.5"));
    keyspace(node, "cql_rows", &[PROFILES, &first, &second]);
    on_shard(move || async move {
        let store = open(settings(node, "cql_rows")).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        let keys = ["user-001", "nobody", "user-002", "user-001", "", "né"];
        for statuses in [
            [Stored, Missing, Stored, Stored, Missing, Missing],
            [Cached, Missing, Cached, Cached, Missing, Missing],
        ] {
            let joined = fetch(&store, &plan, &keys).await;
            let found: Vec<_> = joined.outcomes.iter().map(|outcome| outcome.status).collect();
            assert_eq!(found, statuses);
            let floats = |cells: [f32; 3]| cells.map(f64::from);
            assert_eq!(row(&joined, 0), floats([0.5, 1.2, -0.8]));
            assert_eq!(row(&joined, 1), [0.0; 3]);
            assert_eq!(row(&joined, 2), floats([-1.1, 0.3, 2.5]));
            assert_eq!(row(&joined, 3), row(&joined, 0));
        }
        let counters = store.counters();
        assert_eq!((counters.keys_asked, counters.statements), (4, 1));
        assert_eq!(fetch(&store, &plan, &[b"\xff\xfe"]).await.outcomes[0].status, Missing);
    });
}

#[test]
fn every_type_null_and_nan_is_read() {
    let node = node();
    let statements = [
        "CREATE TABLE user_profiles (user_id text PRIMARY KEY, \"Mixed Case\" double, f float, \
         i int, b bigint, yes boolean, last_updated timestamp)",
        "INSERT INTO user_profiles (user_id, \"Mixed Case\", f, i, b, yes, last_updated) \
         VALUES ('full', 0.1, -1.5, -7, 9007199254740993, true, 1000)",
        "INSERT INTO user_profiles (user_id, \"Mixed Case\", f) VALUES ('holes', NaN, NaN)",
        "INSERT INTO user_profiles (user_id) VALUES ('empty')",
    ];
    keyspace(node, "cql_types", &statements);
    on_shard(move || async move {
        let store = open(settings(node, "cql_types")).await.unwrap();
        let columns = [
            column("i", ColumnType::Int),
            column("Mixed Case", ColumnType::Double),
            column("yes", ColumnType::Boolean),
            column("b", ColumnType::Bigint),
            column("f", ColumnType::Float),
        ];
        let policies = FeaturePolicies { max_age_s: Some(60), ..Default::default() };
        let inputs = ModelInputs::Columns(&columns);
        let plan = JoinPlan::bind(inputs, &store.schema(), &policies, Precision::F64).unwrap();
        let joined = fetch(&store, &plan, &["full", "holes", "empty"]).await;
        assert_eq!(row(&joined, 0), [-7.0, 0.1, 1.0, 9_007_199_254_740_993_i64 as f64, -1.5]);
        assert_eq!(row(&joined, 1), [0.0; 5]);
        assert_eq!(row(&joined, 2), [0.0; 5]);
        let defaulted: Vec<_> = joined.outcomes.iter().map(|outcome| outcome.defaulted).collect();
        assert_eq!(defaulted, [0, 5, 5]);
        assert_eq!(joined.outcomes[0].status, shards::provenance::FeatureStatus::Expired);
        assert_eq!(joined.outcomes[1].status, Stored);
    });
}

#[test]
fn a_thousand_users_come_in_bounded_statements() {
    let node = node();
    keyspace(node, "cql_many", &[PROFILES]);
    crate::cql::on_tokio(async {
        let session = crate::cql::plain_session(node).await;
        let insert = session
            .prepare("INSERT INTO cql_many.user_profiles (user_id, feature_1, feature_2) VALUES (?, ?, ?)")
            .await
            .unwrap();
        for user in 0..1000 {
            let values = (format!("user-{user}"), user as f32, -user as f32);
            session.execute_unpaged(&insert, values).await.unwrap();
        }
    });
    on_shard(move || async move {
        let store = open(settings(node, "cql_many")).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        let keys: Vec<_> = (0..1000).rev().map(|user| format!("user-{user}")).collect();
        let joined = fetch(&store, &plan, &keys).await;
        for (at, user) in (0..1000).rev().enumerate() {
            assert_eq!(joined.outcomes[at].status, Stored);
            assert_eq!(row(&joined, at), [f64::from(user), -f64::from(user), 0.0]);
        }
        assert_eq!(store.counters().statements, 1000_u64.div_ceil(64));
    });
}

#[test]
fn however_the_node_is_asked() {
    let node = node();
    let insert = "INSERT INTO user_profiles (user_id, feature_1) VALUES ('user-1', 1.5)";
    keyspace(node, "cql_ways", &[PROFILES, insert]);
    let base = settings(node, "cql_ways");
    for settings in [
        ScyllaSettings { compression: Compression::Lz4, ..base.clone() },
        ScyllaSettings { compression: Compression::Snappy, ..base.clone() },
        ScyllaSettings { consistency: Consistency::Quorum, ..base.clone() },
        ScyllaSettings { local_datacenter: Some("datacenter1".to_owned()), ..base.clone() },
        ScyllaSettings { pool_size: 2, speculative_execution_ms: Some(5), ..base.clone() },
        ScyllaSettings { group_keys_max: 1, last_updated_column: String::new(), ..base.clone() },
    ] {
        let said = format!("{settings:?}");
        on_shard(move || async move {
            // Without a column of times, that one is no feature either.
            let columns = ["feature_1", "feature_2", "feature_3"].map(str::to_owned).to_vec();
            let store = open(ScyllaSettings { columns, ..settings }).await.unwrap();
            let plan = profile_plan(&store, &FeaturePolicies::default());
            let joined = fetch(&store, &plan, &["user-1", "nobody"]).await;
            assert_eq!(joined.outcomes[0].status, Stored, "{said}");
            assert_eq!(joined.outcomes[1].status, Missing, "{said}");
            assert_eq!(row(&joined, 0), [1.5, 0.0, 0.0], "{said}");
        });
    }
}
