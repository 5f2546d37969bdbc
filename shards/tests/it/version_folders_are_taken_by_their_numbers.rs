//! A version's folder is taken where its name is a number, however long and with zeros in front;
//! what else there is is said by name, and refused where nothing is left.

use std::fs;
use std::path::Path;

use shards::model::repository::{Repository, RepositoryError};

/// A repository whose model `risk` has these folders, each with a model.
fn risk(folders: &[&str]) -> (tempfile::TempDir, Repository) {
    let root = tempfile::tempdir().expect("a temporary folder");
    for folder in folders {
        add(root.path(), folder, "model.onnx");
    }
    let repository = Repository::new(root.path());
    (root, repository)
}

fn add(root: &Path, folder: &str, file: &str) {
    let folder = root.join("risk").join(folder);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(file), b"").expect("a file");
}

fn notes(repository: &Repository) -> Vec<String> {
    repository.folder_notes("risk").iter().map(ToString::to_string).collect()
}

#[test]
fn a_number_may_be_a_time() {
    let (root, repository) = risk(&["1", "20260131120000", "18446744073709551615"]);
    assert_eq!(
        repository.versions("risk").expect("it is there"),
        [1, 20_260_131_120_000, u64::MAX]
    );
    fs::write(root.path().join("risk/model.toml"), "version = 20260131120000").expect("a file");
    let found = repository.find("risk", None).expect("it is there");
    assert_eq!(found.version, 20_260_131_120_000);
    assert_eq!(found.file, root.path().join("risk/20260131120000/model.onnx"));
    assert!(notes(&repository).is_empty());
}

#[test]
fn zeros_in_front_are_said_and_not_part_of_the_number() {
    let (root, repository) = risk(&["1", "002"]);
    let found = repository.find("risk", None).expect("it is there");
    assert_eq!((found.version, found.file), (2, root.path().join("risk/002/model.onnx")));
    assert_eq!(notes(&repository), ["folder `002` is version 2"]);
    assert!(!repository.folder_notes("risk")[0].is_ignored());
}

#[test]
fn of_two_spellings_of_a_number_the_shorter_one_is_taken() {
    let (root, repository) = risk(&["01", "1", "001"]);
    let found = repository.find("risk", None).expect("it is there");
    assert_eq!((found.version, found.file), (1, root.path().join("risk/1/model.onnx")));
    assert_eq!(
        notes(&repository),
        [
            "folder `01` is ignored: folder `1` is the same version",
            "folder `001` is ignored: folder `1` is the same version"
        ]
    );
}

#[test]
fn what_is_no_version_is_named() {
    let (root, repository) = risk(&["1", "v2", "0", "+3", "18446744073709551616", ".new"]);
    add(root.path(), "4", "model.pkl");
    add(root.path(), "data", "rows.csv");
    assert_eq!(repository.versions("risk").expect("it is there"), [1]);
    let said = notes(&repository);
    for expected in [
        "folder `v2` is ignored: its name is not a number",
        "folder `0` is ignored: versions are counted from 1",
        "folder `+3` is ignored: its name is not a number",
        "folder `18446744073709551616` is ignored: the greatest version is 18446744073709551615",
        "folder `4` is ignored: it has none of model.onnx, model.txt, model.json, model.ubj, \
         model.cbm, model.cbm.json",
    ] {
        assert!(said.iter().any(|note| note.starts_with(expected)), "no `{expected}`: {said:#?}");
    }
    assert_eq!(said.len(), 5, "{said:#?}");
}

#[test]
fn a_model_without_a_version_says_what_was_found() {
    let (root, repository) = risk(&["v2"]);
    fs::write(root.path().join("risk/model.onnx"), b"").expect("a file");
    fs::write(root.path().join("risk/model.toml"), b"").expect("a file");
    let message = repository.find("risk", None).expect_err("no version").to_string();
    let file = Path::new("risk").join("1").join("model.onnx").display().to_string();
    assert!(message.contains(&format!("{file}; found: `model.onnx`, folder `v2`")), "{message}");
    assert!(repository.names().expect("it can be listed").is_empty());
    assert_eq!(repository.directories().expect("it can be listed"), ["risk"]);
}

#[test]
fn a_model_whose_versions_are_all_tried_out_has_none_for_everybody() {
    let (root, repository) = risk(&["1", "2"]);
    let manifest = "[canary]\nversion = 1\npercent = 5.0\n[shadow]\nversion = 2\npercent = 5.0\n";
    fs::write(root.path().join("risk/model.toml"), manifest).expect("a file");
    let error = repository.find("risk", None).expect_err("none");
    assert!(matches!(error, RepositoryError::NoStable { .. }), "{error}");
    assert!(error.to_string().contains("1, 2 is its canary or its shadow"), "{error}");
}

#[test]
fn a_repository_that_is_not_there_is_told_from_an_empty_one() {
    let (root, _) = risk(&[]);
    assert!(Repository::new(root.path()).names().expect("it is empty").is_empty());
    let missing = Repository::new(root.path().join("models"));
    let message = missing.find("risk", None).expect_err("no folder").to_string();
    assert!(message.ends_with("models: no such folder: --models says where the models are"));
    let relative = Repository::new("no-such-models").find("risk", None).expect_err("no folder");
    let here = std::env::current_dir().expect("a folder");
    let expected = format!("no-such-models: no such folder below {}: --models", here.display());
    assert!(relative.to_string().starts_with(&expected), "{relative}");
}
