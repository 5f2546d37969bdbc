//! `[prediction_log]` of a model of text has the texts, and `replay` gives the same scores by them.

use std::path::{Path, PathBuf};

use crate::support::{Ended, Gateway, Launch, import, post_to, run, shardgate, store};
use serde_json::{Value, json};

/// `age` and `purpose` are the store's, the others the request's.
const MANIFEST: &str = include_str!("../../shards/tests/text_models/columns.toml");
const CSV: &str = "user_id,age:int,purpose:text\nu,23,car\nv,41,never seen\nw,61,\n";

/// A model of the fixtures of `shards` as `risk/1`, its users in a store, its log in a folder.
fn start(folder: &Path, fixture: &str, manifest: &str) -> Gateway {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("shards/tests/texts").join(fixture);
    let model = folder.join("models/risk");
    std::fs::create_dir_all(model.join("1")).unwrap();
    std::fs::write(model.join("model.toml"), manifest).unwrap();
    for file in ["model.onnx", "model.txt"].into_iter().filter(|file| from.join(file).is_file()) {
        std::fs::copy(from.join(file), model.join("1").join(file)).unwrap();
    }
    let csv = folder.join("users.csv");
    std::fs::write(&csv, CSV).unwrap();
    import(&csv, &folder.join("store"));
    let models = folder.join("models");
    Launch::on_store("risk", &store(&folder.join("store")))
        .config(&format!("[prediction_log]\nfolder = \"{}\"\n", folder.join("log").display()))
        .with(|command| _ = command.env("SHARDGATE_MODELS", models))
        .start()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("log")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn replay(folder: &Path) -> Ended {
    let models = folder.join("models");
    run(shardgate().arg("replay").args(files(folder)).arg("--models").arg(models))
}

/// Asks for rows, stops, and gives back the cells that were logged.
fn logged(gateway: Gateway, folder: &Path, bodies: &[&str]) -> Vec<Value> {
    let mut client = gateway.client();
    for body in bodies {
        let answer = client.ask(post_to("/predict", "", body));
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
    }
    drop(client);
    gateway.stop();
    let text = std::fs::read_to_string(&files(folder)[0]).unwrap();
    let cells = |line: &str| serde_json::from_str::<Value>(line).unwrap()["cells"].take();
    text.lines().map(cells).collect()
}

const BODIES: [&str; 4] = [
    r#"{"user_id": "u", "amount": 201.5, "country": "NL"}"#,
    r#"{"user_id": "v", "amount": 201.5, "country": "XX"}"#,
    r#"{"user_id": "w", "amount": 201.5}"#,
    r#"{"user_id": "u", "amount": 201.5, "country": "-inf"}"#,
];

#[test]
fn the_log_has_the_texts_and_replay_the_same_scores() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path(), "onehot-ignore", MANIFEST);
    let cells = logged(gateway, folder.path(), &BODIES);
    let unknown = json!({"unknown": true});
    let expected = [
        json!([23.0, 201.5, "car", "NL"]),
        json!([41.0, 201.5, unknown, unknown]),
        json!([61.0, 201.5, null, null]),
        json!([23.0, 201.5, "car", unknown]),
    ];
    assert_eq!(cells, expected);
    let same = replay(folder.path());
    assert_eq!(same.status, Some(0), "{same:?}");
    assert!(same.stdout.contains("4 rows have the same score, 0 another"), "{same:?}");
}

#[test]
fn a_text_is_scored_again_as_the_model_reads_it_now() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path(), "onehot-ignore", MANIFEST);
    let score = |text: &str| {
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        line["score"].clone()
    };
    logged(gateway, folder.path(), &BODIES);
    let path = &files(folder.path())[0];
    let text = std::fs::read_to_string(path).unwrap();
    assert!(score(&text).is_number());
    // Another text, an unknown one in the place of a known one, and a word where a number belongs.
    let changes = [
        ("\"NL\"", "\"DE\""),
        ("\"NL\"", "{\"unknown\":true}"),
        ("201.5,\"car\"", "\"x\",\"car\""),
    ];
    for (from, to) in changes {
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
        let other = replay(folder.path());
        assert_eq!(other.status, Some(1), "{other:?}");
        assert!(other.stdout.contains("3 rows have the same score, 1 another"), "{to}: {other:?}");
    }
}

#[test]
fn categories_of_model_toml_are_texts_too() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "[output]\ntensor = \"probabilities\"\nclass = 1\n[[columns]]\nname = \"age\"\n\
        type = \"int\"\n[[columns]]\nname = \"purpose\"\ntype = \"text\"\n\
        categories = [\"boat\", \"car\", \"never seen\"]\ndefault = \"boat\"\n[[columns]]\n\
        name = \"amount\"\nsource = \"request\"\n";
    let gateway = start(folder.path(), "../../../models/demo-logistic/1", manifest);
    let bodies = BODIES.map(|body| body.replace("201.5", "0.5"));
    let cells = logged(gateway, folder.path(), &bodies.each_ref().map(String::as_str));
    let expected =
        [json!([23.0, "car", 0.5]), json!([41.0, "never seen", 0.5]), json!([61.0, "boat", 0.5])];
    assert_eq!(cells[..3], expected);
    let same = replay(folder.path());
    assert_eq!(same.status, Some(0), "{same:?}");
    assert!(same.stdout.contains("4 rows have the same score, 0 another"), "{same:?}");
}
