//! Finding models: the newest version by default, the pinned one or the one that is asked for,
//! and a message that says what there is where there is no such thing.

use std::fs;
use std::path::Path;

use shards::model::repository::{Repository, is_name};

fn version(root: &Path, model: &str, version: &str) {
    let folder = root.join(model).join(version);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("model.onnx"), b"").expect("a file");
}

fn three_versions() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary folder");
    for number in ["1", "2", "10"] {
        version(root.path(), "risk", number);
    }
    root
}

#[test]
fn the_newest_is_the_greatest_number() {
    let root = three_versions();
    let repository = Repository::new(root.path());
    let found = repository.find("risk", None).expect("it is there");
    assert_eq!(found.version, 10);
    assert_eq!(found.file, root.path().join("risk/10/model.onnx"));
    assert_eq!(repository.versions("risk").expect("it is there"), [1, 2, 10]);
}

#[test]
fn a_request_goes_before_the_pin_and_the_pin_before_the_newest() {
    let root = three_versions();
    let repository = Repository::new(root.path());
    fs::write(root.path().join("risk/model.toml"), "version = 2").expect("a file");
    assert_eq!(repository.find("risk", None).expect("it is there").version, 2);
    assert_eq!(repository.find("risk", Some(1)).expect("it is there").version, 1);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let root = three_versions();
    let repository = Repository::new(root.path());
    let message = repository.find("risk", Some(3)).expect_err("no version 3").to_string();
    assert!(message.ends_with("no version 3 (asked for by the request); there is: 1, 2, 10"));
    fs::write(root.path().join("risk/model.toml"), "version = 7").expect("a file");
    let message = repository.find("risk", None).expect_err("no version 7").to_string();
    assert!(message.contains("no version 7 (asked for by model.toml)"), "{message}");
    let message = repository.find("fraud", None).expect_err("no such model").to_string();
    assert!(message.ends_with("no model `fraud`; there is: risk"), "{message}");
    fs::create_dir(root.path().join("empty")).expect("a folder");
    let message = repository.find("empty", None).expect_err("no version").to_string();
    assert!(message.contains("no version: expected a file like"), "{message}");
}

#[test]
fn only_folders_with_versions_are_models() {
    let root = three_versions();
    fs::create_dir(root.path().join("data")).expect("a folder");
    fs::write(root.path().join("README.md"), "").expect("a file");
    version(root.path(), "old", "v1");
    version(root.path(), ".hidden", "1");
    let names = Repository::new(root.path()).names().expect("it can be listed");
    assert_eq!(names, ["risk"]);
}

#[test]
fn names_cannot_climb_out() {
    let root = three_versions();
    let repository = Repository::new(root.path().join("risk"));
    for name in ["..", "../risk", "a/b", "", ".", "a b", "-a", "ä", &"x".repeat(129)] {
        assert!(!is_name(name), "{name}");
        let message = repository.find(name, None).expect_err("no name").to_string();
        assert!(message.contains("cannot be a model's name"), "{message}");
    }
    assert!(is_name("credit-risk_2.1"));
}
