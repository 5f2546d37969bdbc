//! `serve FILE` needs no repository, no store and no `model.toml`: requests give the columns that the
//! file has, and the scores are its library's.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::alone::{Fixture, launch};
use crate::support::{models, post_to, run, shardgate, wait_until};

/// Serves the fixture's file under its own name and compares.
fn serve(fixture: &Fixture, name: &str) {
    let gateway = launch(|command| _ = command.arg(&fixture.file)).start();
    fixture.ask(&gateway, name);
    let store = gateway.store();
    let left = fs::read_dir(store.parent().unwrap()).unwrap().count();
    assert_eq!(left, 0, "nothing is written: no store is made");
}

#[test]
fn lightgbm_is_served_by_its_columns() {
    serve(&Fixture::of("native/lightgbm-4.6.0-binary", "model.txt"), "model");
    serve(&Fixture::of("texts/categories-lightgbm", "model.txt"), "model");
}

#[test]
fn xgboost_is_served_by_its_columns() {
    serve(&Fixture::of("native/xgboost-3.4.1-binary", "model.json"), "model");
    serve(&Fixture::of("native/xgboost-3.4.1-binary-ubj", "model.ubj"), "model");
}

#[test]
fn catboost_is_served_by_its_columns() {
    serve(&Fixture::of("native/catboost-1.2.10-one-hot", "model.cbm"), "model");
    serve(&Fixture::of("native/catboost-1.2.10-one-hot-json", "model.cbm.json"), "model");
}

#[test]
fn onnx_is_served_by_its_inputs() {
    let german = models().join("../shards/tests/texts/german.csv");
    let fixture = Fixture::of("texts/german-onehot", "model.onnx").with_rows(&german, None, 0);
    serve(&fixture, "model");
}

/// The bundled model reads one tensor of three columns without names.
fn unnamed() -> Fixture {
    let mut fixture = Fixture::of("../../models/demo-logistic", "1/model.onnx");
    let features = models().join("demo-logistic/features.csv");
    fixture = fixture.with_rows(&features, Some(&["f0", "f1", "f2"]), 1);
    fixture
}

#[test]
fn columns_without_names_have_to_be_given_each() {
    let fixture = unnamed();
    let gateway = launch(|command| {
        command.arg(&fixture.file).args(["--name", "risk"]);
    });
    let gateway = gateway.start();
    fixture.ask(&gateway, "risk");
    let mut client = gateway.client();
    let answer = client.predict("{\"f0\": 1, \"f2\": 3}");
    assert_eq!((answer.status, answer.error()), (400, "`f1` is missing, and is required".into()));
    let answer = client.predict("{\"age\": 41}");
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("no member is a column of the model"), "{answer:?}");
    let matrix = json!({"inputs": [{
        "name": "input", "shape": [2, 3], "datatype": "FP32", "data": [0.5, 1.2, -0.8, 1, null, 1],
    }]});
    let answer = client.ask(post_to("/v2/models/risk/infer", "", &matrix.to_string()));
    // A logistic regression has no answer to NaN, which is what null is.
    assert!(
        answer.error().contains("row 1: the model gave a score that is not finite"),
        "{answer:?}"
    );
}

#[test]
fn the_line_to_try_is_answered() {
    for fixture in [
        Fixture::of("texts/categories-lightgbm", "model.txt"),
        Fixture::of("native/catboost-1.2.10-one-hot", "model.cbm"),
        unnamed(),
    ] {
        let gateway = launch(|command| _ = command.arg(&fixture.file)).start();
        let line = gateway.next_line().unwrap();
        let (_, body) = line.split_once("/predict -d '").expect("a line to try");
        let body = body.strip_suffix('\'').unwrap();
        assert_eq!(gateway.client().predict(body).status, 200, "{line}");
    }
}

/// A category of `CatBoost`'s may not be missing: its library takes none.
#[test]
fn a_field_that_the_library_needs_is_named() {
    let fixture = Fixture::of("native/catboost-1.2.10-one-hot", "model.cbm");
    let gateway = launch(|command| _ = command.arg(&fixture.file)).start();
    let answer = gateway.client().predict("{\"x0\": 1, \"c1\": \"9\"}");
    assert_eq!((answer.status, answer.error()), (400, "`c0` is missing, and is required".into()));
    let rows = "[{\"c0\": \"4\", \"c1\": \"9\"}, {\"c0\": \"4\"}, 3]";
    let answer = gateway.client().predict(rows);
    let members: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
    assert!(members[0]["score"].is_f64() && members[0].get("features").is_none(), "{answer:?}");
    assert_eq!((&members[1]["status"], &members[2]["status"]), (&json!(400), &json!(400)));
}

#[test]
fn a_reload_reads_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("risk.txt");
    let (one, other) = (
        Fixture::of("native/lightgbm-4.6.0-binary", "model.txt"),
        Fixture::of("texts/categories-lightgbm", "model.txt"),
    );
    fs::copy(&one.file, &file).unwrap();
    let gateway = launch(|command| _ = command.arg(&file)).start();
    one.ask(&gateway, "risk");
    fs::copy(&other.file, &file).unwrap();
    gateway.signal(libc::SIGHUP);
    gateway.wait_for_line("loaded");
    let body = "{\"age\": 23}";
    wait_until("the new file is served", || gateway.client().predict(body).status == 200);
    other.ask(&gateway, "risk");
}

#[test]
fn what_cannot_be_served_alone_says_why() {
    let multiclass = Fixture::of("native/lightgbm-4.6.0-multiclass", "model.txt").file;
    let ended = |arguments: &[&str], file: &Path| {
        let mut command = shardgate();
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let ended = run(command.arg(file).args(arguments));
        assert_eq!(ended.status, Some(1), "{ended:?}");
        ended.stderr
    };
    let said = ended(&[], &multiclass);
    assert!(said.contains("3 columns") && said.contains("`shardgate init FILE"), "{said}");
    let said = ended(&["--store", "embedded:x"], &multiclass);
    assert!(said.contains("--store: ") && said.contains("by itself"), "{said}");
    assert!(ended(&[], Path::new("gone.onnx")).contains("gone.onnx: no such file"));
    assert!(ended(&[], &models()).contains("--models says where a repository is"));
    let other = models().join("train.py");
    assert!(ended(&[], &other).contains("expected a model's file"));
}

#[test]
fn a_file_alone_is_checked() {
    let file = Fixture::of("texts/categories-lightgbm", "model.txt").file;
    let ended = run(shardgate().arg("check").arg(file).args(["--name", "risk"]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("ok     model risk: version 1, 6 columns"), "{ended:?}");
    assert!(!ended.stdout.contains("store"), "{ended:?}");
}
