//! However many clients send requests that do not end, a shard keeps a bounded part of them; those
//! that send whole requests do not notice.

use std::time::Duration;

use crate::support::{Client, Served, Setup, pause, post, wait_until};
use shards::telemetry::counters::STATUSES;

const LIMIT_BYTES: usize = 1_000_000;
const SENT_BYTES: usize = 150_000;

fn shard(limit_bytes: usize) -> Served {
    let setup = Setup::of("demo-logistic");
    setup.settings(|settings| settings.http.buffered_bytes_max = limit_bytes).serve()
}

/// A request of twice `SENT_BYTES`.
fn large() -> Vec<u8> {
    let filler = "a".repeat(2 * SENT_BYTES);
    post(&format!("{{\"user_id\": \"user-001\", \"note\": \"{filler}\"}}"))
}

fn refused(served: &Served) -> u64 {
    let index = STATUSES.iter().position(|status| *status == 503).unwrap();
    served.counters().responses[index].get()
}

fn has_answer(client: &Client) -> bool {
    client.stream().set_nonblocking(true).unwrap();
    let peeked = client.stream().peek(&mut [0]);
    client.stream().set_nonblocking(false).unwrap();
    peeked.is_ok()
}

/// Holds the answer to what it is to be.
fn expect_refusal(client: &mut Client) {
    let answer = client.receive();
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{answer:?}");
    client.expect_end();
}

#[test]
fn however_many_there_are() {
    let served = shard(LIMIT_BYTES);
    let (large, kept) = (large(), &served.counters().buffered_bytes);
    let mut clients = Vec::new();
    while refused(&served) == 0 {
        assert!(clients.len() < 10, "{} bytes are kept of {} clients", kept.get(), clients.len());
        let before = kept.get();
        let mut client = served.client();
        client.send_what_goes(&large[..SENT_BYTES]);
        clients.push(client);
        wait_until("it was read or refused", || {
            kept.get() >= before + SENT_BYTES as u64 || refused(&served) > 0
        });
    }
    assert!(clients.len() > 2, "refused although there was room");
    // The last one, or one of those before where it took long.
    clients.iter_mut().filter(|client| has_answer(client)).for_each(expect_refusal);
    assert!(kept.get() <= LIMIT_BYTES as u64, "{}", kept.get());
    // One that sends a whole request needs no memory beyond the moment.
    assert_eq!(served.client().predict("{\"user_id\": \"user-001\"}").status, 200);
    drop(clients);
    wait_until("what was kept is given back", || kept.get() == 0);
    assert_eq!(served.client().ask(&large).status, 200);
}

#[test]
fn those_that_come_slowly_make_room_for_others() {
    // What is made at a time, an eighth, is more than one more request takes.
    let limit_bytes = 4 * LIMIT_BYTES;
    let served = shard(limit_bytes);
    let (large, kept) = (large(), &served.counters().buffered_bytes);
    let mut slow: Vec<Client> = (1..=15)
        .map(|number| {
            let mut client = served.client();
            client.send_what_goes(&large[..SENT_BYTES]);
            wait_until("it was read", || kept.get() >= number * SENT_BYTES as u64);
            client
        })
        .collect();
    assert_eq!(refused(&served), 0);
    // From then on they are slow.
    pause(Duration::from_millis(400));
    let mut prompt = served.client();
    assert_eq!(prompt.ask(&large).status, 200, "{} bytes are kept", kept.get());
    assert!(refused(&served) > 0, "nobody made room");
    assert!(kept.get() <= limit_bytes as u64, "{}", kept.get());
    wait_until("those that did were told", || slow.iter().any(has_answer));
    slow.iter_mut().filter(|client| has_answer(client)).for_each(expect_refusal);
}
