//! The commands know the entities of a model: `get --entity` looks into the table of one, `explain` joins
//! all of them and says what each stood on, `check` binds them. The live page shows them.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::events::heard;
use crate::support::{Launch, models, shardgate, store};

const MANIFEST: &str = "[output]\ntensor = \"probabilities\"\nclass = 1\n\n\
     [[entities]]\nname = \"merchant\"\ntable = \"merchants\"\nkey = \"merchant_id\"\n\n\
     [[entities]]\nname = \"bin\"\ntable = \"bins\"\nkey = [\"country\", \"bin\"]\n\n\
     [[columns]]\nname = \"feature_1\"\n\n\
     [[columns]]\nname = \"rate\"\nentity = \"merchant\"\n\n\
     [[columns]]\nname = \"risk\"\nentity = \"bin\"\ndefault = 0.5\n";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = shardgate();
    command.args(arguments).env("SHARDGATE_STORE", store(&folder.join("store")));
    command.env("SHARDGATE_MODELS", folder.join("models")).env("SHARDGATE_MODEL", "demo-logistic");
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

/// A repository and a store with three tables.
fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("models/demo-logistic");
    fs::create_dir_all(model.join("1")).unwrap();
    fs::copy(models().join("demo-logistic/1/model.onnx"), model.join("1/model.onnx")).unwrap();
    fs::write(model.join("model.toml"), MANIFEST).unwrap();
    for (file, csv, arguments) in [
        ("users.csv", "user_id,feature_1\nu-1,0.5\n", &[][..]),
        (
            "merchants.csv",
            "merchant:bigint,rate\n17,1.25\n",
            &["--table", "merchants", "--key", "merchant"],
        ),
        (
            "bins.csv",
            "country,bin:int,risk\nNL,411,-0.75\n",
            &["--table", "bins", "--key", "country,bin"],
        ),
    ] {
        let path = folder.path().join(file);
        fs::write(&path, csv).unwrap();
        let mut import = vec!["import", path.to_str().unwrap(), "--force"];
        import.extend(arguments);
        let output = run(folder.path(), &import);
        assert!(output.status.success(), "{}", said(&output));
    }
    folder
}

#[test]
fn by_the_commands() {
    let folder = made();
    let run = |arguments: &[&str]| run(folder.path(), arguments);
    let output = run(&["check"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("every column is there"), "{}", said(&output));

    let output = run(&["get", "--entity", "merchant", "17"]);
    assert!(output.status.success() && said(&output).contains("1.25"), "{}", said(&output));
    let output = run(&["get", "--entity", "bin", "NL,411", "--json"]);
    assert!(said(&output).contains("\"risk\":-0.75"), "{}", said(&output));
    for (arguments, says) in [
        (&["get", "--entity", "merchant", "18"][..], "no such key"),
        (&["get", "--entity", "bin", "NL"], "found 1 parts, expected 2: country,bin"),
        (&["get", "--entity", "card", "1"], "expected one of user, merchant, bin"),
    ] {
        let output = run(arguments);
        assert!(!output.status.success() && said(&output).contains(says), "{}", said(&output));
    }

    let fields = r#"{"merchant_id": 17, "country": "NL", "bin": 412}"#;
    let output = run(&["explain", "u-1", "--fields", fields]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("user: stored of ") && text.contains("bin: missing"), "{text}");
    assert!(text.contains("rate") && text.contains("1.25"), "{text}");
    let output = run(&["explain", "u-1", "--fields", fields, "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["entities"][1]["entity"], "merchant", "{document}");
    assert_eq!(document["entities"][2]["features"], "missing", "{document}");

    // An import that would take a model's column is refused, whichever table it is of.
    let path = folder.path().join("other.csv");
    fs::write(&path, "merchant:bigint,other\n17,1\n").unwrap();
    let path = path.to_str().unwrap();
    let output = run(&["import", path, "--table", "merchants", "--key", "merchant", "--replace"]);
    assert!(!output.status.success() && said(&output).contains("`rate`"), "{}", said(&output));

    // A table that is not there, or lacks a column, is said with its entity.
    let manifest = folder.path().join("models/demo-logistic/model.toml");
    fs::write(&manifest, MANIFEST.replace("table = \"bins\"", "table = \"cards\"")).unwrap();
    let output = run(&["check"]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("entity `bin`: the table `cards`"), "{}", said(&output));
}

#[test]
fn without_a_table_of_users() {
    let folder = made();
    let users = fs::read_dir(folder.path().join("store")).unwrap().map(Result::unwrap);
    for file in users.filter(|entry| entry.file_type().unwrap().is_file()) {
        fs::remove_file(file.path()).unwrap();
    }
    let manifest = folder.path().join("models/demo-logistic/model.toml");
    let of_merchant = "name = \"feature_1\"\nentity = \"merchant\"\ncolumn = \"rate\"";
    fs::write(&manifest, MANIFEST.replace("name = \"feature_1\"", of_merchant)).unwrap();
    let output = run(folder.path(), &["check"]);
    assert!(output.status.success(), "{}", said(&output));
    let launch = Launch::on_store("demo-logistic", &store(&folder.path().join("store")));
    let repository = folder.path().join("models");
    let gateway = launch.with(|command| _ = command.arg("--models").arg(&repository)).start();
    let body = r#"{"merchant_id": 17, "country": "NL", "bin": 411}"#;
    let answer = gateway.client().predict(body);
    assert_eq!(answer.field("x-features"), Some("merchant=stored, bin=stored"), "{answer:?}");
    // A model that reads users' columns says what it misses.
    fs::write(&manifest, MANIFEST).unwrap();
    let output = run(folder.path(), &["check"]);
    assert!(!output.status.success() && said(&output).contains("`feature_1`"), "{}", said(&output));
}

#[test]
fn by_the_live_page() {
    let folder = made();
    let address = store(&folder.path().join("store"));
    let repository = folder.path().join("models");
    let launch = Launch::on_store("demo-logistic", &address);
    let gateway = launch.with(|command| _ = command.arg("--models").arg(&repository)).start();
    let names = heard(&gateway, "status", |status| {
        let model = status["models"].as_array().unwrap().first()?.clone();
        Some((model["entities"].clone(), status["statuses"].clone()))
    });
    let statuses = names.1.as_array().unwrap();
    let place = |status: &str| statuses.iter().position(|known| known == status).unwrap();
    assert_eq!(names.0, serde_json::json!(["user", "merchant", "bin"]));
    let body = r#"{"user_id": "u-1", "merchant_id": 17, "country": "NL", "bin": 412}"#;
    let answer = gateway.client().predict(body);
    assert_eq!(answer.field("x-features"), Some("user=stored, merchant=stored, bin=missing"));
    let counts = heard(&gateway, "second", |second| second["answers"].as_array()?.first().cloned());
    let rows = |entity: usize, status: &str| {
        counts["entity_rows"][entity * statuses.len() + place(status)].clone()
    };
    assert_eq!([rows(0, "stored"), rows(1, "stored"), rows(2, "missing")], [1, 1, 1], "{counts}");
    assert_eq!(counts["entity_ages"], serde_json::json!([1, 1, 0]), "{counts}");
    // Nothing of an embedded store is waited for.
    assert_eq!(counts["entity_waits"], serde_json::json!([0, 0, 0]), "{counts}");
}
