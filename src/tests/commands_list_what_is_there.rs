//! `models` lists the repository it is pointed at, `check` holds each version against its own golden
//! file, and both name the folders that they ignore.

use std::fs;
use std::path::Path;

use crate::support::gateway::store;
use crate::support::{Ended, Launch, import, models, run, shardgate};

/// Puts a copy of the bundled `demo-logistic` there, under this name and version.
fn add(repository: &Path, name: &str, version: &str) {
    let (source, folder) = (models().join("demo-logistic"), repository.join(name));
    fs::create_dir_all(folder.join(version)).unwrap();
    fs::copy(source.join("model.toml"), folder.join("model.toml")).unwrap();
    fs::copy(source.join("1/model.onnx"), folder.join(version).join("model.onnx")).unwrap();
}

fn models_of(repository: &Path, more: &[&str]) -> Ended {
    run(shardgate().args(["models", "--models"]).arg(repository).args(more))
}

/// The first cells of the table's lines.
fn listed(ended: &Ended) -> Vec<(String, String)> {
    let cells = |line: &str| {
        let mut cells = line.split_whitespace().map(str::to_owned);
        (cells.next().unwrap(), cells.next().unwrap())
    };
    ended.stdout.lines().skip(1).map(cells).collect()
}

#[test]
fn models_lists_all_that_there_are_unless_some_are_named() {
    let repository = tempfile::tempdir().unwrap();
    add(repository.path(), "fraud", "1");
    add(repository.path(), "risk", "20260131120000");
    let all = models_of(repository.path(), &[]);
    assert_eq!(all.status, Some(0), "{all:?}");
    let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    assert_eq!(listed(&all), [pair("fraud", "1"), pair("risk", "20260131120000")]);
    let one = models_of(repository.path(), &["--model", "risk"]);
    assert_eq!(listed(&one), [pair("risk", "20260131120000")]);
}

#[test]
fn a_model_that_cannot_be_loaded_hides_no_other() {
    let repository = tempfile::tempdir().unwrap();
    for name in ["a", "broken", "c"] {
        add(repository.path(), name, "1");
    }
    fs::write(repository.path().join("broken/1/model.onnx"), "nothing").unwrap();
    let ended = models_of(repository.path(), &[]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert_eq!(listed(&ended).len(), 2, "{ended:?}");
    assert!(ended.stderr.contains("model broken: "), "{ended:?}");
}

#[test]
fn a_repository_without_models_says_what_is_expected() {
    let empty = tempfile::tempdir().unwrap();
    let ended = models_of(empty.path(), &[]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("NAME/1/model.onnx"), "{ended:?}");
    let elsewhere = run(shardgate().arg("models").current_dir(empty.path()));
    assert_eq!(elsewhere.status, Some(1), "{elsewhere:?}");
    assert!(elsewhere.stderr.contains("--models says where"), "{elsewhere:?}");
}

#[test]
fn ignored_folders_are_said_by_every_command() {
    let repository = tempfile::tempdir().unwrap();
    add(repository.path(), "demo-logistic", "1");
    add(repository.path(), "demo-logistic", "v2");
    let said = "folder `v2` is ignored";
    let ended = models_of(repository.path(), &[]);
    assert!(ended.stderr.contains(said), "{ended:?}");
    let ended = run(shardgate()
        .args(["check", "--model", "demo-logistic", "--models"])
        .arg(repository.path()));
    assert!(ended.stdout.contains("warn   model demo-logistic: folder `v2`"), "{ended:?}");
    let gateway = Launch::demo()
        .with(|command| _ = command.env("SHARDGATE_MODELS", repository.path()))
        .start();
    gateway.wait_for_line(said);
    gateway.signal(libc::SIGHUP);
    gateway.wait_for_line(said);
}

/// A golden file of one row that the model scores with `score`.
fn golden(score: f64) -> String {
    format!("feature_1,feature_2,feature_3,score\n0,0,0,{score}\n")
}

#[test]
fn each_version_is_held_against_its_own_golden_file() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("store");
    import(&models().join("demo-logistic/features.csv"), &target);
    let repository = folder.path().join("models");
    let check = || {
        let ended = run(shardgate()
            .args(["check", "--model", "demo-logistic", "--store", &store(&target), "--models"])
            .arg(&repository));
        let lines = ended.stdout.lines().filter(|line| line.contains("against its library"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for version in ["1", "2", "3"] {
        add(&repository, "demo-logistic", version);
    }
    let model = repository.join("demo-logistic");
    let rollout = "version = 1\n[canary]\nversion = 2\npercent = 5.0\n\
                   [shadow]\nversion = 3\npercent = 5.0\n";
    let manifest = fs::read_to_string(model.join("model.toml")).unwrap();
    let (description, tables) = manifest.split_once("\n\n").unwrap();
    fs::write(model.join("model.toml"), format!("{description}\n{rollout}{tables}")).unwrap();

    // The model's own file is the stable version's alone; what the others said is not known.
    fs::write(model.join("golden.csv"), golden(7.0)).unwrap();
    let lines = check();
    assert!(lines[0].starts_with("wrong  model demo-logistic against"), "{lines:#?}");
    for (line, version) in lines[1..].iter().zip(["2", "3"]) {
        assert!(line.starts_with("ok ") && line.contains("not compared: no "), "{line}");
        assert!(line.ends_with(&format!("{version}/golden.csv")), "{line}");
    }
    // A version's own file goes before it.
    for version in ["1", "2", "3"] {
        fs::write(model.join(version).join("golden.csv"), golden(8.0)).unwrap();
    }
    let lines = check();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("wrong ")), "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("expected 8")), "{lines:#?}");
}
