//! A request's id comes back with its answer, whatever the answer is, and one is made where that
//! is configured; its trace goes on to the server that computes the model.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use crate::support::{Client, Setup, post_to};
use shards::http::RequestIds;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn ask(client: &mut Client, path: &str, fields: &str, body: &str) -> crate::support::Response {
    client.ask(post_to(path, fields, body))
}

#[test]
fn an_id_comes_back_with_every_answer() {
    for request_ids in [RequestIds::Echo, RequestIds::Make] {
        let setup = Setup::of("demo-logistic").settings(|all| all.request_ids = request_ids);
        let served = setup.serve();
        let mut client = served.client();
        let mut made = HashSet::new();
        for (path, body, status) in [
            ("/predict", "{\"user_id\": \"applicant-0001\"}", 200),
            ("/predict", "[{\"user_id\": \"applicant-0001\"}, {}]", 200),
            ("/predict", "{", 400),
            ("/predict/none", "{}", 404),
            ("/nowhere", "", 404),
        ] {
            let sent = ask(&mut client, path, "x-request-id: a-b.1\r\n", body);
            assert_eq!((sent.status, sent.field("x-request-id")), (status, Some("a-b.1")));
            let without = ask(&mut client, path, "", body);
            assert_eq!(without.status, status);
            let id = without.field("x-request-id");
            assert_eq!(id.is_some(), request_ids == RequestIds::Make, "{without:?}");
            made.extend(id.map(str::to_owned));
        }
        assert!(made.iter().all(|id| id.len() == 32), "{made:?}");
        assert_eq!(made.len(), if request_ids == RequestIds::Make { 5 } else { 0 });
    }
}

/// A server that takes requests of known length and tells their heads; its port.
fn remote() -> (u16, Receiver<String>) {
    const SCORE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 78\r\n\r\n\
        {\"outputs\": [{\"name\": \"y\", \"datatype\": \"FP32\", \"shape\": [1], \"data\": [0.25]}]}";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut room = [0; 16_384];
        loop {
            let mut bytes = Vec::new();
            // The shard writes a request at once; its end is that of the cells of one row.
            while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                match stream.read(&mut room) {
                    Ok(0) | Err(_) => return,
                    Ok(count) => bytes.extend_from_slice(&room[..count]),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            let head = text.split_once("\r\n\r\n").unwrap().0.to_owned();
            if sender.send(head).is_err() || stream.write_all(SCORE).is_err() {
                return;
            }
        }
    });
    (port, heads)
}

#[test]
fn a_trace_goes_on_to_the_models_server() {
    let (port, heads) = remote();
    let manifest = format!(
        "backend = \"remote\"\nurl = \"http://127.0.0.1:{port}/v2/models/x\"\n\
         [[columns]]\nname = \"feature_1\"\n"
    );
    let served = Setup::with_manifest(&manifest).serve();
    let mut client = served.client();
    let body = "{\"user_id\": \"applicant-0001\"}";
    for (sent, gone_on) in [
        (format!("traceparent: {TRACE}\r\n"), Some(TRACE)),
        (String::new(), None),
        (format!("traceparent: {}\r\n", TRACE.replace("00-", "ff-")), None),
        (format!("traceparent: {TRACE}\r\n").repeat(2), None),
    ] {
        assert_eq!(ask(&mut client, "/predict", &sent, body).status, 200);
        let head = heads.recv().expect("the server is asked");
        let found = head.lines().find_map(|line| line.strip_prefix("traceparent: "));
        assert_eq!(found, gone_on, "{sent}");
    }
}
