//! What expressions read is in the prediction log: `replay` computes columns, rules and decisions again
//! to the same bits, and `transform` gives a training set the bits that the model read.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Client, Ended, Gateway, Launch, models, post_to, run, shardgate, store};

const MANIFEST: &str = r#"
[output]
tensor = "probabilities"
class = 1
[[output.bands]]
below = 0.5
decision = "approve"
[[output.bands]]
decision = "decline"
[[columns]]
name = "feature_1"
expr = "log1p(amount) / (feature_3 + 3.3) - hours_since(seen) / 1e6"
[[columns]]
name = "feature_2"
expr = 'merchant.startsWith("m") ? size(merchant + country) : feature_1 * 0.1'
[[columns]]
name = "feature_3"
type = "double"
[[inputs]]
name = "amount"
source = "request"
type = "double"
range = [0, 1e6]
out_of_range = "clip"
[[inputs]]
name = "merchant"
source = "request"
type = "text"
[[inputs]]
name = "country"
type = "text"
default = "none"
[[inputs]]
name = "seen"
type = "timestamp"
[[rules]]
when = "amount >= 1000.0"
decision = "review"
reason = "limit"
[[rules]]
when = "score > 0.3 && merchant == 'x'"
decision = "decline"
"#;

const STORED: &str = "user_id,feature_3:double,country:text,seen:timestamp\n\
    u,0.1,DE,2026-01-31T12:30:00.123456Z\nv,-3.3,,2025-12-31T00:00:00Z\nw,1e-7,\"Ö,x\",\n";

/// A repository whose `demo-logistic` computes two of its columns.
fn repository(folder: &Path) -> PathBuf {
    let model = folder.join("models/demo-logistic");
    std::fs::create_dir_all(model.join("1")).unwrap();
    std::fs::copy(models().join("demo-logistic/1/model.onnx"), model.join("1/model.onnx")).unwrap();
    std::fs::write(model.join("model.toml"), MANIFEST).unwrap();
    folder.join("models")
}

fn start(folder: &Path) -> Gateway {
    let repository = repository(folder);
    let csv = folder.join("users.csv");
    std::fs::write(&csv, STORED).unwrap();
    crate::support::import(&csv, &folder.join("store"));
    let text = format!("[prediction_log]\nfolder = \"{}\"\n", folder.join("log").display());
    Launch::on_store("demo-logistic", &store(&folder.join("store")))
        .config(&text)
        .with(|command| _ = command.arg("--models").arg(repository))
        .start()
}

fn ask(client: &mut Client, body: &str) -> u16 {
    client.ask(post_to("/predict", "", body)).status
}

/// Rows of every kind: decided before the model and behind it, with nulls, in arrays, with columns of
/// their own.
fn ask_of_every_kind(client: &mut Client) -> usize {
    for body in [
        r#"{"user_id": "u", "amount": 12.34, "merchant": "mé\"x"}"#,
        r#"{"user_id": "v", "amount": 0.1, "merchant": "x"}"#,
        r#"{"user_id": "w", "amount": null}"#,
        r#"{"user_id": "nobody", "amount": 1e-300, "merchant": ""}"#,
        r#"{"user_id": "u", "amount": 1000, "merchant": "m"}"#,
        r#"{"user_id": "u", "amount": 1e9, "merchant": "m"}"#,
    ] {
        assert_eq!(ask(client, body), 200, "{body}");
    }
    let member = |row: usize| format!(r#"{{"user_id": "u", "amount": {row}.7, "merchant": "x"}}"#);
    let members: Vec<_> = (0..100).map(member).collect();
    assert_eq!(ask(client, &format!("[{}]", members.join(","))), 200);
    let own = r#"{"inputs": [{"name": "feature_1", "shape": [1], "datatype": "FP32", "data": [0.1]},
        {"name": "feature_2", "shape": [1], "datatype": "FP32", "data": [0.2]},
        {"name": "feature_3", "shape": [1], "datatype": "FP32", "data": [0.3]}]}"#;
    assert_eq!(client.ask(post_to("/v2/models/demo-logistic/infer", "", own)).status, 200);
    107
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("log")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn lines(folder: &Path) -> Vec<Value> {
    let texts = files(folder).into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    let parse = |line: &str| serde_json::from_str(line).expect("JSON");
    texts.flat_map(|text| text.lines().map(parse).collect::<Vec<_>>()).collect()
}

