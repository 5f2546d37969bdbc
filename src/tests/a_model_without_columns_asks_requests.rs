//! A model of a repository whose columns neither `model.toml` names nor the store has takes them from
//! requests, and says so.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::alone::Fixture;
use crate::support::{Launch, run, shardgate, store};

/// A repository of the fixture's file as `name`.
fn repository(fixture: &Fixture, name: &str, file: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let version = folder.path().join(name).join("1");
    fs::create_dir_all(&version).unwrap();
    fs::copy(&fixture.file, version.join(file)).unwrap();
    folder
}

fn lightgbm() -> (Fixture, TempDir) {
    let fixture = Fixture::of("native/lightgbm-4.6.0-binary", "model.txt");
    let folder = repository(&fixture, "risk", "model.txt");
    (fixture, folder)
}

fn serve(launch: Launch, models: &Path) -> Launch {
    launch.with(|command| _ = command.env("SHARDGATE_MODELS", models).args(["--model", "risk"]))
}

#[test]
fn without_a_store_the_files_columns_are_fields() {
    let (fixture, models) = lightgbm();
    let gateway = serve(Launch::bare(), models.path()).start();
    fixture.ask(&gateway, "risk");
    let tried = gateway.next_line().expect("a line to try");
    assert!(tried.contains("\"x0\":"), "{tried}");
}

#[test]
fn a_store_of_other_columns_is_said_and_each_field_is_required() {
    let (_, models) = lightgbm();
    let demo = Launch::demo();
    let kept = store(&demo.store());
    let gateway = serve(Launch::bare(), models.path())
        .with(|command| _ = command.args(["--store", &kept]))
        .start();
    gateway
        .wait_for_line("requests have to give all of its columns: the model's input column `x0`");
    let mut client = gateway.client();
    // Missing in all columns, it would have some score.
    let answer = client.predict("{\"user_id\": \"user-001\"}");
    assert_eq!(answer.status, 400, "{answer:?}");
    let answer = client.predict("{\"user_id\": \"user-001\", \"x0\": 1}");
    assert_eq!((answer.status, answer.error().contains("is missing")), (400, true), "{answer:?}");
    let mut check = shardgate();
    check.env("SHARDGATE_MODELS", models.path()).args(["check", "--model", "risk"]);
    let checked = run(check.args(["--store", &kept]));
    assert!(checked.stdout.contains("not asked: requests have to give all columns"), "{checked:?}");
    drop(demo);
}

#[test]
fn a_store_of_some_of_the_columns_is_a_fault() {
    let (_, models) = lightgbm();
    let csv = models.path().join("some.csv");
    fs::write(&csv, "user_id,x0,x1\nuser-001,1,2\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kept = store(folder.path());
    let imported = run(shardgate().arg("import").arg(&csv).args(["--store", &kept]));
    assert_eq!(imported.status, Some(0), "{imported:?}");
    let mut check = shardgate();
    check.env("SHARDGATE_MODELS", models.path()).args(["check", "--model", "risk"]);
    let checked = run(check.args(["--store", &kept]));
    assert!(checked.stdout.contains("column `x2` is not in the store"), "{checked:?}");
}
