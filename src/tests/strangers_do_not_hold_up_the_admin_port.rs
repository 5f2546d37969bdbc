//! Whoever reaches the admin port may hold connections to it, silent, with half a request, or with an
//! answer that nobody reads: probes are answered all the same, and what an operator watches goes on.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Client, Launch};

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
/// More than the port has places.
const STRANGERS: usize = 80;

#[test]
fn however_many_connections_they_hold() {
    let gateway = Launch::demo().start();
    let mut page = Client::connect(gateway.admin);
    page.send("GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(page.receive_head().status, 200);
    for sent in [
        "",
        "GET /livez HTTP/1.1\r\nhost: loc",
        "POST /reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        let mut held = Vec::new();
        for _ in 0..STRANGERS {
            let mut stranger = Client::connect(gateway.admin);
            stranger.send(sent);
            held.push(stranger);
        }
        for _ in 0..5 {
            let answer = Client::connect(gateway.admin).ask(LIVEZ);
            assert_eq!(answer.status, 200, "{sent:?}");
        }
        drop(held);
    }
    // The page has not made room for any of them: seconds still come.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let time_s = |line: &str| -> Option<u64> {
        line.split_once("{\"time_s\":")?.1.split_once(',')?.0.parse().ok()
    };
    while time_s(&page.receive_line()).is_none_or(|time_s| time_s <= now) {}
}

#[test]
fn a_head_that_does_not_end_is_refused() {
    let gateway = Launch::demo().start();
    let mut stranger = Client::connect(gateway.admin);
    stranger.send("GET /livez HTTP/1.1\r\n");
    assert_eq!(stranger.receive().status, 408);
    stranger.expect_end();
}