fn replay(folder: &Path) -> Ended {
    run(shardgate().arg("replay").args(files(folder)).arg("--models").arg(folder.join("models")))
}

#[test]
fn a_replay_computes_the_same_bits_and_says_what_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path());
    let rows = ask_of_every_kind(&mut gateway.client());
    let metrics = Client::connect(gateway.admin)
        .ask("GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .body;
    gateway.stop();
    let lines = lines(folder.path());
    assert_eq!(lines.len(), rows);
    let limit: Vec<_> = lines.iter().filter(|line| line["rule"] == "limit").collect();
    assert_eq!(limit.len(), 2);
    for line in limit {
        assert!(line.get("score").is_none() && line.get("cells").is_none(), "{line}");
        assert_eq!(line["decision"], "review");
        assert_eq!(line["inputs"]["seen"], 1_769_862_600_123_456_i64);
        assert!(line["arrived_us"].is_i64());
    }
    let series = "model=\"demo-logistic\",version=\"1\",rule=\"limit\"} 2";
    assert!(metrics.contains(series), "{metrics}");
    assert!(lines.iter().any(|line| line["rule"] == "rules[1]"));

    let same = replay(folder.path());
    assert_eq!(same.status, Some(0), "{same:?}");
    assert!(
        same.stdout.contains(&format!("{rows} rows have the same score, 0 another")),
        "{same:?}"
    );

    let manifest = folder.path().join("models/demo-logistic/model.toml");
    for (from, to, expected) in [
        ("amount >= 1000.0", "amount >= 1e6", "the rule was limit, and is none"),
        ("log1p(amount)", "(log1p(amount) + 1e-3)", "computed cell 1 was "),
        ("size(merchant", "size(merchand", "nothing is named `merchand`"),
        ("score > 0.3", "score > 2.0", "the rule was rules[1], and is none"),
        ("decision = \"review\"", "decision = \"refer\"", "the decision was review, and is refer"),
    ] {
        std::fs::write(&manifest, MANIFEST.replace(from, to)).unwrap();
        let other = replay(folder.path());
        assert_eq!(other.status, Some(1), "{other:?}");
        assert!(other.stdout.contains(expected), "{expected}: {other:?}");
    }
}

