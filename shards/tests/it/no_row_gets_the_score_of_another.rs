//! A model's server that answers twice, late, or to another request never gives a row the score of
//! another: the row gets its own, from a connection on which nothing else was asked, or none.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::support::model_server::{Deed, ReceivedRequest, says, score, scored, send, with_id};
use crate::support::{ModelServer, Served, Setup};

const WRONG: f64 = -1.0;

struct Scene {
    served: Served,
    server: ModelServer,
}

impl Scene {
    fn new(scripts: Vec<Vec<Deed>>) -> Self {
        let server = ModelServer::start(scripts);
        Self { served: Setup::with_manifest(&server.manifest()).serve(), server }
    }

    /// The score of a prediction, or the status where it has none; and where the server was asked.
    fn ask(&self) -> (Result<f64, u16>, Vec<usize>) {
        let answer = self.served.client().predict("{\"user_id\": \"user-001\"}");
        let score = if answer.status == 200 { Ok(answer.score()) } else { Err(answer.status) };
        let asked = self.server.asked();
        (score, asked.iter().map(|asked| asked.connection).collect())
    }
}

/// Answers; when told to, says something that nobody asked for; and tells when that has arrived.
fn goes_on(unasked: &'static str) -> (Deed, Sender<()>, Receiver<()>) {
    let ((go, told), (sender, arrived)) = (channel(), channel());
    let deed: Deed = Box::new(move |asked, stream| {
        send(stream, &with_id(score(0.5).as_bytes(), asked));
        told.recv().expect("the test goes on");
        send(stream, unasked.as_bytes());
        let _ = sender.send(());
    });
    (deed, go, arrived)
}

#[test]
fn what_came_before_a_request_was_sent_is_not_its_answer() {
    for unasked in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "\r\n",
        "\0",
    ] {
        let (first, go, arrived) = goes_on(unasked);
        let scene = Scene::new(vec![vec![first, says(score(WRONG))], vec![says(score(0.25))]]);
        assert_eq!(scene.ask(), (Ok(0.5), vec![0]));
        go.send(()).expect("the server waits");
        arrived.recv().expect("it is sent");
        assert_eq!(scene.ask(), (Ok(0.25), vec![1]), "nothing is sent on the first: {unasked:?}");
    }
}

#[test]
fn what_came_with_an_answer_ends_its_connection() {
    let both = score(0.5) + &score(WRONG);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = score(0.5).split_once("\r\n\r\n").unwrap().1.to_owned();
    let chunked = format!("{chunked}{:x}\r\n{body}\r\n0\r\n\r\n{}", body.len(), score(WRONG));
    for answers in [both, chunked] {
        let first = vec![says(answers), says(score(WRONG))];
        let scene = Scene::new(vec![first, vec![says(score(0.25))]]);
        assert_eq!(scene.ask(), (Ok(0.5), vec![0]));
        assert_eq!(scene.ask(), (Ok(0.25), vec![1]));
    }
}

#[test]
fn an_answer_to_an_earlier_request_is_not_taken_for_that_to_the_next() {
    let (sender, earlier) = channel();
    let first: Deed = Box::new(move |asked, stream| {
        send(stream, &with_id(score(0.5).as_bytes(), asked));
        sender.send(asked.clone()).unwrap();
    });
    // It comes when the next request has been sent: nothing could be seen before that.
    let late: Deed = Box::new(move |asked, stream| {
        let earlier: ReceivedRequest = earlier.recv().unwrap();
        assert_ne!(earlier.id(), asked.id());
        send(stream, &with_id(score(WRONG).as_bytes(), &earlier));
        send(stream, &with_id(score(WRONG).as_bytes(), asked));
    });
    let scene = Scene::new(vec![vec![first, late], vec![says(score(0.25)), says(score(0.75))]]);
    assert_eq!(scene.ask(), (Ok(0.5), vec![0]));
    assert_eq!(scene.ask(), (Ok(0.25), vec![0, 1]), "asked again where nothing else was asked");
    assert_eq!(scene.ask(), (Ok(0.75), vec![1]));
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let other = scored("\"id\": \"another\", ", WRONG);
    let scene = Scene::new(vec![vec![says(other)], vec![says(score(0.25))]]);
    assert_eq!(scene.ask(), (Err(503), vec![0]));
    assert_eq!(scene.ask(), (Ok(0.25), vec![1]));
}

#[test]
fn a_server_without_ids_is_asked_once_on_each_connection() {
    let scripts = (0..3).map(|at| vec![says(scored("", f64::from(at))), says(score(WRONG))]);
    let scene = Scene::new(scripts.collect());
    for at in 0..3 {
        assert_eq!(scene.ask(), (Ok(at as f64), vec![at]));
    }
    // One that has ids, and answers once without: that may be an answer to anything.
    let again = vec![says(score(0.5)), says(scored("", WRONG))];
    let scene = Scene::new(vec![again, vec![says(score(0.25))]]);
    assert_eq!(scene.ask(), (Ok(0.5), vec![0]));
    assert_eq!(scene.ask(), (Ok(0.25), vec![0, 1]));
}

#[test]
fn a_server_without_ids_is_told_that_its_connection_ends() {
    let server = ModelServer::start(vec![vec![says(scored("", 0.5))], vec![says(scored("", 0.5))]]);
    let served = Setup::with_manifest(&server.manifest()).serve();
    for expected in [None, Some("close")] {
        assert_eq!(served.client().predict("{\"user_id\": \"user-001\"}").status, 200);
        assert_eq!(server.asked()[0].field("connection"), expected);
    }
}
