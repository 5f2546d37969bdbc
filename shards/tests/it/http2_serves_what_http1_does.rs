//! A path answers over HTTP/2 as over HTTP/1.1: the same status, fields and body, on the same port,
//! plain or by ALPN; and a thousand streams of one connection are each answered with their own.

use serde_json::Value;

use crate::support::http2_client::{request, whole};
use crate::support::served::golden;
use crate::support::{Http2Client, Setup, post_to, wait_until};

/// A POST and its body.
fn ask(client: &Http2Client, method: &str, path: &str, body: &str) -> (u16, String, Vec<String>) {
    let answer = client.ask(request(method, path, &[]), body.to_owned());
    let fields = answer.fields.iter().filter(|(name, _)| *name != "date");
    let mut fields: Vec<_> =
        fields.map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII"))).collect();
    fields.sort();
    (answer.status, String::from_utf8(answer.body.to_vec()).expect("UTF-8"), fields)
}

#[test]
fn field_by_field() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let tensors = serde_json::json!({"inputs": [
        {"name": "user_id", "datatype": "BYTES", "shape": [1], "data": ["user-001"]}
    ]})
    .to_string();
    for (method, path, body) in [
        ("POST", "/predict", "{\"user_id\": \"user-001\"}"),
        ("POST", "/predict", "[{\"user_id\": \"user-001\"}, {\"user_id\": \"nobody\"}]"),
        ("POST", "/predict", "{"),
        ("POST", "/predict", ""),
        ("POST", "/v2/models/demo-logistic/infer", &tensors),
        ("POST", "/v2/models/nobody/infer", &tensors),
        ("GET", "/v2", ""),
        ("GET", "/v2/health/ready", ""),
        ("GET", "/v2/models/demo-logistic", ""),
        ("GET", "/nothing", ""),
        ("GET", "/predict", ""),
        ("HEAD", "/v2/health/live", ""),
        ("BREW", "/v2", ""),
    ] {
        let found = ask(&client, method, path, body);
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
        let mut plain = served.client();
        let answer = match method {
            "POST" if !body.is_empty() => plain.ask(post_to(path, "", body)),
            "HEAD" => {
                plain.send(format!("{head}\r\n"));
                plain.receive_head()
            }
            _ => plain.ask(format!("{head}\r\n")),
        };
        let fields = answer.head.lines().skip(1).filter(|line| {
            !line.is_empty() && !line.starts_with("date: ") && !line.starts_with("connection: ")
        });
        let mut fields: Vec<_> = fields.map(str::to_owned).collect();
        fields.sort();
        assert_eq!(found, (answer.status, answer.body, fields), "{method} {path} {body}");
    }
}

#[test]
fn a_thousand_streams_of_one_connection() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let golden = golden("demo-logistic");
    let answers = client.run(async {
        let mut streams = Vec::new();
        for number in 0..1_000 {
            let (user, _) = &golden[number % golden.len()];
            let body = format!("{{\"user_id\": \"{user}\"}}");
            // The last byte is held back, so that all are open at once.
            let (most, last) = body.split_at(body.len() - 1);
            let request = request("POST", "/predict", &[]);
            let stream = client.open(request, most.to_owned().into(), false).await;
            streams.push((stream, last.to_owned()));
        }
        for (stream, last) in &mut streams {
            stream.sender.send_data(last.clone().into(), true).expect("sent");
        }
        let mut answers = Vec::new();
        for (stream, _) in streams {
            answers.push(whole(stream.response).await.expect("a response"));
        }
        answers
    });
    for (number, answer) in answers.iter().enumerate() {
        let (user, score) = &golden[number % golden.len()];
        let body: Value = serde_json::from_slice(&answer.body).expect("a document");
        assert_eq!(body["user_id"], *user);
        assert!((body["score"].as_f64().expect("a score") - score).abs() < 1e-5, "{body}");
    }
    assert_eq!(served.counters().connections_accepted.get(), 1);
    // Its shard counts after it has written.
    wait_until("nothing is kept", || served.counters().buffered_bytes.get() == 0);
}

#[test]
fn where_it_is_switched_off_there_is_none() {
    let setup = Setup::of("demo-logistic").settings(|settings| settings.http2.enabled = false);
    let served = setup.serve();
    let answer = served.client().ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(answer.status, 505, "{answer:?}");
}

#[test]
fn bodies_that_are_too_long_or_packed() {
    let setup =
        Setup::of("demo-logistic").settings(|settings| settings.http.body_bytes_max = 1_000);
    let served = setup.serve();
    let client = Http2Client::connect(served.address);
    let long = format!("{{\"user_id\": \"{}\"}}", "u".repeat(1_000));
    assert_eq!(ask(&client, "POST", "/predict", &long).0, 413);
    let packed = request("POST", "/predict", &[("content-encoding", "br")]);
    assert_eq!(client.ask(packed, "x").status, 415);
    assert_eq!(ask(&client, "POST", "/predict", "{\"user_id\": \"user-001\"}").0, 200);
}