#[test]
fn a_training_set_has_the_bits_that_serving_reads() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path());
    ask_of_every_kind(&mut gateway.client());
    gateway.stop();
    // The rows of the log as a training set would have them.
    let lines = lines(folder.path());
    let served: Vec<_> = lines.iter().filter(|line| line.get("columns_given").is_none()).collect();
    let mut csv = "feature_3:double,amount,merchant,country,seen,asked\n".to_owned();
    for line in &served {
        let inputs = &line["inputs"];
        let text = |name: &str| match &inputs[name] {
            Value::String(text) => format!("\"{}\"", text.replace('"', "\"\"")),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let names = ["feature_3", "amount", "merchant", "country", "seen"];
        let cells: Vec<_> = names.iter().map(|name| text(name)).collect();
        writeln!(csv, "{},{}", cells.join(","), line["arrived_us"]).unwrap();
    }
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, csv).unwrap();
    let transform = |more: &[&str]| {
        let mut command = shardgate();
        command.arg("transform").arg(&file).args(["--model", "demo-logistic", "--models"]);
        run(command.arg(folder.path().join("models")).args(more))
    };
    let ended = transform(&["--clock", "asked", "--only", "--rules"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let mut rows = ended.stdout.lines();
    assert_eq!(rows.next(), Some("feature_1,feature_2,decision,rule"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), served.len());
    for (line, row) in served.iter().zip(rows) {
        let is_before = line["rule"] == "limit";
        assert_eq!(row[2..], if is_before { ["review", "limit"] } else { ["", ""] });
        for place in (0..2).filter(|_| !is_before) {
            let read = line["cells"][place].as_f64().expect("a number");
            let computed: f64 = row[place].parse().expect("a number");
            // The model's tensor has 32 bits.
            assert_eq!(f64::from(computed as f32).to_bits(), read.to_bits(), "{line} {row:?}");
        }
    }
    // Columns pass through; a clock has to be said; and what is read has to be there.
    let whole = transform(&["--at", "2026-01-31T12:00:00Z"]);
    let first = whole.stdout.lines().next();
    let columns = "feature_3:double,amount,merchant,country,seen,asked,feature_1,feature_2";
    assert_eq!(first, Some(columns.replace(":double", "").as_str()), "{whole:?}");
    let without = transform(&[]);
    assert_eq!(without.status, Some(1));
    assert!(without.stderr.contains("--clock COLUMN"), "{without:?}");
    // No line is blank, as of a single column that is null: readers leave such out.
    let manifest = folder.path().join("models/demo-logistic/model.toml");
    let one = "[[columns]]\nname = \"a\"\nexpr = \"amount / 0.0\"\nnan = \"missing\"\n\
               [[inputs]]\nname = \"amount\"\nsource = \"request\"\n";
    std::fs::write(&manifest, one).unwrap();
    std::fs::write(&file, "amount\n1\n2\n").unwrap();
    assert_eq!(transform(&["--only"]).stdout, "a\n\"\"\n\"\"\n");
    // A number that a request may not give has no place in a training set.
    for (column_type, cell, says) in [
        ("tinyint", "300", "line 3, column 1 (`amount`): `300` is not of type tinyint"),
        ("float", "1e39", "line 3, column 1 (`amount`): `1e39` is not of type float"),
        (
            "bigint",
            "9007199254740993",
            "line 3: `amount` is of type bigint: a whole number of more",
        ),
    ] {
        std::fs::write(&manifest, format!("{one}type = \"{column_type}\"\n")).unwrap();
        std::fs::write(&file, format!("amount\n1\n{cell}\n")).unwrap();
        let refused = transform(&["--only"]);
        assert_eq!(refused.status, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(says), "{refused:?}");
    }
    std::fs::write(&manifest, MANIFEST).unwrap();
    std::fs::write(&file, "amount\n1\n").unwrap();
    let missing = transform(&["--at", "2026-01-31T12:00:00Z"]);
    assert!(missing.stderr.contains("there is no column `feature_3`"), "{missing:?}");
}

#[test]
fn a_model_that_computes_of_requests_alone_needs_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(folder.path());
    let column = |name: &str| format!("[[columns]]\nname = \"{name}\"\nexpr = \"amount * 2.0\"\n");
    let columns = ["feature_1", "feature_2", "feature_3"].map(column).concat();
    let input = "[[inputs]]\nname = \"amount\"\nsource = \"request\"\n";
    let output = "[output]\ntensor = \"probabilities\"\nclass = 1\n";
    let manifest = format!("{output}{columns}{input}");
    std::fs::write(repository.join("demo-logistic/model.toml"), manifest).unwrap();
    let gateway = Launch::bare()
        .with(|command| {
            command.args(["--model", "demo-logistic", "--models"]).arg(repository);
        })
        .start();
    assert_eq!(ask(&mut gateway.client(), r#"{"amount": 0.25}"#), 200);
}

#[test]
fn a_row_is_explained_with_its_rule_and_a_bad_expression_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path());
    gateway.stop();
    let background = folder.path().join("models/demo-logistic/background.csv");
    std::fs::write(background, "feature_1,feature_2,feature_3\n0,0,0\n1,1,1\n").unwrap();
    let manifest = folder.path().join("models/demo-logistic/model.toml");
    let explained = MANIFEST.replacen(
        "[[columns]]",
        "[explain]\nbackground = \"background.csv\"\n[[columns]]",
        1,
    );
    std::fs::write(&manifest, explained).unwrap();
    let store = store(&folder.path().join("store"));
    let at = |command: &str, arguments: &[&str]| {
        let mut started = shardgate();
        started.arg(command).args(arguments).args(["--model", "demo-logistic", "--models"]);
        run(started.arg(folder.path().join("models")).args(["--store", &store]))
    };
    let fields = r#"{"amount": 2000, "merchant": "m"}"#;
    let ended = at("explain", &["u", "--fields", fields]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(", review by rule `limit` (before the model"), "{ended:?}");
    assert!(ended.stdout.contains("feature_2    3 "), "{ended:?}");

    std::fs::write(&manifest, MANIFEST.replace("size(merchant", "size(amount")).unwrap();
    let refused = at("check", &[]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    for expected in [
        "model.toml: key `columns[1].expr`: expression `feature_2`, character 40: `+` of (double, text)",
        "merchant.startsWith(\"m\") ? size(amount + country) : feature_1 * 0.1\n",
    ] {
        assert!(refused.stdout.contains(expected), "{expected}: {}", refused.stdout);
    }
}
