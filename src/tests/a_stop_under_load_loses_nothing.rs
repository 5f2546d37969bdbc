//! SIGTERM at the height of the load: every connection whose handshake was completed and whose
//! request was sent is answered, then the process ends with status 0.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{Client, Launch, post, wait_until};

const BODY: &str = "{\"user_id\": \"applicant-0001\"}";

/// Opens connection after connection, one request on each, until the port is closed.
fn connect_again_and_again(address: std::net::SocketAddr, told: &AtomicBool, answered: &AtomicU64) {
    while let Ok(stream) = TcpStream::connect(address) {
        let mut client = Client::from(stream);
        let answer = client.predict(BODY);
        assert_eq!(answer.status, 200, "{answer:?}");
        answered.fetch_add(1, Ordering::Relaxed);
    }
    assert!(told.load(Ordering::Acquire), "refused before the stop");
}

/// Pipelines requests on one connection until an answer says that it was the last.
fn ask_again_and_again(client: &mut Client, answered: &AtomicU64) {
    loop {
        client.send_what_goes(post(BODY).repeat(5));
        for _ in 0..5 {
            let answer = client.receive();
            assert_eq!(answer.status, 200, "{answer:?}");
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.field("connection") == Some("close") {
                client.expect_end();
                return;
            }
        }
    }
}

#[test]
fn of_connections_that_come_and_stay() {
    for round in 0..5 {
        // Both shards, where there are two cores: each has its own listener to close.
        let gateway = Launch::of("credit-risk").with(|command| _ = command.args(["--log", "info"]));
        let gateway = gateway.start();
        let address = gateway.address;
        let (told, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| connect_again_and_again(address, &told, &answered));
            }
            let mut staying: Vec<_> = (0..16).map(|_| gateway.client()).collect();
            for mut client in staying.drain(..) {
                let answered = &answered;
                scope.spawn(move || ask_again_and_again(&mut client, answered));
            }
            wait_until("there is load", || answered.load(Ordering::Relaxed) >= 2_000);
            told.store(true, Ordering::Release);
            let (status, said) = gateway.stop();
            assert_eq!(status.code(), Some(0), "round {round}: {said:?}");
        });
    }
}
