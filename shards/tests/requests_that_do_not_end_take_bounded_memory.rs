//! However many clients send requests that do not end, a shard keeps a bounded part of them; those
//! that send whole requests do not notice.

mod support;

use shards::telemetry::counters::STATUSES;
use support::{Served, Setup, post, wait_until};

const LIMIT_BYTES: usize = 1_000_000;
const SENT_BYTES: usize = 150_000;

/// A request of twice `SENT_BYTES`.
fn large() -> Vec<u8> {
    let filler = "a".repeat(2 * SENT_BYTES);
    post(&format!("{{\"user_id\": \"user-001\", \"note\": \"{filler}\"}}"))
}

fn refused(served: &Served) -> u64 {
    let index = STATUSES.iter().position(|status| *status == 503).unwrap();
    served.counters().responses[index].get()
}

#[test]
fn however_many_there_are() {
    let setup = Setup::of("demo-logistic");
    let served = setup.settings(|settings| settings.http.buffered_bytes_max = LIMIT_BYTES).serve();
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
    let mut last = clients.pop().unwrap();
    let answer = last.receive();
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{answer:?}");
    last.expect_end();
    assert!(kept.get() <= LIMIT_BYTES as u64, "{}", kept.get());
    // One that sends a whole request needs no memory beyond the moment.
    assert_eq!(served.client().predict("{\"user_id\": \"user-001\"}").status, 200);
    drop(clients);
    wait_until("what was kept is given back", || kept.get() == 0);
    assert_eq!(served.client().ask(&large).status, 200);
}
