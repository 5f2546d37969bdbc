//! An import takes the columns that are asked for, in the types that the header, the store, a model
//! or the file's own cells say, and shows them before it writes anything.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::gateway::store;
use crate::support::{Ended, models, run, shardgate};

/// A folder with a file and a store.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn store(&self) -> String {
        store(&self.0.path().join("store"))
    }

    fn import(&self, csv: &[u8], more: &[&str]) -> Ended {
        let path = self.0.path().join("users.csv");
        std::fs::write(&path, csv).unwrap();
        run(shardgate().arg("import").arg(path).args(["--store", &self.store()]).args(more))
    }

    /// The columns of the store, `name type` each.
    fn columns(&self) -> Vec<String> {
        let ended = run(shardgate().args(["schema", "--store", &self.store()]));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        ended.stdout.lines().map(words).collect()
    }

    fn get(&self, key: &str) -> String {
        let ended = run(shardgate().args(["get", key, "--json", "--store", &self.store()]));
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let row: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        row["columns"].to_string()
    }
}

#[test]
fn columns_and_the_key_are_chosen_and_the_rest_is_named_once() {
    let place = Place::new();
    let csv = b",name,id,a,b:int,c\n0,Ann,u,1,2,x\n1,Bob,v,3,4,y\n";
    let ended = place.import(csv, &["--key", "id", "--columns", "b,a"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "note: 3 columns are left out: ``, `name`, `c`\n");
    assert_eq!(place.columns(), ["a float", "b int"]);
    assert_eq!(place.get("v"), r#"{"a":3.0,"b":4}"#);
    let ended = place.import(csv, &["--key", "id", "--columns", "b,z"]);
    let said = "line 1: there is no column `z`, as --columns has it; there is: , name, id, a, b, c";
    assert!(ended.status == Some(1) && ended.stderr.contains(said), "{ended:?}");
}

#[test]
fn types_come_from_the_cells_where_nobody_says_them() {
    let csv = b"user_id,flag,amount,given:double,city,day\nu,True,16777217,1,NL,2026-01-31\n\
          v,,NA,2,NA,\nw,False,3.5,,yes,2026-02-01\n";
    let columns = ["flag boolean", "amount float", "given double", "city text", "day date"];
    let place = Place::new();
    assert_eq!(place.import(csv, &[]).status, Some(0));
    assert_eq!(place.columns(), columns);
    // From a pipe they are the same.
    let piped = Place::new();
    let mut import = shardgate()
        .args(["import", "-", "--store", &piped.store()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    import.stdin.take().unwrap().write_all(csv).unwrap();
    assert!(import.wait().unwrap().success());
    assert_eq!(piped.columns(), columns);
    let row = r#"{"amount":16777216.0,"city":"NL","day":"2026-01-31","flag":true,"given":1.0}"#;
    assert_eq!((piped.get("u"), place.get("u")), (row.to_owned(), row.to_owned()));
    // Text keeps the word, a column of numbers takes it for null.
    assert!(place.get("v").starts_with(r#"{"amount":null,"city":"NA","day":null"#));
}

#[test]
fn types_come_from_a_model() {
    let place = Place::new();
    let repository = models();
    let asked = ["--models", repository.to_str().unwrap(), "--model", "demo-logistic", "--columns"];
    let mut asked = asked.to_vec();
    asked.push("feature_1,feature_2,feature_3");
    let csv = b"user_id,feature_1,feature_2,feature_3,note\nu,True,False,1,hello\n";
    let ended = place.import(csv, &asked);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(place.columns(), ["feature_1 float", "feature_2 float", "feature_3 float"]);
}

#[test]
fn a_dry_run_shows_the_columns_and_writes_nothing() {
    let place = Place::new();
    let csv = b"user_id;amount;flag;age:int\nu;1,5;True;41\nv;;True;\nw;2,5;NA;x\n";
    let ended = place.import(csv, &["--dry-run"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = ended.stdout.lines().map(line).collect();
    assert_eq!(
        lines,
        [
            "column type by null distinct examples",
            "amount float cells 1 2 1,5, 2,5",
            "flag boolean cells 1 2 True, NA",
            "age int given 1 2 41, x",
            "3 rows, 3 columns, keys by `user_id`: nothing was written",
        ]
    );
    for said in [
        "the columns are separated by `;`",
        "numbers have a decimal comma",
        "`age`: 1 cells are not of type int, the first in line 4",
    ] {
        assert!(ended.stderr.contains(said), "no `{said}`: {ended:?}");
    }
    assert!(!place.0.path().join("store").exists());
}

#[test]
fn what_the_file_does_not_say_is_said_by_options() {
    let place = Place::new();
    let csv = b"id~a~b\n*Zo\xeb~x*~1,250~-\n";
    let asked = [
        "--delimiter",
        "~",
        "--quote",
        "*",
        "--decimal",
        ",",
        "--encoding",
        "latin-1",
        "--null",
        "-",
    ];
    let ended = place.import(csv, &asked);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(place.get("Zoë~x"), r#"{"a":1.25,"b":null}"#);
    let ended = place.import(csv, &["--delimiter", "ab"]);
    assert!(ended.stderr.contains("one ASCII character"), "{ended:?}");
}

/// A repository with a copy of the bundled `demo-logistic` under this name.
fn repository(folder: &Path, name: &str) -> PathBuf {
    let (source, target) = (models().join("demo-logistic"), folder.join("models").join(name));
    std::fs::create_dir_all(target.join("1")).unwrap();
    std::fs::copy(source.join("model.toml"), target.join("model.toml")).unwrap();
    std::fs::copy(source.join("1/model.onnx"), target.join("1/model.onnx")).unwrap();
    folder.join("models")
}

#[test]
fn a_column_that_a_model_reads_is_not_taken_from_it() {
    let place = Place::new();
    let models = repository(place.0.path(), "fraud");
    let csv = b"user_id,feature_1,feature_2,feature_3\nu,1,2,3\n";
    assert_eq!(place.import(csv, &[]).status, Some(0));
    let without = b"user_id,feature_1,feature_2\nv,1,2\n";
    let asked = ["--replace", "--models", models.to_str().unwrap()];
    let ended = place.import(without, &asked);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    for said in ["model fraud ", "`feature_3` is not in the store", "--force"] {
        assert!(ended.stderr.contains(said), "no `{said}`: {ended:?}");
    }
    assert_eq!(place.columns().len(), 3);
    assert_eq!(place.get("u"), r#"{"feature_1":1.0,"feature_2":2.0,"feature_3":3.0}"#);
    // Merged, no column goes; and what is forced is done.
    assert_eq!(place.import(without, &asked[1..]).status, Some(0));
    assert_eq!(place.get("v"), r#"{"feature_1":1.0,"feature_2":2.0,"feature_3":null}"#);
    let forced = [&asked[..], &["--force"]].concat();
    // Even where a model of the repository cannot be loaded.
    let broken = models.join("broken/1");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("model.onnx"), "no model").unwrap();
    assert_eq!(place.import(without, &asked).status, Some(1));
    assert_eq!(place.import(without, &forced).status, Some(0));
    assert_eq!(place.columns().len(), 2);
}

#[test]
fn parquet_is_read_or_refused_with_the_command_that_builds_what_reads_it() {
    let place = Place::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("shards/tests/parquet/users.parquet");
    let parquet = std::fs::read(file).unwrap();
    let is_read = cfg!(feature = "parquet");
    for more in [&[][..], &["--format", "parquet"]] {
        let ended = place.import(&parquet, more);
        let said = if is_read { "left out" } else { "cargo build --release --features parquet" };
        assert_eq!(ended.status, Some(i32::from(!is_read)), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    if is_read {
        assert!(place.columns().contains(&"purpose text".to_owned()), "{:?}", place.columns());
        assert!(place.get("u-1").contains("\"purpose\":\"car, new\""), "{}", place.get("u-1"));
    }
}
