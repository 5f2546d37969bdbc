//! Whatever the server of a remote model does, each request is answered: from it, or with the
//! status that says what is wrong; and it is asked again only where nothing of an answer had come.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Served, Setup};

/// What the server does with the requests of one connection, in turn; then it closes it.
type Script = &'static [&'static [u8]];

/// A server that answers by scripts, a connection each, and the shard whose model it computes.
struct Scene {
    served: Served,
    requests: Arc<AtomicUsize>,
}

impl Scene {
    fn new(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for script in scripts {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in script {
                    read_request(&mut stream);
                    seen.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(answer).unwrap();
                }
            }
            // The listener is dropped: from here on connections are refused.
        });
        let manifest = format!(
            "backend = \"remote\"\nurl = \"http://127.0.0.1:{port}/v2/models/x\"\n\
             [[columns]]\nname = \"feature_1\"\n[[columns]]\nname = \"feature_2\"\n"
        );
        Self { served: Setup::with_manifest(&manifest).serve(), requests }
    }

    /// The status of a prediction, and how often the server has been asked by its end.
    fn ask(&self) -> (u16, usize) {
        let status = self.served.client().predict("{\"user_id\": \"user-001\"}").status;
        (status, self.requests.load(Ordering::SeqCst))
    }
}

fn read_request(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let mut room = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ").expect("a length").1;
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if bytes.len() >= head.len() + 4 + length {
                return;
            }
        }
        let count = stream.read(&mut room).unwrap();
        assert_ne!(count, 0, "the request ends early");
        bytes.extend_from_slice(&room[..count]);
    }
}

const SCORE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 87\r\n\r\n\
    {\"outputs\": [{\"name\": \"y\", \"datatype\": \"FP32\", \"shape\": [1], \"data\": [0.25]}], \"x\": 12}";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
    4a\r\n{\"outputs\": [{\"name\": \"y\", \"datatype\": \"FP32\", \"shape\": [1], \"data\": [0.25\r\n\
    4\r\n]}]}\r\n0\r\n\r\n";
const CUT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 87\r\n\r\n{\"outputs\"";
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}";
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"outputs\": []}";
const INTERIM: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

#[test]
fn a_connection_that_ended_while_idle_is_replaced() {
    let scene = Scene::new(vec![&[SCORE], &[CHUNKED, SCORE]]);
    assert_eq!(scene.ask(), (200, 1));
    assert_eq!(scene.ask(), (200, 2), "asked once more, on a new connection");
    assert_eq!(scene.ask(), (200, 3), "on the same");
    assert_eq!(scene.ask(), (503, 3), "now nobody listens");
}

#[test]
fn an_answer_that_breaks_off_is_not_asked_for_again() {
    let scene = Scene::new(vec![&[CUT], &[SCORE]]);
    assert_eq!(scene.ask(), (503, 1));
    assert_eq!(scene.ask(), (200, 2));
}

#[test]
fn a_refusal_is_the_end_of_its_batch_alone() {
    let scene = Scene::new(vec![&[REFUSAL, SCORE, BUSY, SHORT, SCORE, INTERIM, SCORE]]);
    let statuses = [500, 200, 503, 500, 200, 503, 200];
    for (index, status) in statuses.into_iter().enumerate() {
        assert_eq!(scene.ask(), (status, index + 1));
    }
}

#[test]
fn a_row_that_it_refuses_does_not_fail_the_others() {
    let scene = Scene::new(vec![&[REFUSAL, SCORE, REFUSAL, SCORE]]);
    let users = "[{\"user_id\": \"a\"}, {\"user_id\": \"b\"}, {\"user_id\": \"c\"}]";
    let answer = scene.served.client().predict(users);
    let members: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((&members[0]["score"], &members[2]["score"]), (&0.25.into(), &0.25.into()));
    assert_eq!(members[1]["status"], 500, "{members}");
    assert_eq!(scene.requests.load(Ordering::SeqCst), 4, "all at once, then one by one");
}

#[test]
fn what_is_not_http_is_refused() {
    let scene =
        Scene::new(vec![&[b"SSH-2.0-server\r\n\r\n"], &[b"HTTP/1.1 200 OK\r\n\r\n"], &[SCORE]]);
    assert_eq!(scene.ask(), (503, 1));
    assert_eq!(scene.ask(), (503, 2), "a body of unknown length");
    assert_eq!(scene.ask(), (200, 3));
}
