//! A file at the embedded store's place, as a damaged disk, another program or a stranger left it.

use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::{FetchRequests, Fetched, Joined, Precision};

/// Opens the bytes as a store's file, checks all of it, and looks users up.
pub(crate) fn run(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder for the store");
    std::fs::write(folder.path().join("features.store"), bytes).expect("the file is written");
    let Ok(store) = EmbeddedStore::open(folder.path()) else { return };
    let rows = store.rows().expect("it was opened");
    let visited = store.for_each(|_, _| ()).expect("it was opened");
    let preloaded = store.preload(u64::MAX, |_| true).expect("it was opened");
    assert!(visited.rows == rows && preloaded.records == visited, "{visited:?} of {rows}");
    let first = store.first_key().expect("it was opened").unwrap_or_default();
    let reader = EmbeddedReader::new(&store).expect("it was opened");
    let inputs = ModelInputs::Width(reader.schema().columns().len());
    let policies = FeaturePolicies::default();
    let bound = JoinPlan::bind(inputs, &reader.schema(), &policies, Precision::F32);
    let Ok(plan) = bound else { return };
    let (mut requests, mut joined) = (FetchRequests::new(0), Joined::new(&plan));
    for key in [first.as_slice(), b"u", b"nobody"] {
        requests.push(key, &[]);
    }
    let fetched = reader.fetch(&plan, &requests, 0, &mut joined);
    assert_eq!(fetched, Fetched::Joined);
}
