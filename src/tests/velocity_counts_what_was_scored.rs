//! Aggregates where they are used: events that are posted, and requests that were scored, are in what the
//! next request of the card is scored with.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::gateway::store;
use crate::support::{
    Client, Gateway, Launch, Response, import, models, post_to, run, shardgate, wait_until,
};

const CONFIG: &str = r#"
[[aggregates]]
name = "tx_1h"
entity = "card"
function = "count"
window = "1h"
on_predict = true
[[aggregates]]
name = "sum_1h"
entity = "card"
function = "sum"
value = "amount"
window = "1h"
on_predict = true
[[aggregates]]
name = "merchants_1d"
entity = "card"
function = "distinct"
value = "merchant"
window = "1d"
tile = "1h"
"#;

const MODEL: &str = r#"
[output]
tensor = "probabilities"
class = 1
[[entities]]
name = "card"
key = "card_id"
table = "cards"
[[columns]]
name = "tx_1h"
type = "bigint"
entity = "card"
source = "store"
[[columns]]
name = "sum_1h"
type = "double"
entity = "card"
source = "store"
[[columns]]
name = "amount"
source = "request"
"#;

/// The input of a model that reads what is summed up, by this policy for what is out of its range.
fn ranged(out_of_range: &str) -> String {
    format!(
        "[[inputs]]\nname = \"amount\"\nsource = \"request\"\ntype = \"double\"\n\
         range = [0, 1000]\nout_of_range = \"{out_of_range}\"\n"
    )
}

fn repository() -> TempDir {
    repository_of(MODEL)
}

fn repository_of(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("velocity");
    std::fs::create_dir_all(model.join("1")).unwrap();
    let source = models().join("demo-logistic/1/model.onnx");
    std::fs::copy(source, model.join("1/model.onnx")).unwrap();
    std::fs::write(model.join("model.toml"), manifest).unwrap();
    folder
}

fn counted(store: &str, card: &str) -> Value {
    let ended =
        run(shardgate().args(["get", "--json", card, "--table", "cards", "--store", store]));
    serde_json::from_str::<Value>(&ended.stdout).map_or(Value::Null, |row| row["columns"].clone())
}

fn ask_admin(gateway: &Gateway, path: &str, body: &str) -> Response {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n");
    let request = format!("{head}content-type: application/json\r\n\r\n{body}");
    Client::connect(gateway.admin).ask(request.as_bytes())
}

fn score(gateway: &Gateway, card: &str, amount: f64) -> f64 {
    let body = format!("{{\"card_id\": \"{card}\", \"amount\": {amount}}}");
    let answer = gateway.client().ask(post_to("/predict/velocity", "", &body));
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str::<Value>(&answer.body).unwrap()["score"].as_f64().unwrap()
}

