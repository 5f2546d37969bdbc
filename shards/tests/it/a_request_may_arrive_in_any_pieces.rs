//! Where a request is cut on its way makes no difference: at any byte, at every byte, or not at
//! all.

use crate::support::{Client, Served, Setup, pause, post, wait_until};

const EXPECTED: &str = "{\"user_id\": \"user-002\", \"score\": ";

fn chunked() -> Vec<u8> {
    b"\r\nPOST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
      5;quoted=\"a;b\"\r\n{\"use\r\n000E  \r\nr_id\": \"user-0\r\n4\r\n02\"}\r\n0\r\ntrailer: x\r\n\r\n"
        .to_vec()
}

/// Sends `first`, lets the shard read it, then sends the rest.
fn in_two(served: &Served, client: &mut Client, bytes: &[u8], cut: usize) {
    client.send(&bytes[..cut]);
    // The other connection's answer says that the shard has been through its connections since.
    served.client().predict("{\"user_id\": 1}");
    client.send(&bytes[cut..]);
}

#[test]
fn cut_at_each_byte() {
    let served = Setup::of("demo-logistic").serve();
    for request in [post("{\"user_id\": \"user-002\"}"), chunked()] {
        let mut client = served.client();
        for cut in 1..request.len() {
            in_two(&served, &mut client, &request, cut);
            let answer = client.receive();
            assert_eq!(answer.status, 200, "cut at {cut}: {answer:?}");
            assert!(answer.body.starts_with(EXPECTED), "cut at {cut}: {answer:?}");
        }
        client.expect_silence();
    }
}

#[test]
fn byte_by_byte_beside_a_pipelined_neighbour() {
    let served = Setup::of("demo-logistic").serve();
    for request in [post("{\"user_id\": \"user-002\"}"), chunked()] {
        let mut client = served.client();
        let mut neighbour = served.client();
        for byte in &request {
            client.send([*byte]);
            assert_eq!(neighbour.predict("{\"user_id\": 1}").status, 200);
        }
        assert!(client.receive().body.starts_with(EXPECTED));
    }
}

#[test]
fn two_requests_cut_between_and_within() {
    let served = Setup::of("demo-logistic").serve();
    let mut request = post("{\"user_id\": \"user-002\"}");
    request.extend(chunked());
    request.extend(post("{\"user_id\": \"user-002\"}"));
    for cut in 1..request.len() {
        let mut client = served.client();
        in_two(&served, &mut client, &request, cut);
        for _ in 0..3 {
            assert!(client.receive().body.starts_with(EXPECTED), "cut at {cut}");
        }
        client.expect_silence();
    }
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    for framing in ["content-length: 23", "transfer-encoding: chunked"] {
        client.send(format!(
            "POST /predict HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\n{framing}\r\n\r\n"
        ));
        let interim = client.receive_head();
        assert_eq!(interim.head, "HTTP/1.1 100 Continue\r\n\r\n", "{framing}");
        if framing.contains("chunked") {
            client.send("17\r\n{\"user_id\": \"user-002\"}\r\n0\r\n\r\n");
        } else {
            client.send("{\"user_id\": \"user-002\"}");
        }
        assert!(client.receive().body.starts_with(EXPECTED));
    }
    // Refused from its head alone: the body is not asked for.
    client.send("POST /predict HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9999999\r\n\r\n");
    assert_eq!(client.receive().status, 413);
    client.expect_end();
}

#[test]
fn an_invitation_comes_after_the_answers_before_it() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    let mut request = post("{\"user_id\": \"user-001\"}").repeat(3);
    request.extend(
        b"POST /predict HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 23\r\n\r\n",
    );
    client.send(request);
    for _ in 0..3 {
        assert!(client.receive().body.contains("user-001"));
    }
    assert_eq!(client.receive_head().status, 100);
    client.send("{\"user_id\": \"user-002\"}");
    assert!(client.receive().body.starts_with(EXPECTED));
    client.expect_silence();
}

#[test]
fn chunks_that_are_all_framing_take_no_memory() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    client.send("POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let before = resident_bytes();
    let chunk = format!("1;{}\r\n \r\n", "x".repeat(1_000));
    // 64 MiB of framing around 64 KiB of spaces, of which the shard reads as much as it likes.
    for _ in 0..64 {
        client.send_what_goes(chunk.repeat(1_024));
    }
    assert_eq!(client.receive().status, 431);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
}

/// The most memory that the process has had so far.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

#[test]
fn a_half_request_stays_unanswered_until_the_client_goes() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    client.send("POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{\"user_id\"");
    pause(std::time::Duration::from_millis(50));
    client.expect_silence();
    drop(client);
    wait_until("the connection is closed", || served.counters().connections_open.get() == 0);
}
