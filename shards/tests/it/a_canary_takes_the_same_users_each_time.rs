//! `[canary]`: a share of the users is scored by another version; always the same users, and more
//! of them as the share grows.

use std::fs;

use proptest::prelude::*;
use shards::facts::Role;
use shards::model::canary::Canary;
use shards::model::repository::Repository;
use shards::model::shadow::Shadow;

fn canary(percent: f64) -> Canary {
    Canary { version: 2, percent }
}

#[test]
fn the_share_is_what_was_asked_for() {
    for percent in [0.0, 1.0, 10.0, 50.0, 100.0] {
        let users = (0..100_000).map(|user| format!("user-{user:06}"));
        let taken = users.filter(|user| canary(percent).takes("risk", user)).count();
        let found = taken as f64 / 1_000.0;
        assert!((found - percent).abs() < 0.5, "{percent} %: {found} %");
    }
}

#[test]
fn two_models_try_out_on_different_users() {
    let users: Vec<_> = (0..100_000).map(|user| user.to_string()).collect();
    let both =
        |user: &&String| canary(10.0).takes("risk", user) && canary(10.0).takes("fraud", user);
    let found = users.iter().filter(both).count() as f64 / 1_000.0;
    assert!((found - 1.0).abs() < 0.25, "{found} %");
}

#[test]
fn a_shadow_copies_its_share_and_of_other_users_than_the_canarys() {
    let shadow = Shadow { version: 3, percent: 10.0 };
    let users: Vec<_> = (0..100_000).map(|user| user.to_string()).collect();
    let copied = users.iter().filter(|user| shadow.copies("risk", user)).count() as f64 / 1_000.0;
    assert!((copied - 10.0).abs() < 0.5, "{copied} %");
    let both = |user: &&String| shadow.copies("risk", user) && canary(10.0).takes("risk", user);
    let found = users.iter().filter(both).count() as f64 / 1_000.0;
    assert!((found - 1.0).abs() < 0.25, "{found} %");
}

#[test]
fn a_shadow_is_found_beside_the_canary_and_the_newest_of_the_others() {
    let root = tempfile::tempdir().expect("a temporary folder");
    for version in ["1", "2", "3", "4"] {
        let folder = root.path().join("risk").join(version);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("model.onnx"), b"").expect("a file");
    }
    let manifest = "[canary]\nversion = 4\npercent = 5\n[shadow]\nversion = 3\npercent = 50";
    fs::write(root.path().join("risk/model.toml"), manifest).expect("a file");
    let served = Repository::new(root.path()).find_served("risk").expect("it is there");
    let versions: Vec<_> =
        served.iter().map(|directory| (directory.version, directory.role())).collect();
    assert_eq!(versions, [(2, Role::Stable), (4, Role::Canary), (3, Role::Shadow)]);
}

proptest! {
    #[test]
    fn a_greater_share_keeps_the_users_of_a_smaller(
        user in ".{0,40}",
        smaller in 0.0..100.0_f64,
        more in 0.0..100.0_f64,
    ) {
        let greater = (smaller + more).min(100.0);
        if canary(smaller).takes("risk", &user) {
            prop_assert!(canary(smaller).takes("risk", &user));
            prop_assert!(canary(greater).takes("risk", &user));
        }
    }
}

#[test]
fn a_canary_is_found_beside_the_newest_of_the_others() {
    let root = tempfile::tempdir().expect("a temporary folder");
    for version in ["1", "2", "3"] {
        let folder = root.path().join("risk").join(version);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("model.onnx"), b"").expect("a file");
    }
    let manifest = root.path().join("risk/model.toml");
    let repository = Repository::new(root.path());
    fs::write(&manifest, "[canary]\nversion = 3\npercent = 5").expect("a file");
    let served = repository.find_served("risk").expect("it is there");
    let versions: Vec<_> =
        served.iter().map(|directory| (directory.version, directory.role())).collect();
    assert_eq!(versions, [(2, Role::Stable), (3, Role::Canary)]);

    fs::write(&manifest, "[canary]\nversion = 9\npercent = 5").expect("a file");
    assert_eq!(repository.find("risk", None).expect("it is there").version, 3);
    let message = repository.find_served("risk").expect_err("no version 9").to_string();
    assert!(message.contains("no version 9"), "{message}");
}
