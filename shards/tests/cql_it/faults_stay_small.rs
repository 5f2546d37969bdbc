//! Whatever happens to one key, frame or connection, the other rows of the batch are served; and
//! when the cluster is silent, rows stand on what is known, and the cluster is not pressed.

use std::time::Duration;

use shards::failure::Refusal;
use shards::features::Joined;
use shards::features::cache::CacheSettings;
use shards::features::inputs::{FeaturePolicies, OnError};
use shards::features::scylla::{CqlStore, ScyllaSettings};
use shards::provenance::FeatureStatus::{self, Cached, Error, Stale, Stored};

use crate::cql::{PROFILES, fetch, keyspace, node, on_shard, open, profile_plan, row};
use crate::proxied::{Proxied, asks, asks_for, cuts, delays, drops, fails};

/// Longer than any test: what is delayed by it never comes.
const FOREVER: Duration = Duration::from_hours(1);

/// Users `user-0` to `user-9`, whose features are their number.
fn fill(name: &str) -> std::net::SocketAddr {
    let node = node();
    let inserts: Vec<_> = (0..10)
        .map(|user| {
            format!(
                "INSERT INTO user_profiles (user_id, feature_1, feature_2, feature_3) \
                 VALUES ('user-{user}', {user}, {user}, {user})"
            )
        })
        .collect();
    let statements: Vec<_> =
        std::iter::once(PROFILES).chain(inserts.iter().map(String::as_str)).collect();
    keyspace(node, name, &statements);
    node
}

fn settings(proxied: &Proxied, keyspace: &str, ttl_ms: u64) -> ScyllaSettings {
    ScyllaSettings {
        fetch_deadline_ms: 1000,
        address_map: [(proxied.node, proxied.address)].into(),
        cache: CacheSettings { ttl_ms, negative_ttl_ms: ttl_ms, ..CacheSettings::default() },
        ..crate::cql::settings(proxied.address, keyspace)
    }
}

fn keys() -> Vec<String> {
    (0..10).map(|user| format!("user-{user}")).collect()
}

fn statuses(joined: &Joined) -> Vec<FeatureStatus> {
    joined.outcomes.iter().map(|outcome| outcome.status).collect()
}

/// Fetches until all rows are stored: for what recovers by itself, when it does.
async fn until_stored(store: &CqlStore) {
    let plan = profile_plan(store, &FeaturePolicies::default());
    for _ in 0..6_000 {
        let joined = fetch(store, &plan, &keys()).await;
        if statuses(&joined).iter().all(|status| matches!(status, Stored | Cached)) {
            return;
        }
        glommio::timer::Timer::new(Duration::from_millis(20)).await;
    }
    panic!("it never recovered");
}

#[test]
fn a_key_that_fails_is_late_or_lost_takes_no_other_with_it() {
    let node = fill("cql_one_key");
    for (name, rule) in [
        ("fails", fails(asks_for("user-7"))),
        ("late", delays(asks_for("user-7"), FOREVER)),
        ("lost", drops(asks_for("user-7"))),
    ] {
        let proxied = Proxied::start(node, vec![rule]);
        let settings = settings(&proxied, "cql_one_key", 0);
        on_shard(move || async move {
            let store = open(settings).await.unwrap();
            let plan = profile_plan(&store, &FeaturePolicies::default());
            let joined = fetch(&store, &plan, &keys()).await;
            for user in 0..10 {
                let (status, cell) = if user == 7 { (Error, 0) } else { (Stored, user) };
                assert_eq!(joined.outcomes[user].status, status, "{name}: user-{user}");
                assert_eq!(row(&joined, user), [cell as f64; 3], "{name}: user-{user}");
            }
            let policies = FeaturePolicies { on_error: OnError::Reject, ..Default::default() };
            let rejecting = profile_plan(&store, &policies);
            let joined = fetch(&store, &rejecting, &["user-7", "user-1"]).await;
            assert_eq!(
                joined.outcomes[0].refusal,
                Some(Refusal::StoreUnavailable { entity: 0 }),
                "{name}"
            );
            assert_eq!(joined.outcomes[1].refusal, None, "{name}");
        });
    }
}

#[test]
fn a_connection_cut_in_the_middle_of_a_batch_is_made_again() {
    let node = fill("cql_cut");
    let proxied = Proxied::start(node, vec![]);
    let (settings, rules) = (settings(&proxied, "cql_cut", 0), proxied.rules());
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        for _ in 0..3 {
            until_stored(&store).await;
            rules(vec![cuts(asks())]);
            let joined = fetch(&store, &plan, &keys()).await;
            assert!(statuses(&joined).iter().all(|status| matches!(status, Error | Stale)));
            rules(vec![]);
        }
        until_stored(&store).await;
    });
}

#[test]
fn a_silent_cluster_is_left_alone_and_taken_up_again() {
    let node = fill("cql_silent");
    let proxied = Proxied::start(node, vec![]);
    let settings = ScyllaSettings { fetch_deadline_ms: 100, ..settings(&proxied, "cql_silent", 0) };
    let rules = proxied.rules();
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        until_stored(&store).await;
        rules(vec![drops(asks())]);
        let mut asked: Vec<_> = keys();
        asked.push("user-new".to_owned());
        let mut seen = [0; 2];
        for _ in 0..200 {
            let joined = fetch(&store, &plan, &asked).await;
            for user in 0..10 {
                // The last known values, and not the defaults, stand in for the answer.
                assert_eq!(joined.outcomes[user].status, Stale);
                assert_eq!(row(&joined, user), [user as f64; 3]);
            }
            assert_eq!((joined.outcomes[10].status, row(&joined, 10)), (Error, vec![0.0; 3]));
            seen = [store.counters().statements, store.counters().keys_refused];
        }
        let [statements, refused] = seen;
        assert!(refused > 1000, "the breaker refused {refused} keys");
        assert!(statements < 400, "{statements} statements to a silent cluster");
        rules(vec![]);
        until_stored(&store).await;
    });
}
