//! Where a node is cut into shards, each key is asked for by a connection to the shard that owns
//! it: in a group with others of that shard, and alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glommio::timer::Timer;
use shards::features::cache::CacheSettings;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::JoinPlan;
use shards::features::scylla::{CqlStore, ScyllaSettings};
use shards::provenance::FeatureStatus;

use crate::cql::{
    PROFILES, fetch, keyspace, node, on_shard, on_tokio, open, plain_session, profile_plan,
};
use crate::sharded::{IGNORED_BITS, SHARDS, Seen, relay};

/// The shard that owns each user, by the token that the cluster itself computes.
fn owners(node: SocketAddr, table: &str) -> BTreeMap<String, u16> {
    on_tokio(async {
        let session = plain_session(node).await;
        let statement = format!("SELECT user_id, token(user_id) FROM {table}");
        let found = session.query_unpaged(statement, ()).await.unwrap().into_rows_result().unwrap();
        let rows = found.rows::<(String, i64)>().unwrap().map(Result::unwrap);
        rows.map(|(user, token)| (user, shard_of(token))).collect()
    })
}

/// `ScyllaDB`'s biased token round robin.
fn shard_of(token: i64) -> u16 {
    let biased = token.cast_unsigned().wrapping_add(1 << 63) << IGNORED_BITS;
    u16::try_from((u128::from(biased) * u128::from(SHARDS)) >> 64).unwrap()
}

#[test]
fn in_groups_and_alone() {
    let node = node();
    let inserts: Vec<_> = (0..64)
        .map(|user| {
            format!("INSERT INTO user_profiles (user_id, feature_1) VALUES ('user-{user}', 1)")
        })
        .collect();
    let statements: Vec<_> =
        std::iter::once(PROFILES).chain(inserts.iter().map(String::as_str)).collect();
    keyspace(node, "cql_sharded", &statements);
    let owners = owners(node, "cql_sharded.user_profiles");
    let all: BTreeSet<_> = owners.values().copied().collect();
    assert_eq!(all.len(), usize::from(SHARDS), "users of every shard");

    let (address, seen) = relay(node);
    let settings = ScyllaSettings {
        // The second is the port at which the driver chooses its shard.
        address_map: [(node, address), (address, address)].into(),
        cache: CacheSettings { ttl_ms: 0, negative_ttl_ms: 0, ..CacheSettings::default() },
        ..crate::cql::settings(address, "cql_sharded")
    };
    let (users, noted) = (owners.clone(), Arc::clone(&seen));
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        // The first statement may be asked for while the driver is still connecting.
        while Seen::with(&noted, |seen| seen.connections.len()) < usize::from(SHARDS) {
            Timer::new(Duration::from_millis(10)).await;
        }
        let plan = profile_plan(&store, &FeaturePolicies::default());
        let keys: Vec<_> = users.keys().collect();
        let mut rounds = 0;
        while !asks_the_owners(&store, &plan, &keys, &users, &noted).await {
            rounds += 1;
            assert!(rounds < 1000, "{noted:?}");
            Timer::new(Duration::from_millis(10)).await;
        }
        let statements = store.counters().statements;
        assert!(asks_the_owners(&store, &plan, &keys, &users, &noted).await);
        let grouped = store.counters().statements - statements;
        assert_eq!(grouped, u64::from(SHARDS), "a group for each shard");
        for key in &keys {
            assert!(asks_the_owners(&store, &plan, &[*key], &users, &noted).await, "{key}");
        }
    });
}

/// Fetches `keys`; returns whether each was asked for once and by a connection to its owner.
async fn asks_the_owners(
    store: &CqlStore,
    plan: &JoinPlan,
    keys: &[&String],
    owners: &BTreeMap<String, u16>,
    seen: &Mutex<Seen>,
) -> bool {
    Seen::with(seen, |seen| seen.asked.clear());
    let joined = fetch(store, plan, keys).await;
    assert!(joined.outcomes.iter().all(|outcome| outcome.status == FeatureStatus::Stored));
    Seen::with(seen, |seen| {
        assert_eq!(seen.asked.len(), keys.len());
        seen.asked.iter().all(|(user, shard)| owners[user] == *shard)
    })
}
