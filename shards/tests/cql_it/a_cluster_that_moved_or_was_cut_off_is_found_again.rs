//! A cluster whose address changed is found by the contact points' names, and one whose connections
//! died without a word is asked by new ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use glommio::timer::Timer;
use shards::features::cache::CacheSettings;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::JoinPlan;
use shards::features::scylla::{CqlStore, ScyllaSettings};
use shards::provenance::FeatureStatus;

use crate::cql::{PROFILES, fetch, keyspace, node, on_shard, profile_plan};
use crate::switched::Switched;

const INSERT: &str = "INSERT INTO user_profiles (user_id, feature_1) VALUES ('a', 1)";

/// What goes through a relay at this address; the node says 127.0.0.1 of itself, as it is there.
fn settings(contact_points: &[String], keyspace: &str) -> ScyllaSettings {
    ScyllaSettings {
        contact_points: contact_points.to_vec(),
        fetch_deadline_ms: 200,
        cache: CacheSettings { ttl_ms: 0, negative_ttl_ms: 0, ..CacheSettings::default() },
        ..crate::cql::settings(SocketAddr::from(([127, 0, 0, 1], 1)), keyspace)
    }
}

async fn is_stored(store: &CqlStore, plan: &JoinPlan) -> bool {
    let joined = fetch(store, plan, &["a"]).await;
    joined.outcomes[0].status == FeatureStatus::Stored
}

/// Waits until features are `stored`, or are not; well below the minute after which the driver
/// takes a silent connection for dead by itself.
async fn until_stored(store: &CqlStore, plan: &JoinPlan, wanted: bool) {
    for _ in 0..400 {
        if is_stored(store, plan).await == wanted {
            return;
        }
        Timer::new(Duration::from_millis(50)).await;
    }
    panic!("stored is not {wanted}: {:?}", store.counters());
}

#[test]
fn at_another_address_under_the_same_name() {
    let node = node();
    keyspace(node, "cql_moved", &[PROFILES, INSERT]);
    let (before, after) = (Switched::before(node), Switched::before(node));
    // The name gave one address when the shard was started, and gives another one by now.
    let settings = settings(&[format!("localhost:{}", after.address.port())], "cql_moved");
    on_shard(move || async move {
        let addresses = vec![before.address];
        let store = CqlStore::open(Arc::new(settings), addresses).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        assert!(is_stored(&store, &plan).await);
        drop(before);
        until_stored(&store, &plan, false).await;
        until_stored(&store, &plan, true).await;
        assert_eq!(store.counters().sessions_renewed, 1);
        drop(after);
    });
}

#[test]
fn behind_connections_that_died_without_a_word() {
    let node = node();
    keyspace(node, "cql_cut_off", &[PROFILES, INSERT]);
    let relay = Switched::before(node);
    let settings = settings(&[relay.address.to_string()], "cql_cut_off");
    on_shard(move || async move {
        let addresses = vec![relay.address];
        let store = CqlStore::open(Arc::new(settings), addresses).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        for _ in 0..3 {
            assert!(is_stored(&store, &plan).await);
            relay.cut();
            until_stored(&store, &plan, false).await;
            relay.mend();
            until_stored(&store, &plan, true).await;
        }
    });
}
