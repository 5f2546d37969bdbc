//! A client that takes too long over a request gets 408, one that is silent is let go, one that
//! does not read is cut off; and one that is slow within its limits is served.

use std::io::{Read, Write};
use std::time::Duration;

use shards::http1::HttpLimits;

use crate::support::{Client, Served, Setup, pause, post, wait_until};

fn shard(change: impl FnOnce(&mut HttpLimits)) -> Served {
    Setup::of("demo-logistic").settings(|settings| change(&mut settings.http)).serve()
}

#[test]
fn a_head_that_does_not_end() {
    let served = shard(|limits| limits.head_timeout_ms = 50);
    let mut client = served.client();
    client.send("POST /predict HTTP/1.1\r\nhost: a\r\n");
    let answer = client.receive();
    assert_eq!((answer.status, answer.field("connection")), (408, Some("close")));
    client.expect_end();
}

#[test]
fn a_head_that_trickles() {
    let served = shard(|limits| limits.head_timeout_ms = 100);
    let mut client = served.client();
    // Each byte comes in time; the head as a whole does not.
    let mut sender = client.stream().try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while sender.write_all(b"x").is_ok() {
                pause(Duration::from_millis(10));
            }
        });
        assert_eq!(client.receive().status, 408);
        client.expect_end();
    });
}

#[test]
fn a_body_that_does_not_end() {
    let served = shard(|limits| limits.body_timeout_ms = 50);
    for framing in ["content-length: 5\r\n\r\n1234", "transfer-encoding: chunked\r\n\r\n5\r\n12"] {
        let mut client = served.client();
        client.send(format!("POST /predict HTTP/1.1\r\nhost: a\r\n{framing}"));
        assert_eq!(client.receive().status, 408, "{framing}");
        client.expect_end();
    }
}

#[test]
fn a_request_behind_others_is_timed_from_their_end() {
    let served = shard(|limits| limits.head_timeout_ms = 50);
    let mut client = served.client();
    let mut request = post("{\"user_id\": \"user-001\"}");
    request.extend(b"POST /predict");
    client.send(request);
    assert_eq!(client.receive().status, 200);
    assert_eq!(client.receive().status, 408);
    client.expect_end();
}

#[test]
fn a_silent_connection_is_let_go() {
    let served = shard(|limits| limits.idle_timeout_ms = 50);
    let mut fresh = served.client();
    let mut used = served.client();
    assert_eq!(used.predict("{\"user_id\": \"user-001\"}").status, 200);
    fresh.expect_end();
    used.expect_end();
}

#[test]
fn one_whose_requests_fail_at_once_is_not_silent() {
    let served = shard(|limits| limits.idle_timeout_ms = 3_000);
    let mut client = served.client();
    for _ in 0..40 {
        assert_eq!(client.ask("GET /x HTTP/1.1\r\nhost: a\r\n\r\n").status, 404);
        pause(Duration::from_millis(100));
    }
}

#[test]
fn one_that_does_not_read_is_cut_off() {
    let served = shard(|limits| limits.write_timeout_ms = 50);
    let _client = stuck(&served);
    wait_until("it is cut off", || served.counters().connections_open.get() == 0);
    assert_eq!(served.counters().connections_cut.get(), 1);
}

/// A client that has far more to read than the kernel holds for it, and reads nothing.
fn stuck(served: &Served) -> Client {
    let client = served.client();
    client.stream().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let rows = vec!["{\"user_id\": 1}"; 1_000].join(",");
    let request = post(&format!("[{rows}]"));
    // Until the kernel's buffers are full on both sides, or the shard has hung up.
    while client.stream().write_all(&request).is_ok() {}
    client
}

#[test]
fn one_that_reads_a_little_now_and_then_is_cut_off_too() {
    let served = shard(|limits| {
        limits.write_timeout_ms = 1_500;
        limits.write_bytes_per_s_min = 10_000_000;
    });
    let client = stuck(&served);
    // It takes 38 kB in its 1.5 s at most; the answers are written in pieces of 262 kB, each of
    // which has these 1.5 s.
    wait_until("it is cut off", || {
        let _ = client.stream().read(&mut [0; 256]);
        served.counters().connections_open.get() == 0
    });
    assert_eq!(served.counters().connections_cut.get(), 1);
}

#[test]
fn those_that_leave_most_lying_make_room_for_others() {
    let limit = 1_000_000;
    let served = shard(|limits| limits.buffered_bytes_max = limit);
    let kept = &served.counters().buffered_bytes;
    let clients: Vec<Client> = (0..8).map(|_| stuck(&served)).collect();
    // Some were cut off as they became too many.
    assert!(kept.get() <= limit as u64, "{} bytes are kept", kept.get());
    assert!(served.counters().connections_cut.get() > 0);
    for _ in 0..20 {
        let mut client = served.client();
        let request = post("{\"user_id\": \"user-001\"}");
        client.send(&request[..50]);
        pause(Duration::from_millis(20));
        client.send(&request[50..]);
        assert_eq!(client.receive().status, 200, "{} bytes are kept", kept.get());
    }
    drop(clients);
    wait_until("what was kept is given back", || kept.get() == 0);
}