#[test]
fn scored_requests_and_events_are_counted() {
    let (repository, folder) = (repository(), tempfile::tempdir().unwrap());
    import(&models().join("demo-logistic/features.csv"), folder.path());
    let store = store(folder.path());
    let gateway = Launch::on_store("velocity", &store)
        .config(CONFIG)
        .with(|command| _ = command.arg("--models").arg(repository.path()))
        .start();
    let first = score(&gateway, "c1", 0.25);
    wait_until("the request is counted", || counted(&store, "c1")["tx_1h"] == 1);
    wait_until("the next has it", || score(&gateway, "c1", 0.25).to_bits() != first.to_bits());
    for (event, expected) in [
        (json!({"amount": 10.5}), "the field `merchant` is not there"),
        (json!({"amount": 1, "merchant": "m", "amuont": 1}), "no aggregate of the table takes"),
        (json!({"amount": 1e300, "merchant": "m"}), "a number of at most 1e290"),
    ] {
        let body = json!({ "event": event }).to_string();
        let answer = ask_admin(&gateway, "/v2/features/card/c2", &body);
        assert!(answer.status == 400 && answer.body.contains(expected), "{}", answer.body);
    }
    let body = json!({"event": {"amount": 10.5, "merchant": "m1"}}).to_string();
    let answer = ask_admin(&gateway, "/v2/features/card/c2", &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(counted(&store, "c2"), json!({"tx_1h": 1, "sum_1h": 10.5, "merchants_1d": 1}));
    // The answer is of the numbers that are shown: the same as one that is given them.
    let answer = ask_admin(&gateway, "/v2/features/card/c2", "{\"tx_1h\": 5}");
    assert!(answer.status == 400 && answer.body.contains("computed of events"), "{}", answer.body);
    assert_eq!(counted(&store, "c2")["tx_1h"], 1);
}

#[test]
fn a_window_that_changed_is_refused_at_start() {
    let gateway = Launch::demo().config("[[aggregates]]\nname = \"n\"\nentity = \"user\"\nfunction = \"count\"\nwindow = \"1h\"\n").start();
    let store = store(&gateway.store());
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.toml");
    for (text, expected) in [
        (
            "name = \"n\"\nentity = \"user\"\nfunction = \"count\"\nwindow = \"2h\"",
            "count/300/13, expected count/600/13",
        ),
        (
            "name = \"n\"\nentity = \"user\"\nfunction = \"sum\"\nwindow = \"2h\"",
            "the field of an event",
        ),
        (
            "name = \"n\"\nentity = \"user\"\nfunction = \"count\"\nwindow = \"soon\"",
            "expected a duration",
        ),
    ] {
        std::fs::write(&other, format!("[[aggregates]]\n{text}\n")).unwrap();
        let ended = run(shardgate()
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--model", "demo-logistic", "--store", &store, "--config"])
            .arg(&other)
            .env("SHARDGATE_MODELS", models()));
        assert!(ended.status != Some(0) && ended.stderr.contains(expected), "{ended:?}");
    }
}

/// What is counted of two requests of a card, of an amount that is in range and one that is not.
fn counted_by(inputs: &str) -> Value {
    let manifest = MODEL.replace("name = \"amount\"\nsource", "name = \"other\"\nsource");
    let (repository, folder) = (repository_of(&(manifest + inputs)), tempfile::tempdir().unwrap());
    import(&models().join("demo-logistic/features.csv"), folder.path());
    let store = store(folder.path());
    let gateway = Launch::on_store("velocity", &store)
        .config(CONFIG)
        .with(|command| _ = command.arg("--models").arg(repository.path()))
        .start();
    score(&gateway, "c1", 200.0);
    score(&gateway, "c1", 5000.0);
    wait_until("both are counted", || counted(&store, "c1")["tx_1h"] == 2);
    counted(&store, "c1")["sum_1h"].clone()
}

#[test]
fn what_no_column_reads_is_counted_as_the_model_would_take_it() {
    assert_eq!(counted_by(""), 5200.0);
    assert_eq!(counted_by(&ranged("clip")), 1200.0);
    assert_eq!(counted_by(&ranged("default")), 200.0);
}

#[test]
fn a_table_that_cannot_be_written_is_said_at_start() {
    let folder = tempfile::tempdir().unwrap();
    import(&models().join("demo-logistic/features.csv"), folder.path());
    let store = store(folder.path());
    let config = folder.path().join("counting.toml");
    std::fs::write(&config, "[[aggregates]]\nname = \"n\"\nentity = \"user\"\nfunction = \"count\"\nwindow = \"1h\"\non_predict = true\n").unwrap();
    let mut command = shardgate();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--model", "demo-logistic", "--store", &store, "--config"])
        .arg(&config)
        .env("SHARDGATE_MODELS", models());
    // Nobody, not even root, opens a folder for writing as the lock.
    let lock = folder.path().join("changes.lock");
    let _ = std::fs::remove_file(&lock);
    std::os::unix::fs::symlink(folder.path().join("none/none"), &lock).unwrap();
    let ended = run(&mut command);
    assert!(ended.status != Some(0), "{ended:?}");
    assert!(ended.stderr.contains("the aggregate `n` cannot count scored requests"), "{ended:?}");
}
