//! A cluster that does not give features: `/readyz` says degraded and why, and stays ready; the log
//! has the first error of each reason; the metrics count them; and it is over when it is over.

use serde_json::Value;

use crate::support::cql_node::{CqlNode, Mood};
use crate::support::{Client, Gateway, Launch, models, run, shardgate, wait_until};

const MODEL: &str = "demo-logistic";
const USER: &str = "{\"user_id\": \"user-001\"}";
const CONFIG: &str = "[features.scylla]\nfetch_deadline_ms = 200\nuser = \"gateway\"\n\
     password = \"secret\"\n[features.scylla.cache]\nbytes_max = 0\n";

fn node() -> CqlNode {
    CqlNode::of(&models().join(MODEL).join("features.csv"))
}

fn start(node: &CqlNode) -> Gateway {
    Launch::on_store(MODEL, &node.store()).config(CONFIG).start()
}

fn get(gateway: &Gateway, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let answer = Client::connect(gateway.admin).ask(request);
    (answer.status, answer.body)
}

fn readyz(gateway: &Gateway) -> Value {
    let (status, body) = get(gateway, "/readyz");
    assert_eq!(status, 200, "a fleet is not drained for its store: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The value of a metric's series.
fn metric(gateway: &Gateway, series: &str) -> f64 {
    let scraped = get(gateway, "/metrics").1;
    let line = scraped.lines().find(|line| line.starts_with(series)).expect(series);
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn features(gateway: &Gateway) -> String {
    let answer = gateway.client().predict(USER);
    assert_eq!(answer.status, 200);
    answer.field("x-features").expect("a status").to_owned()
}

#[test]
fn as_soon_as_answers_stand_on_defaults() {
    let node = node();
    let gateway = start(&node);
    assert_eq!(features(&gateway), "stored", "the first request is answered with features");
    let said = readyz(&gateway);
    assert_eq!((&said["degraded"], &said["reasons"]["store"]), (&false.into(), &"ok".into()));

    node.set(Mood::Refuses);
    for _ in 0..5 {
        assert_eq!(features(&gateway), "error");
    }
    let line = gateway.wait_for_line("ERROR");
    for part in ["unauthorized", "has no SELECT permission", "user_profiles"] {
        assert!(line.contains(part), "{line}");
    }
    wait_until("it says that it is degraded", || readyz(&gateway)["degraded"] == true);
    let said = readyz(&gateway);
    assert_eq!((&said["ready"], &said["reasons"]["store"]), (&true.into(), &"degraded".into()));
    let faults = said["reasons"]["store_faults"].to_string();
    assert!(faults.contains("on defaults") && faults.contains("unauthorized"), "{faults}");
    assert!((metric(&gateway, "shardgate_degraded") - 1.0).abs() < f64::EPSILON);
    let failed = "shardgate_cluster_statements_failed_total{shard=\"0\",reason=\"unauthorized\"}";
    assert!(metric(&gateway, failed) >= 5.0);

    node.set(Mood::Answers);
    wait_until("the features are stored again", || features(&gateway) == "stored");
    wait_until("it is over", || readyz(&gateway)["degraded"] == false);

    // Another reason is news; more of the first one are counted only.
    node.set(Mood::IsSilent);
    assert_eq!(features(&gateway), "error");
    let lines = gateway.lines_to("reason=\"timeout\"");
    let again = lines.iter().filter(|line| line.contains("unauthorized")).count();
    assert_eq!(again, 0, "{lines:?}");
    node.set(Mood::Answers);
    wait_until("the features are stored once more", || features(&gateway) == "stored");
    gateway.stop();
}

#[test]
fn before_it_serves_where_no_row_may_be_read() {
    let node = node();
    node.set(Mood::Refuses);
    let store = node.store();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("shardgate.toml");
    std::fs::write(&config, CONFIG).unwrap();
    for name in ["check", "serve"] {
        let ended = run(shardgate()
            .arg(name)
            .arg("--config")
            .arg(&config)
            .args(["--model", MODEL, "--store", &store, "--listen", "127.0.0.1:0"])
            .args(["--admin", "127.0.0.1:0"])
            .arg("--models")
            .arg(models()));
        assert_eq!(ended.status, Some(1), "{ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        for part in ["Unauthorized", "`gateway`", "user_profiles", "GRANT SELECT"] {
            assert!(said.contains(part), "{said}");
        }
    }
}
