//! `init FILE` writes a `model.toml` that is served as it is, with the scores of the file's library.

use std::fs;

use crate::support::alone::{Fixture, launch};
use crate::support::{models, run, shardgate};

/// Makes a repository of the fixture's file and serves it.
fn serve(fixture: &Fixture, expected: &[&str]) {
    let repository = tempfile::tempdir().unwrap();
    let init = || {
        let mut command = shardgate();
        command.arg("init").arg(&fixture.file).args(["--name", "risk", "--output"]);
        run(command.arg(repository.path()))
    };
    let ended = init();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let manifest = fs::read_to_string(repository.path().join("risk/model.toml")).unwrap();
    for line in expected {
        assert!(manifest.contains(line), "no {line}: {manifest}");
    }
    let printed = run(shardgate().arg("init").arg(&fixture.file));
    assert_eq!(printed.stdout, manifest);
    let again = init();
    assert_eq!(again.status, Some(1), "{again:?}");
    assert!(again.stderr.contains("is there already, and is not overwritten"), "{again:?}");

    let gateway = launch(|command| {
        command.arg("--models").arg(repository.path()).args(["--model", "risk"]);
    });
    fixture.ask(&gateway.start(), "risk");
}

#[test]
fn a_lightgbm_file_does() {
    let fixture = Fixture::of("texts/categories-lightgbm", "model.txt");
    let expected = ["objective = \"binary", "name = \"purpose\"\ntype = \"text\"  # \""];
    serve(&fixture, &expected);
}

#[test]
fn an_xgboost_file_does() {
    let fixture = Fixture::of("native/xgboost-3.4.1-binary", "model.json");
    serve(&fixture, &["objective = \"binary:logistic\"", "# The score is P(class"]);
}

#[test]
fn a_catboost_file_does() {
    let fixture = Fixture::of("native/catboost-1.2.10-one-hot", "model.cbm");
    serve(&fixture, &["required = true", "by their hash alone"]);
}

#[test]
fn an_onnx_file_does() {
    let german = models().join("../shards/tests/texts/german.csv");
    let fixture = Fixture::of("texts/german-onehot", "model.onnx").with_rows(&german, None, 0);
    serve(&fixture, &["library = \"ONNX\"", "type = \"text\"  # \""]);
}

#[test]
fn a_class_that_has_to_be_chosen_is_not_chosen() {
    let file = Fixture::of("native/lightgbm-4.6.0-multiclass", "model.txt").file;
    let ended = run(shardgate().arg("init").arg(file));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("# Say which class is the score (labels: "), "{ended:?}");
    assert!(ended.stdout.contains("\n# class = \"0\"\n"), "{ended:?}");
}

#[test]
fn a_margin_is_the_score_where_the_prediction_cannot_be_computed() {
    let file = Fixture::of("native/lightgbm-4.6.0-binary", "model.txt").file;
    let text = fs::read_to_string(file).unwrap();
    let (start, rest) = text.split_once("\nobjective=").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("unheard-of.txt");
    fs::write(&file, format!("{start}\nobjective=unheard_of\n{rest}")).unwrap();
    let ended = run(shardgate().arg("init").arg(file));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("tensor = \"margin\""), "{ended:?}");
}
