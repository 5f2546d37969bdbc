//! Where the cluster has a limit on the keys of one statement, groups become as small as it takes,
//! and stay so: at start, and where the limit comes while the gateway runs.

use scylla_proxy::{RequestReaction, RequestRule};
use shards::failure::FaultReason;
use shards::features::Joined;
use shards::features::cache::CacheSettings;
use shards::features::inputs::FeaturePolicies;
use shards::features::scylla::ScyllaSettings;
use shards::provenance::FeatureStatus;

use crate::cql::{
    as_superuser, fetch, node, on_shard, open, profile_plan, settings, with_passwords,
};
use crate::proxied::{Proxied, asks_for};

const USERS: usize = 60;

fn keys() -> Vec<String> {
    (0..USERS).map(|user| format!("user-{user}")).collect()
}

fn uncached(settings: ScyllaSettings) -> ScyllaSettings {
    let cache = CacheSettings { ttl_ms: 0, negative_ttl_ms: 0, ..CacheSettings::default() };
    ScyllaSettings { cache, ..settings }
}

fn stored(joined: &Joined) -> usize {
    let stored = |status| status == FeatureStatus::Stored;
    joined.outcomes.iter().filter(|outcome| stored(outcome.status)).count()
}

fn inserts(table: &str) -> Vec<String> {
    let insert =
        |user| format!("INSERT INTO {table} (user_id, feature_1) VALUES ('user-{user}', 1)");
    (0..USERS).map(insert).collect()
}

#[test]
fn by_a_guardrail_of_twenty() {
    with_passwords(|plain| {
        let mut statements = vec![
            "DROP KEYSPACE IF EXISTS cql_guarded".to_owned(),
            "CREATE KEYSPACE cql_guarded WITH replication = \
             {'class': 'SimpleStrategy', 'replication_factor': 1}"
                .to_owned(),
            crate::cql::PROFILES.replace("user_profiles", "cql_guarded.user_profiles"),
            "CREATE ROLE IF NOT EXISTS guarded WITH PASSWORD = 'guarded' AND LOGIN = true"
                .to_owned(),
            "GRANT SELECT ON KEYSPACE cql_guarded TO guarded".to_owned(),
        ];
        statements.extend(inserts("cql_guarded.user_profiles"));
        as_superuser(plain, &statements.iter().map(String::as_str).collect::<Vec<_>>());
        let settings = ScyllaSettings {
            user: Some("guarded".to_owned()),
            password: Some("guarded".to_owned().into()),
            ..uncached(settings(plain, "cql_guarded"))
        };
        on_shard(move || async move {
            let store = open(settings).await.unwrap();
            assert_eq!(store.counters().group_keys_max, 16, "64 halved until it is taken");
            let plan = profile_plan(&store, &FeaturePolicies::default());
            for _ in 0..3 {
                assert_eq!(stored(&fetch(&store, &plan, &keys()).await), USERS);
            }
            let failed = store.counters().statements_failed;
            assert_eq!(failed, [0; FaultReason::ALL.len()]);
        });
    });
}

#[test]
fn by_a_limit_that_comes_while_it_runs() {
    let node = node();
    let inserts = inserts("user_profiles");
    let statements: Vec<_> =
        std::iter::once(crate::cql::PROFILES).chain(inserts.iter().map(String::as_str)).collect();
    crate::cql::keyspace(node, "cql_limited", &statements);
    let proxied = Proxied::start(node, vec![]);
    let settings = ScyllaSettings {
        address_map: [(proxied.node, proxied.address)].into(),
        ..uncached(settings(proxied.address, "cql_limited"))
    };
    let rules = proxied.rules();
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        assert_eq!(stored(&fetch(&store, &plan, &keys()).await), USERS);
        assert_eq!(store.counters().group_keys_max, 64);

        // Statements for these two together are refused: those of 60 and of 30 keys, not of 15.
        let both = asks_for("user-0").and(asks_for("user-29"));
        rules(vec![RequestRule(both, RequestReaction::forge().invalid())]);
        for _ in 0..20 {
            assert_eq!(stored(&fetch(&store, &plan, &keys()).await), USERS);
        }
        let counters = store.counters();
        assert_eq!(counters.group_keys_max, 15);
        let failed = counters.statements_failed[FaultReason::Invalid as usize];
        assert!((1..=3).contains(&failed), "{failed} statements refused before it knew");
        assert_eq!(counters.keys_failed, 0);
    });
}
