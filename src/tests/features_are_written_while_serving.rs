//! Rows of the feature store written by requests: the next answer has them, a process that is killed has
//! lost nothing that it said to have written, and what is wrong is refused whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::support::client::Response;
use crate::support::gateway::store;
use crate::support::{Client, Gateway, Launch, run, shardgate};

const JSON: &str = "content-type: application/json\r\n";
const LINES: &str = "content-type: application/x-ndjson\r\n";

fn send(address: SocketAddr, method: &str, path: &str, fields: &str, body: &str) -> Response {
    let length = body.len();
    Client::connect(address).ask(format!(
        "{method} /v2/features/{path} HTTP/1.1\r\nhost: localhost\r\n{fields}\
         content-length: {length}\r\n\r\n{body}"
    ))
}

fn get(address: SocketAddr, path: &str) -> String {
    Client::connect(address).ask(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).body
}

fn written(gateway: &Gateway, path: &str, body: &str) -> Value {
    let answer = send(gateway.admin, "POST", path, JSON, body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn score(gateway: &Gateway, user: &str) -> f64 {
    let answer = gateway.client().predict(&format!("{{\"user_id\": \"{user}\"}}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str::<Value>(&answer.body).unwrap()["score"].as_f64().unwrap()
}

/// What the store has of a key.
fn row(gateway: &Gateway, key: &str) -> Option<Value> {
    let ended = run(shardgate().args(["get", "--json", key, "--store", &store(&gateway.store())]));
    (ended.status == Some(0)).then(|| serde_json::from_str(&ended.stdout).unwrap())
}

#[test]
fn the_next_answer_has_what_was_written() {
    let gateway = Launch::demo().start();
    let other = score(&gateway, "user-002");
    assert_eq!(written(&gateway, "user/user-001", "{\"feature_1\": 3.5}"), json!({"written": 1}));
    written(
        &gateway,
        "user/new%2Fone",
        r#"{"feature_1": 3.5, "feature_2": 1.2, "feature_3": -0.8}"#,
    );
    // The bundled row has the other two.
    assert_eq!(score(&gateway, "user-001").to_bits(), score(&gateway, "new/one").to_bits());
    assert_eq!(score(&gateway, "user-002").to_bits(), other.to_bits());
    let body = "{\"key\": \"a\", \"feature_1\": 1}\n{\"key\": \"user-001\", \"removed\": true}\n";
    let answer = send(gateway.admin, "POST", "user", LINES, body);
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"written\":2}"));
    let answer = send(gateway.admin, "DELETE", "user/new%2Fone", "", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"removed\":1}"));
    assert_eq!((row(&gateway, "user-001"), row(&gateway, "new/one")), (None, None));
    assert_eq!(row(&gateway, "a").unwrap()["columns"]["feature_1"], 1.0);
    let metrics = get(gateway.admin, "/metrics");
    for line in ["shardgate_writes_total{outcome=\"written\"} 4", "shardgate_rows_written_total 5"]
    {
        assert!(metrics.contains(line), "{line}");
    }
}

#[test]
fn what_is_wrong_is_refused_whole() {
    let gateway = Launch::demo().start();
    for (method, path, fields, body, status, expected) in [
        ("POST", "user/u", JSON, "{\"feature_9\": 1}", 400, "no column `feature_9`"),
        ("POST", "user/u", JSON, "{\"feature_1\": \"x\"}", 400, "is not of type float"),
        ("POST", "user", LINES, "{\"key\":\"u\",\"feature_1\":1}\n{\"key\":1.5}", 400, "line 2"),
        ("POST", "nobody/u", JSON, "{}", 404, "nobody"),
        ("POST", "user/u", "", "{\"feature_1\": 1}", 415, "content type"),
        ("GET", "user/u", "", "", 405, "method"),
        ("POST", "user/%zz", JSON, "{}", 400, "without digits"),
        ("POST", "user/%ff%fe", JSON, "{\"feature_1\": 1}", 400, "not UTF-8"),
        ("DELETE", "user/%ff", "", "", 400, "not UTF-8"),
        ("POST", "user", JSON, "{\"key\": [\"a\", \"b\"], \"feature_1\": 1}", 400, "one part"),
        ("POST", "user/u", JSON, "{\"feature_1\": 1, \"feature_1\": 2}", 400, "given twice"),
        ("POST", "user/u", JSON, "{\"last_updated\": 1796092575141729}", 400, "milliseconds"),
        ("POST", "user/u", JSON, "{\"last_updated\": -1}", 400, "before 1970"),
    ] {
        let answer = send(gateway.admin, method, path, fields, body);
        assert_eq!(answer.status, status, "{path} {}", answer.body);
        assert!(answer.body.contains(expected), "{path} {}", answer.body);
    }
    assert_eq!(row(&gateway, "u"), None);
    let serving = send(gateway.address, "POST", "user/u", JSON, "{\"feature_1\": 1}");
    assert_eq!(serving.status, 403, "{}", serving.body);
}

#[test]
fn clients_of_the_serving_port_write_where_it_is_configured() {
    let gateway = Launch::demo().config("[features.writes]\non_serving_port = true\n").start();
    let key = format!("{JSON}idempotency-key: one\r\n");
    let put = |body: &str| send(gateway.address, "POST", "user/u", &key, body);
    assert_eq!(put("{\"feature_1\": 2}").body, "{\"written\":1}");
    let again = put("{\"feature_1\": 2}");
    assert_eq!((again.status, again.body.as_str()), (200, "{\"repeated\":true,\"written\":1}"));
    let other = put("{\"feature_1\": 3}");
    assert_eq!(other.status, 409, "{}", other.body);
    assert_eq!(row(&gateway, "u").unwrap()["columns"]["feature_1"], 2.0);
    let description = get(gateway.address, "/openapi.json");
    assert!(description.contains("/v2/features/{entity}/{key}"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "threads of a test, not of a shard")]
fn a_process_that_is_killed_has_lost_nothing_that_it_said() {
    for round in 0..3_u32 {
        let gateway = Launch::demo().config("[features.writes]\nmerge_bytes = 20000\n").start();
        let said = Mutex::new(BTreeMap::<String, u32>::new());
        std::thread::scope(|scope| {
            let (admin, said) = (gateway.admin, &said);
            for client in 0..4 {
                scope.spawn(move || {
                    for number in 1.. {
                        let (key, body) = (
                            format!("k{client}-{}", number % 5),
                            format!("{{\"feature_1\": {number}, \"feature_2\": {number}}}"),
                        );
                        let path = format!("user/{key}");
                        let Some(status) = try_send(admin, &path, &body) else { return };
                        assert_eq!(status, 200);
                        said.lock().unwrap().insert(key, number);
                    }
                });
            }
            // It dies at another moment of a commit each time.
            while said.lock().unwrap().values().sum::<u32>() < 300 + 37 * round {
                std::thread::yield_now();
            }
            gateway.signal(libc::SIGKILL);
        });
        for (key, number) in said.into_inner().unwrap() {
            let found = row(&gateway, &key).expect("it was written");
            let [one, other] = ["feature_1", "feature_2"].map(|it| found["columns"][it].as_f64());
            // What was written and not said any more is there whole.
            assert!(one >= Some(f64::from(number)) && one == other, "{key} {number}: {found}");
        }
    }
}

/// The status of a write; `None` where the process is gone.
fn try_send(address: SocketAddr, path: &str, body: &str) -> Option<u16> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    let length = body.len();
    let request = format!(
        "POST /v2/features/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{JSON}\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_removal_says_how_many_rows_went() {
    let gateway = Launch::demo().start();
    let ask = |method, path, key: &str, body| {
        let fields = format!("{JSON}idempotency-key: {key}\r\n");
        let answer = send(gateway.admin, method, path, &fields, body);
        (answer.status, answer.body)
    };
    let removed = |rows, end: &str| (200, format!("{{\"removed\":{rows}{end}}}"));
    assert_eq!(ask("DELETE", "user/never", "a", ""), removed(0, ""));
    assert_eq!(ask("DELETE", "user/user-001", "b", ""), removed(1, ""));
    assert_eq!(ask("DELETE", "user/user-001", "b", ""), removed(1, ",\"repeated\":true"));
    assert_eq!(ask("DELETE", "user/never", "a", ""), removed(0, ",\"repeated\":true"));
    assert_eq!(ask("DELETE", "user/user-001", "c", ""), removed(0, ""));
    // A key is for one request, of all tables.
    let csv = gateway.store().join("other.csv");
    std::fs::write(&csv, "card,limit:double\nc,1\n").unwrap();
    let store = store(&gateway.store());
    let imported = run(shardgate()
        .args(["import", csv.to_str().unwrap(), "--table", "other", "--key", "card"])
        .args(["--store", &store]));
    assert_eq!(imported.status, Some(0), "{imported:?}");
    assert_eq!(ask("POST", "user/u", "k", "{\"feature_1\": 1}").0, 200);
    assert_eq!(ask("POST", "other/c", "k", "{\"limit\": 2}").0, 409);
    assert_eq!(ask("POST", "other/c", "l", "{\"limit\": 2}").0, 200);
    assert_eq!(ask("POST", "user/u", "l", "{\"feature_1\": 1}").0, 409);
}
