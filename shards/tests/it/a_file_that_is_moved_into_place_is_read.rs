//! A store's file may be replaced by another one that is renamed over it, by whoever; and it is read
//! by those who may not write it.

use std::fs;

use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::inputs::FeaturePolicies;
use shards::provenance::FeatureStatus;

use crate::stores::{column, fetch, import, plan_of, row, store_of};
use crate::support::{Setup, wait_until};

const FILE: &str = "features.store";
const USER: &str = "{\"user_id\": \"u\"}";

fn csv(feature: u32) -> String {
    format!("user_id,feature_1,feature_2,feature_3\nu,{feature},2,3\n")
}

#[test]
fn a_shard_sees_it_without_being_told() {
    let served = Setup::of("demo-logistic").csv(&csv(1)).serve();
    let mut client = served.client();
    let first = client.predict(USER).score();
    let (other, store) = store_of(&csv(5));
    drop(store);
    let target = served.store.path().join(FILE);
    let beside = served.store.path().join("from-a-backup");
    fs::copy(other.path().join(FILE), &beside).unwrap();
    fs::rename(&beside, &target).unwrap();
    wait_until("the other file is read", || {
        (served.client().predict(USER).score() - first).abs() > 1e-6
    });
    let second = client.predict(USER).score();
    // A broken one: what was read before goes on, and a look says what is wrong.
    fs::write(&beside, b"not a store at all").unwrap();
    fs::rename(&beside, &target).unwrap();
    let trouble = served.store.trouble().expect("it is broken");
    assert!(trouble.contains("features.store: this is no feature store's file"), "{trouble}");
    for _ in 0..50 {
        assert_eq!(client.predict(USER).score().to_bits(), second.to_bits());
    }
    // None at all.
    fs::remove_file(&target).unwrap();
    assert!(
        served.store.trouble().is_some_and(|trouble| trouble.contains("no feature store here"))
    );
    assert_eq!(client.predict(USER).score().to_bits(), second.to_bits());
    served.replace_store(&csv(1));
    wait_until("the new one is read", || {
        served.client().predict(USER).score().to_bits() == first.to_bits()
    });
    assert_eq!(served.store.trouble(), None);
}

#[test]
fn one_that_was_superseded_before_is_as_good_as_new() {
    let (folder, store) = store_of("user_id,a\nu,1\n");
    let (file, link) = (folder.path().join(FILE), folder.path().join("kept"));
    fs::hard_link(&file, &link).unwrap();
    import(&store, "user_id,a\nu,2\n").unwrap();
    fs::rename(&link, &file).unwrap();
    let store = EmbeddedStore::open(folder.path()).unwrap();
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_of(&reader, &[column("a")], &FeaturePolicies::default());
    assert_eq!(row(&fetch(&reader, &plan, &["u"]), 0), [1.0]);
    import(&store, "user_id,a\nu,3\n").unwrap();
    assert_eq!(row(&fetch(&reader, &plan, &["u"]), 0), [3.0], "at the next batch");
}

#[test]
fn a_reader_needs_to_read_the_file_and_nothing_else() {
    let (folder, store) = store_of("user_id,a\nu,1\n");
    drop(store);
    fs::remove_file(folder.path().join("import.lock")).unwrap();
    let store = EmbeddedStore::open(folder.path()).unwrap();
    store.preload(u64::MAX, |_| true).unwrap();
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_of(&reader, &[column("a")], &FeaturePolicies::default());
    assert_eq!(fetch(&reader, &plan, &["u"]).outcomes[0].status, FeatureStatus::Stored);
    assert!(!store.is_being_imported());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "it made something: {left:?}");
}
