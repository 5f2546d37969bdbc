//! However many rows and batches want a key at a time, one query asks for it; a cached one, none.

use shards::features::cache::CacheSettings;
use shards::features::inputs::FeaturePolicies;
use shards::features::scylla::ScyllaSettings;
use shards::provenance::FeatureStatus::{Cached, Missing, Stored};

use crate::cql::{PROFILES, fetch, keyspace, node, on_shard, open, profile_plan, row};

const INSERT: &str = "INSERT INTO user_profiles (user_id, feature_1) VALUES ('a', 1)";

#[test]
fn batches_at_the_same_time_share_a_query() {
    let node = node();
    keyspace(node, "cql_once", &[PROFILES, INSERT]);
    // Nothing is kept, so that only what is in flight can be shared.
    let cache = CacheSettings { bytes_max: 0, ..CacheSettings::default() };
    let settings = ScyllaSettings { cache, ..crate::cql::settings(node, "cql_once") };
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        let mut first = Box::pin(fetch(&store, &plan, &["a", "nobody", "a"]));
        assert!(futures_lite::future::poll_once(&mut first).await.is_none());
        let second = fetch(&store, &plan, &["nobody", "a"]).await;
        let first = first.await;
        assert_eq!((row(&first, 0)[0], row(&first, 2)[0], row(&second, 1)[0]), (1.0, 1.0, 1.0));
        assert_eq!((first.outcomes[1].status, second.outcomes[0].status), (Missing, Missing));
        assert_eq!((first.keys_fetched, second.keys_fetched), (2, 0));
        let counters = store.counters();
        assert_eq!((counters.keys_asked, counters.keys_coalesced), (2, 2));
        fetch(&store, &plan, &["a"]).await;
        assert_eq!(store.counters().statements, 2);
    });
}

#[test]
fn a_batch_that_goes_away_leaves_its_query_to_the_others() {
    let node = node();
    keyspace(node, "cql_gone", &[PROFILES, INSERT]);
    on_shard(move || async move {
        let store = open(crate::cql::settings(node, "cql_gone")).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        let mut gone = Box::pin(fetch(&store, &plan, &["a"]));
        assert!(futures_lite::future::poll_once(&mut gone).await.is_none());
        drop(gone);
        let joined = fetch(&store, &plan, &["a"]).await;
        assert_eq!((joined.outcomes[0].status, row(&joined, 0)[0]), (Stored, 1.0));
        assert_eq!(fetch(&store, &plan, &["a"]).await.outcomes[0].status, Cached);
        assert_eq!(store.counters().statements, 1);
    });
}
