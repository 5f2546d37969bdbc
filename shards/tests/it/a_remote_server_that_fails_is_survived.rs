//! Whatever the server of a remote model does, each request is answered: from it, or with the
//! status that says what is wrong; and it is asked again only where nothing of an answer had come.

use crate::support::model_server::{Deed, says, send};
use crate::support::{ModelServer, Served, Setup};

/// What the server does with the requests of one connection, in turn; then it closes it.
type Script = &'static [&'static [u8]];

/// A server that answers by scripts, a connection each, and the shard whose model it computes.
struct Scene {
    served: Served,
    server: ModelServer,
}

impl Scene {
    fn new(scripts: Vec<Script>) -> Self {
        let deeds = |script: Script| script.iter().map(|answer| says(*answer)).collect();
        Self::of(scripts.into_iter().map(deeds).collect())
    }

    fn of(scripts: Vec<Vec<Deed>>) -> Self {
        let server = ModelServer::start(scripts);
        Self { served: Setup::with_manifest(&server.manifest()).serve(), server }
    }

    /// The status of a prediction, and how often the server was asked for it.
    fn ask(&self) -> (u16, usize) {
        let status = self.served.client().predict("{\"user_id\": \"user-001\"}").status;
        (status, self.server.asked().len())
    }
}

const SCORE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 104\r\n\r\n\
    {\"id\": \"################\", \"outputs\": [{\"name\": \"y\", \"datatype\": \"FP32\", \"shape\": [1], \
    \"data\": [0.25]}]}";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
    64\r\n{\"id\": \"################\", \"outputs\": [{\"name\": \"y\", \"datatype\": \"FP32\", \
    \"shape\": [1], \"data\": [0.25\r\n\
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
    assert_eq!(scene.ask(), (200, 1), "on a new connection");
    assert_eq!(scene.ask(), (200, 1), "on the same");
    assert_eq!(scene.ask(), (503, 0), "now nobody listens");
}

#[test]
fn an_answer_that_breaks_off_is_not_asked_for_again() {
    let scene = Scene::new(vec![&[CUT], &[SCORE]]);
    assert_eq!(scene.ask(), (503, 1));
    assert_eq!(scene.ask(), (200, 1));
}

#[test]
fn a_refusal_is_the_end_of_its_batch_alone() {
    let scene = Scene::new(vec![&[REFUSAL, SCORE, BUSY, SHORT], &[SCORE, INTERIM, SCORE]]);
    for status in [500, 200, 503, 500, 200, 503, 200] {
        assert_eq!(scene.ask(), (status, 1));
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
    assert_eq!(scene.server.asked().len(), 4, "all at once, then one by one");
}

#[test]
fn what_is_not_http_is_refused() {
    let two_lengths = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n";
    let two_ends =
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    for answer in [&b"SSH-2.0-server\r\n\r\n"[..], two_lengths, two_ends] {
        let scene = Scene::of(vec![vec![says(answer)], vec![says(SCORE)]]);
        assert_eq!(scene.ask(), (503, 1), "{}", String::from_utf8_lossy(answer));
        assert_eq!(scene.ask(), (200, 1));
    }
}

#[test]
fn what_never_ends_is_given_up_before_its_time() {
    for piece in ["HTTP/1.1 100\r\n\r\n", "HTTP/1.1 103 Hints\r\nx: y\r\n\r\n", "HTTP/1.1 200\r\n"]
    {
        let flood: Deed = Box::new(move |_, stream| {
            let pieces = piece.repeat(1_000);
            while std::io::Write::write_all(stream, pieces.as_bytes()).is_ok() {}
        });
        let scene = Scene::of(vec![vec![flood], vec![says(SCORE)]]);
        // Waiting for the end of the time limit would be 504.
        assert_eq!(scene.ask(), (503, 1), "{piece:?}");
        assert_eq!(scene.ask(), (200, 1));
    }
}

#[test]
fn a_connection_that_was_idle_for_too_long_is_replaced() {
    const IDLE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";
    let late: Deed = Box::new(|_, stream| send(stream, IDLE));
    let scene = Scene::of(vec![vec![says(SCORE), late], vec![says(SCORE), says(SCORE)]]);
    assert_eq!(scene.ask(), (200, 1));
    assert_eq!(scene.ask(), (200, 2), "asked once more, on a new connection");
    assert_eq!(scene.ask(), (200, 1));
    let alone = Scene::of(vec![vec![says(IDLE)]]);
    assert_eq!(alone.ask(), (503, 1), "on a new connection it is an outage");
}
