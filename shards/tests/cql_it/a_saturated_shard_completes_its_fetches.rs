//! A shard whose core never idles still turns the driver: fetches come back while tasks that are
//! always ready keep it busy, and not only when some timer fires.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use shards::features::cache::CacheSettings;
use shards::features::inputs::FeaturePolicies;
use shards::features::scylla::ScyllaSettings;
use shards::provenance::FeatureStatus;

use crate::cql::{PROFILES, fetch, keyspace, node, on_shard, open, profile_plan};

const FETCHES: usize = 200;

/// Computes for a fifth of a millisecond, lets others run, and so on until told to stop.
async fn saturate(stop: Rc<Cell<bool>>) {
    while !stop.get() {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
        futures_lite::future::yield_now().await;
    }
}

#[test]
fn while_four_tasks_compute() {
    let node = node();
    let insert = "INSERT INTO user_profiles (user_id, feature_1) VALUES ('user-1', 1)";
    keyspace(node, "cql_saturated", &[PROFILES, insert]);
    let settings = ScyllaSettings {
        // What waits for a timer of 100 ms or more comes too late, each time.
        fetch_deadline_ms: 80,
        cache: CacheSettings { ttl_ms: 0, negative_ttl_ms: 0, ..CacheSettings::default() },
        ..crate::cql::settings(node, "cql_saturated")
    };
    let stored = on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        let stop = Rc::new(Cell::new(false));
        let tasks: Vec<_> =
            (0..4).map(|_| glommio::spawn_local(saturate(Rc::clone(&stop)))).collect();
        let mut stored = 0;
        for _ in 0..FETCHES {
            let joined = fetch(&store, &plan, &["user-1"]).await;
            stored += usize::from(joined.outcomes[0].status == FeatureStatus::Stored);
        }
        stop.set(true);
        for task in tasks {
            task.await;
        }
        stored
    });
    println!("{stored} of {FETCHES} in time");
    // The node shares two cores with the shard and may be late itself, now and then.
    assert!(stored > FETCHES / 2, "{stored} of {FETCHES}");
}
