//! Models and versions that come and go without end leave a bounded number of series, and what is
//! said of the page; what the shard has counted in all does not go back with them.

use std::fs;
use std::path::Path;

use crate::support::{Client, Gateway, Launch, models, post_to, wait_until};

/// What a shard keeps of versions that are not served any more.
const KEPT_MAX: usize = 8;
const COUNT: usize = 30;
const BODY: &str = "{\"user_id\": \"user-001\"}";

fn put(repository: &Path, model: &str, version: usize) {
    let (source, model) = (models().join("demo-logistic"), repository.join(model));
    fs::create_dir_all(model.join(version.to_string())).unwrap();
    fs::copy(source.join("model.toml"), model.join("model.toml")).unwrap();
    let file = model.join(version.to_string()).join("model.onnx");
    fs::copy(source.join("1/model.onnx"), file).unwrap();
}

fn order(gateway: &Gateway, what: &str, model: &str) {
    let head = format!("POST /v2/repository/models/{model}/{what} HTTP/1.1\r\nhost: localhost");
    let fields = "content-type: application/json\r\ncontent-length: 2";
    let answer = Client::connect(gateway.admin).ask(format!("{head}\r\n{fields}\r\n\r\n{{}}"));
    assert_eq!(answer.status, 200, "{what} {model}: {answer:?}");
}

fn metrics(gateway: &Gateway) -> String {
    Client::connect(gateway.admin).ask("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").body
}

fn value(metrics: &str, series: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("no {series}")).trim().parse().unwrap()
}

fn shown(metrics: &str) -> usize {
    metrics.lines().filter(|line| line.starts_with("shardgate_model_info{")).count()
}

#[test]
fn names_and_versions_without_end_are_forgotten_and_their_counts_are_not() {
    let repository = tempfile::tempdir().unwrap();
    put(repository.path(), "demo-logistic", 1);
    let launch = Launch::demo().with(|command| _ = command.arg("--models").arg(repository.path()));
    let gateway = launch.start();
    let mut client = gateway.client();
    assert_eq!(client.predict(BODY).status, 200);
    for index in 0..COUNT {
        let name = format!("model-{index}");
        put(repository.path(), &name, 1);
        order(&gateway, "load", &name);
        let path = format!("/predict/{name}");
        assert_eq!(client.ask(post_to(&path, "", BODY)).status, 200);
        order(&gateway, "unload", &name);
        put(repository.path(), "demo-logistic", index + 2);
        order(&gateway, "load", "demo-logistic");
        assert_eq!(client.predict(BODY).status, 200);
    }
    wait_until("what is gone is folded", || shown(&metrics(&gateway)) == 1 + KEPT_MAX);
    let found = metrics(&gateway);
    let gone = value(&found, "shardgate_versions_gone_total{shard=\"0\"}");
    assert_eq!(gone, (2 * COUNT - KEPT_MAX) as u64);
    let scored = "shardgate_shard_rows_total{shard=\"0\",outcome=\"scored\"}";
    assert_eq!(value(&found, scored), 1 + 2 * COUNT as u64);
    let newest = format!("version=\"{}\"", COUNT + 1);
    assert!(found.contains(&newest), "what serves is shown");
    assert!(!found.contains("model=\"model-0\""), "what went first is not");
    let families =
        ["shardgate_rows_total{", "shardgate_batches_total{", "shardgate_cells_defaulted"];
    for family in families {
        let of_gone = |line: &&str| line.starts_with(family) && line.contains("model=\"model-0\"");
        assert_eq!(found.lines().filter(of_gone).count(), 0, "{family}");
    }
}
