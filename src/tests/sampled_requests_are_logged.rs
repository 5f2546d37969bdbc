//! `[access_log]`: the share of the requests that was asked for is logged, evenly, with where its
//! time went, and users only where that was asked for too; without it none is.

use crate::support::{Gateway, Launch, post_to};
use serde_json::Value;

const REQUESTS: usize = 60;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Serves with this configuration, asks, and gives back the events of requests.
fn logged(config: &str) -> Vec<Value> {
    let launch = Launch::demo().config(config);
    let gateway = launch.with(|command| _ = command.args(["--log-format", "json"])).start();
    ask(&gateway);
    let (status, lines) = gateway.stop();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events.filter(|event| event["target"] == "access").collect()
}

fn ask(gateway: &Gateway) {
    let mut client = gateway.client();
    for number in 0..REQUESTS {
        let (path, body) = match number % 4 {
            0 => ("/predict", "{\"user_id\": \"user-001\"}"),
            1 => ("/predict", "[{\"user_id\": \"user-002\"}, {\"user_id\": \"user-003\"}]"),
            2 => ("/predict", "{"),
            _ => ("/nowhere", ""),
        };
        let fields = format!("x-request-id: r-{number}\r\ntraceparent: {TRACE}\r\n");
        client.ask(post_to(path, &fields, body));
    }
}

#[test]
fn all_of_them_with_what_is_known_of_each() {
    let events = logged("[access_log]\nsample = 1.0\n");
    assert_eq!(events.len(), REQUESTS, "more than the log lets through of other events");
    let statuses: Vec<_> = events[..4].iter().map(|event| event["status"].clone()).collect();
    assert_eq!(statuses, [200, 200, 400, 404]);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["request_id"], format!("r-{number}"));
        assert_eq!(event["trace_id"], TRACE[3..35]);
        assert_eq!((&event["message"], &event["shard"]), (&"request".into(), &0.into()));
        assert!(event["duration_us"].is_u64() && event["write_us"].is_u64(), "{event}");
        assert!(event.get("user_id").is_none(), "{event}");
    }
    let array = &events[1];
    assert_eq!((&array["model"], &array["version"]), (&"demo-logistic".into(), &1.into()));
    assert_eq!((&array["rows"], &array["batch_rows"]), (&2.into(), &2.into()));
    for phase in ["queue_us", "features_us", "model_us"] {
        assert!(array[phase].as_u64() <= array["duration_us"].as_u64(), "{array}");
    }
    assert!(events[3].get("model").is_none() && events[3].get("queue_us").is_none());
}

#[test]
fn a_share_of_them_evenly() {
    let events = logged("[access_log]\nsample = 0.25\nuser_ids = true\n");
    let ids: Vec<_> = events.iter().map(|event| event["request_id"].clone()).collect();
    assert_eq!(ids.len(), REQUESTS / 4);
    assert_eq!(ids[..3], ["r-3", "r-7", "r-11"]);
}

#[test]
fn users_where_that_is_asked_for() {
    let events = logged("[access_log]\nsample = 1\nuser_ids = true\n");
    let users = events[..3].iter().map(|event| event["user_id"].as_str());
    assert_eq!(users.collect::<Vec<_>>(), [Some("user-001"), Some("user-002"), None]);
}

#[test]
fn none_of_them_unless_it_is_asked_for() {
    assert_eq!(logged(""), Vec::<Value>::new());
}
