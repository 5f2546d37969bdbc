//! What the live page shows of answers comes with its events: scores by their size, decisions, drift,
//! and what the pill is made of.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::cql_node::{CqlNode, Mood};
use crate::support::events::heard;
use crate::support::{Client, Gateway, Launch, models, wait_until};

const SHARES: &str = "class = 1\nshares = [0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, \
                      0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05]\n";
const BANDS: &str = "\n[[output.bands]]\nbelow = 0.0\ndecision = \"approve\"\n\
                     [[output.bands]]\ndecision = \"decline\"\n[canary]\nversion = 2\npercent = 50.0\n";

/// `demo-logistic` that decides, with a canary.
fn deciding(repository: &Path) {
    let (source, model) = (models().join("demo-logistic"), repository.join("demo-logistic"));
    for version in ["1", "2"] {
        fs::create_dir_all(model.join(version)).unwrap();
        fs::copy(source.join("1/model.onnx"), model.join(version).join("model.onnx")).unwrap();
    }
    let manifest = fs::read_to_string(source.join("model.toml")).unwrap();
    let manifest = manifest.replace("class = 1\n", SHARES) + BANDS;
    fs::write(model.join("model.toml"), manifest).unwrap();
}

/// A hundred users whom the store does not know: they have one score.
fn ask(gateway: &Gateway) {
    let users: Vec<_> = (0..100).map(|user| format!("{{\"user_id\": \"u{user}\"}}")).collect();
    let answer = gateway.client().predict(&format!("[{}]", users.join(",")));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn metrics(gateway: &Gateway) -> String {
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    Client::connect(gateway.admin).ask(request).body
}

#[test]
fn of_each_version_its_scores_decisions_and_drift() {
    let repository = tempfile::tempdir().unwrap();
    deciding(repository.path());
    let gateway =
        Launch::demo().with(|command| _ = command.arg("--models").arg(repository.path())).start();
    let drift = "shardgate_score_drift{model=\"demo-logistic\",version=\"1\"} ";
    let asked = Cell::new(0);
    wait_until("a thousand scores", || {
        ask(&gateway);
        asked.set(asked.get() + 100);
        metrics(&gateway).contains(drift)
    });
    // All scores lie in one of twenty parts that training had as many scores in.
    let expected = 0.95 * 20_f64.ln() + 19.0 * (0.05 - 1e-4) * (0.05_f64 / 1e-4).ln();
    let found = heard(&gateway, "drift", |drift| {
        let mut all = drift.as_array().unwrap().iter();
        let score = all.find(|one| one["column"].is_null() && one["version"] == "1")?;
        assert_eq!(score["model"], "demo-logistic");
        score["index"].as_f64()
    });
    assert!((found - expected).abs() < 0.001, "{found} {expected}");

    let model = heard(&gateway, "status", |status| {
        let models = status["models"].as_array().unwrap();
        models.iter().find(|model| model["role"] == "stable").cloned()
    });
    assert_eq!(model["decisions"], json!(["approve", "decline"]));
    assert_eq!((&model["has_probabilities"], &model["reasons"]), (&json!(true), &json!([])));
    assert_eq!(model["score_shares"].as_array().map(Vec::len), Some(20));

    let (mut rows, mut canary, mut sum) = (0, 0, 0.0);
    heard(&gateway, "second", |second| {
        for answers in second["answers"].as_array().unwrap() {
            let count = answers["rows"].as_u64().unwrap();
            rows += count;
            canary += if answers["version"] == 2 { count } else { 0 };
            sum += answers["scores_sum"].as_f64().unwrap();
            assert_eq!(answers["decisions"], json!([0, count]), "no score is below 0");
            let scores = answers["scores"].as_array().unwrap();
            assert_eq!(scores.iter().map(|part| part.as_u64().unwrap()).sum::<u64>(), count);
            assert_eq!(answers["explained"], 0);
        }
        (rows >= asked.get()).then_some(())
    });
    assert_eq!(rows, asked.get(), "each row once");
    assert!(canary > 0 && canary < rows, "{canary} of {rows}");
    let mean = sum / rows as f64;
    assert!(mean > 0.0 && mean < 1.0, "{mean}");
    gateway.stop();
}

/// What the pill is made of: the rows of a second by what their features stood on, and the faults.
#[test]
fn of_a_store_that_is_down() {
    let node = CqlNode::of(&models().join("demo-logistic/features.csv"));
    let config =
        "[features.scylla]\nfetch_deadline_ms = 200\n[features.scylla.cache]\nbytes_max = 0\n";
    let gateway = Launch::on_store("demo-logistic", &node.store()).config(config).start();
    let user = "{\"user_id\": \"user-001\"}";
    assert_eq!(gateway.client().predict(user).field("x-features"), Some("stored"));
    node.set(Mood::Refuses);
    for _ in 0..3 {
        assert_eq!(gateway.client().predict(user).field("x-features"), Some("error"));
    }
    let features = |second: &Value| second["features"].clone();
    let mut errors = 0;
    heard(&gateway, "second", |second| {
        errors += features(second)["error"].as_u64().unwrap();
        (errors == 3).then_some(())
    });
    let fault =
        heard(&gateway, "status", |status| status["store_faults"][0].as_str().map(str::to_owned));
    assert!(fault.contains("on defaults"), "{fault}");
    node.set(Mood::Answers);
    gateway.stop();
}
