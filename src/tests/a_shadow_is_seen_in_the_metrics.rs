//! A candidate that a reload brings scores copies of the traffic, `/metrics` and the index say how
//! it does, and another reload takes it away.

use std::fs;

use crate::support::{Client, Gateway, Launch, models};
use serde_json::{Value, json};

const SHADOW: &str = "\n[shadow]\nversion = 2\npercent = 100.0\n";

fn order(gateway: &Gateway, path: &str) -> String {
    let answer = Client::connect(gateway.admin).ask(format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: 0\r\n\r\n"
    ));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The value of a series of the candidate.
fn metric(gateway: &Gateway, name: &str, label: &str) -> Option<f64> {
    let scrape = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let body = Client::connect(gateway.admin).ask(scrape).body;
    let line = body.lines().find(|line| {
        line.starts_with(&format!("{name}{{"))
            && line.contains("version=\"2\"")
            && line.contains(label)
    })?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn from_its_load_to_its_end() {
    let repository = tempfile::tempdir().unwrap();
    let (source, model) = (models().join("demo-logistic"), repository.path().join("demo-logistic"));
    for version in ["1", "2"] {
        fs::create_dir_all(model.join(version)).unwrap();
        fs::copy(source.join("1/model.onnx"), model.join(version).join("model.onnx")).unwrap();
    }
    let manifest = fs::read_to_string(source.join("model.toml")).unwrap();
    fs::write(model.join("model.toml"), format!("{manifest}{SHADOW}")).unwrap();
    let gateway =
        Launch::demo().with(|command| _ = command.arg("--models").arg(repository.path())).start();
    let index: Vec<Value> = serde_json::from_str(&order(&gateway, "/v2/repository/index")).unwrap();
    let entry = index.iter().find(|entry| entry["version"] == "2").expect("it is there");
    assert_eq!((&entry["state"], &entry["reason"]), (&json!("UNAVAILABLE"), &json!("shadow")));
    let mut client = gateway.client();
    let compared = || metric(&gateway, "shardgate_shadow_rows_total", "outcome=\"compared\"");
    for _ in 0..1_000 {
        let answer = client.predict("{\"user_id\": \"user-001\"}");
        assert_eq!(answer.field("x-model-version"), Some("1"));
        if compared() >= Some(5.0) {
            break;
        }
    }
    // The candidate is a copy: no score differs.
    let count = metric(&gateway, "shardgate_shadow_difference_count", "").expect("a histogram");
    assert!(count >= 5.0, "{count}");
    let identical = metric(&gateway, "shardgate_shadow_difference_bucket", "le=\"0.0\"");
    assert!(identical >= Some(count), "{identical:?}");
    assert_eq!(metric(&gateway, "shardgate_shadow_signed_difference", ""), Some(0.0));
    assert_eq!(metric(&gateway, "shardgate_rows_total", "features=\"stored\""), Some(0.0));

    fs::write(model.join("model.toml"), manifest).unwrap();
    assert!(order(&gateway, "/reload").contains("demo-logistic/2"));
    assert_eq!(client.predict("{\"user_id\": \"user-001\"}").field("x-model-version"), Some("2"));
    assert!(!order(&gateway, "/v2/repository/index").contains("shadow"));
    assert_eq!(metric(&gateway, "shardgate_shadow_rows_total", ""), None);
    assert_eq!(gateway.stop().0.code(), Some(0));
}
