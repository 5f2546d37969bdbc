//! What slow clients had the gateway keep goes back to the system when they have gone, not only to
//! the allocator, whatever is still kept for others: else `max_buffered_bytes` bounds half of it.

use crate::support::{Client, Gateway, Launch, wait_until};

const BODY_BYTES: usize = 4 << 20;
/// More than one connection's, so that a page here and there does not count.
const MARGIN_BYTES: usize = BODY_BYTES * 3 / 2;

/// What the process has in memory.
fn resident_bytes(gateway: &Gateway) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", gateway.id())).unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// A gauge of the gateway's connections.
fn gauge(gateway: &Gateway, name: &str) -> usize {
    let mut operator = Client::connect(gateway.admin);
    let text = operator.ask("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").body;
    let line = format!("shardgate_connections{name}{{shard=\"0\"}} ");
    text.lines().find_map(|it| it.strip_prefix(&*line)).unwrap().parse().unwrap()
}

fn kept_bytes(gateway: &Gateway) -> usize {
    gauge(gateway, "_buffered_bytes")
}

/// A client that has sent all of its body but for the end.
fn slow_client(gateway: &Gateway) -> Client {
    let before = kept_bytes(gateway);
    let mut client = gateway.client();
    let body = "x".repeat(BODY_BYTES - 1);
    client.send(format!(
        "POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY_BYTES}\r\n\r\n{body}"
    ));
    wait_until("it has arrived", || kept_bytes(gateway) >= before + BODY_BYTES);
    client
}

#[test]
fn while_others_are_still_slow() {
    let limits = format!("[http]\nbody_bytes_max = {BODY_BYTES}\nbody_timeout_ms = 3600000\n");
    let gateway = Launch::demo().config(&limits).start();
    // The allocator has seen such sizes before.
    drop(slow_client(&gateway));
    wait_until("the first has gone", || kept_bytes(&gateway) == 0);
    let mut clients: Vec<_> = (0..8).map(|_| slow_client(&gateway)).collect();
    let all = resident_bytes(&gateway);
    // Every second one goes, so that each leaves its place between those of others.
    let mut number = 0;
    clients.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    wait_until("they have gone", || gauge(&gateway, "") == clients.len());
    wait_until("their memory is the system's", || {
        resident_bytes(&gateway) + 4 * BODY_BYTES <= all + MARGIN_BYTES
    });
}
