//! A client that goes away at any moment costs nobody anything: its rows leave the queue, its
//! memory is given back, and everybody else is answered.

use std::net::Shutdown;

use crate::support::{Served, Setup, post, wait_until};

/// Waits until the shard is done with `clients` clients, and serves the next one.
fn settled(served: &Served, clients: u64) {
    let counters = served.counters();
    wait_until("all were accepted", || counters.connections_accepted.get() == clients);
    wait_until("every connection is closed", || counters.connections_open.get() == 0);
    wait_until("nothing waits", || served.lane().counters.queue_rows.get() == 0);
    assert_eq!(served.client().predict("{\"user_id\": \"user-001\"}").status, 200);
}

#[test]
fn in_the_middle_of_a_request() {
    let served = Setup::of("demo-logistic").serve();
    let request = post("{\"user_id\": \"user-001\"}");
    for cut in 0..request.len() {
        let mut client = served.client();
        client.send(&request[..cut]);
    }
    settled(&served, request.len() as u64);
    assert_eq!(served.lane().counters.batches.get(), 1);
}

#[test]
fn while_its_requests_wait() {
    let served = Setup::of("demo-logistic").serve();
    for _ in 0..200 {
        let mut client = served.client();
        client.send(post("{\"user_id\": \"user-001\"}").repeat(64));
        // With an answer unread, the kernel resets the connection rather than ending it.
        drop(client);
    }
    settled(&served, 200);
}

#[test]
fn after_it_said_that_it_has_nothing_more_to_send() {
    let setup = Setup::of("demo-logistic").settings(|settings| {
        settings.http.answer_half_closed = true;
        settings.http.pipelined_requests_max = 2;
    });
    let served = setup.serve();
    let mut client = served.client();
    client.send(post("{\"user_id\": \"user-001\"}").repeat(9));
    client.stream().shutdown(Shutdown::Write).unwrap();
    for _ in 0..9 {
        assert_eq!(client.receive().status, 200);
    }
    client.expect_end();
    drop(client);
    settled(&served, 1);
}

#[test]
fn its_rows_leave_the_queue() {
    let served = Setup::of("credit-risk").serve();
    let rows: Vec<_> = (0..1_000).map(|row| format!("{{\"user_id\": {row}}}")).collect();
    let array = post(&format!("[{}]", rows.join(",")));
    let mut gone = 0;
    for _ in 0..50 {
        let mut client = served.client();
        client.send(&array);
        client.stream().shutdown(Shutdown::Both).unwrap();
        drop(client);
        gone += 1_000;
    }
    settled(&served, 50);
    let lane = served.lane();
    let counters = &lane.counters;
    let scored: u64 = counters.rows.iter().map(shards::telemetry::Counter::get).sum();
    // Each row was scored, or left before it was; one of them is the settled client's.
    assert!(scored + counters.rows_abandoned.get() <= gone + 1, "{scored}");
    assert!(counters.rows_abandoned.get() > 0, "none of {gone} rows left the queue");
}
