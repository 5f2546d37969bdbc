//! When a shard is told to stop, every connection that was accepted and every request that was
//! sent is answered before it ends.

use std::cell::RefCell;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{Client, Setup, post, post_to, wait_until};
use shards::shard::{AdminReply, AdminReplyKind, Command, RepositoryRequest};

#[test]
fn requests_that_arrived_before_the_stop() {
    let served = Setup::of("credit-risk").serve();
    let mut clients: Vec<_> = (0..64).map(|_| served.client()).collect();
    // Once around, so that every connection is the shard's and not the kernel's.
    for client in &mut clients {
        assert_eq!(client.predict("{\"user_id\": \"applicant-0001\"}").status, 200);
    }
    for client in &mut clients {
        client.send(post("{\"user_id\": \"applicant-0002\"}").repeat(20));
    }
    served.shutdown.begin();
    for client in &mut clients {
        for number in 1..=20 {
            let answer = client.receive();
            assert_eq!(answer.status, 200);
            // A connection ends only after its last answer, whenever the stop came between them.
            assert!(number == 20 || answer.field("connection").is_none(), "{number}");
        }
        client.expect_end();
    }
    served.stop();
}

#[test]
fn requests_that_arrive_after_the_stop() {
    let served = Setup::of("demo-logistic").serve();
    let mut idle = served.client();
    let mut half = served.client();
    assert_eq!(idle.predict("{\"user_id\": \"user-001\"}").status, 200);
    let request = post("{\"user_id\": \"user-001\"}");
    half.send(&request[..30]);
    // Connected, and not yet accepted as far as this test knows.
    let mut fresh: Vec<_> = (0..10).map(|_| served.client()).collect();
    served.shutdown.begin();
    for client in fresh.iter_mut().chain([&mut idle]) {
        // The shard hears of it at its next tick; until then a connection goes on.
        loop {
            let answer = client.predict("{\"user_id\": \"user-001\"}");
            assert_eq!(answer.status, 200);
            if answer.field("connection") == Some("close") {
                break;
            }
        }
        client.expect_end();
    }
    half.send(&request[30..]);
    let answer = half.receive();
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    served.stop();
}

#[test]
fn requests_whose_answers_come_after_the_stop() {
    let setup =
        Setup::of("demo-logistic").settings(|settings| settings.takes_repository_requests = true);
    let served = setup.serve();
    let mut lone = served.client();
    let mut followed = served.client();
    // What the process answers can wait for as long as a test needs.
    let waiting = post_to("/v2/repository/index", "", "{}");
    let next = post("{\"user_id\": \"user-001\"}");
    lone.send(&waiting);
    followed.send([&waiting[..], &next[..30]].concat());
    let asked = RefCell::new(Vec::new());
    wait_until("both wait", || {
        asked.borrow_mut().extend(served.shared.take_requests());
        asked.borrow().len() == 2
    });
    let mut other = served.client();
    served.shutdown.begin();
    while other.predict("{\"user_id\": \"user-001\"}").field("connection").is_none() {}
    for RepositoryRequest { number, .. } in asked.into_inner() {
        let reply = AdminReply { kind: AdminReplyKind::Done, body: b"[]".to_vec() };
        served.shared.send(Command::Reply { number, reply });
    }
    assert_eq!(lone.receive().field("connection"), Some("close"));
    lone.expect_end();
    // What has begun to arrive is waited for, so the answer before it is not the last.
    assert_eq!(followed.receive().field("connection"), None);
    followed.send(&next[30..]);
    let last = followed.receive();
    assert_eq!((last.status, last.field("connection")), (200, Some("close")));
    followed.expect_end();
    served.stop();
}

#[test]
fn connections_that_keep_coming_while_it_stops() {
    let served = Setup::of("demo-logistic").serve();
    let address = served.address;
    let (answered, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // A connection that is made is answered, until the port is closed.
                while let Ok(stream) = TcpStream::connect(address) {
                    let mut client = Client::from(stream);
                    assert_eq!(client.predict("{\"user_id\": \"user-001\"}").status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                assert!(stopped.load(Ordering::Acquire), "refused before the stop");
            });
        }
        wait_until("there is load", || answered.load(Ordering::Relaxed) > 200);
        stopped.store(true, Ordering::Release);
        served.stop();
    });
}

#[test]
fn silent_connections_do_not_keep_it() {
    let setup = Setup::of("demo-logistic").settings(|settings| {
        settings.http.drain_idle_ms = 50;
        settings.http.drain_ms_max = 60_000;
    });
    let served = setup.serve();
    let mut silent: Vec<_> = (0..20).map(|_| served.client()).collect();
    wait_until("they are accepted", || served.counters().connections_open.get() == 20);
    served.stop();
    for client in &mut silent {
        client.expect_end();
    }
}

#[test]
fn one_that_does_not_read_does_not_keep_it_for_ever() {
    let setup = Setup::of("demo-logistic").settings(|settings| {
        settings.http.drain_ms_max = 300;
    });
    let served = setup.serve();
    let rows = vec!["{\"user_id\": 1}"; 1_000].join(",");
    let request = post(&format!("[{rows}]"));
    let client = served.client();
    client.stream().set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    while client.stream().write_all(&request).is_ok() {}
    served.stop();
}
