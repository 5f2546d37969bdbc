//! Answers leave a connection in the order of its requests, whatever each of them takes, however
//! many there are, and however slowly they are read; and one greedy connection starves no other.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Over, Setup, post};

#[test]
fn answers_known_at_once_wait_for_those_that_are_not() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    let mut request = Vec::new();
    for round in 0..40 {
        request.extend(post(&format!("{{\"user_id\": \"first-{round}\"}}")));
        request.extend(b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n");
        request.extend(post("not JSON"));
        request.extend(b"HEAD /predict HTTP/1.1\r\nhost: a\r\n\r\n");
        request.extend(post(&format!("[{{\"user_id\": {round}}}, {{\"user_id\": \"second\"}}]")));
    }
    client.send(request);
    for round in 0..40 {
        assert!(client.receive().body.contains(&format!("\"first-{round}\"")));
        assert_eq!(client.receive().status, 404);
        assert_eq!(client.receive().status, 400);
        assert_eq!(client.receive_head().status, 405);
        assert!(client.receive().body.starts_with(&format!("[{{\"user_id\": {round}, ")));
    }
    client.expect_silence();
}

#[test]
fn more_than_may_be_answered_at_once() {
    let setup = Setup::of("credit-risk").settings(|settings| {
        settings.http.pipelined_requests_max = 3;
    });
    let served = setup.serve();
    let mut client = served.client();
    let user = |number: usize| format!("applicant-{:04}", 1 + number % 1_000);
    let request: Vec<u8> = (0..2_000)
        .flat_map(|number| post(&format!("{{\"user_id\": \"{}\"}}", user(number))))
        .collect();
    std::thread::scope(|scope| {
        let mut sender = client.stream().try_clone().unwrap();
        scope.spawn(move || sender.write_all(&request).expect("sent"));
        for number in 0..2_000 {
            assert!(client.receive().body.contains(&user(number)), "{number}");
        }
    });
    client.expect_silence();
}

#[test]
fn a_reader_that_is_slow_gets_every_byte() {
    // Room for 64 pipelined requests of 1,000 rows each: none is refused.
    let setup = Setup::of("demo-logistic").settings(|settings| {
        settings.queue_rows_max = 100_000;
        settings.queue_us_max = u64::MAX;
    });
    let served = setup.serve();
    let mut client = served.client();
    let rows: Vec<_> = (0..1_000).map(|row| format!("{{\"user_id\": {row}}}")).collect();
    let request = post(&format!("[{}]", rows.join(",")));
    // Some 40 MB of answers: far more than the kernel holds for a client that does not read.
    let sender = client.stream().try_clone().unwrap();
    std::thread::scope(|scope| {
        let request = &request;
        scope.spawn(move || {
            for _ in 0..500 {
                (&sender).write_all(request).expect("sent");
            }
        });
        for _ in 0..500 {
            let answer = client.receive();
            let members: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(members.len(), 1_000);
            assert!(members.iter().enumerate().all(|(row, member)| member["user_id"] == row));
        }
    });
}

#[test]
fn a_connection_that_never_pauses_starves_no_other() {
    let served = Setup::of("demo-logistic").serve();
    let greedy = served.client();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&done);
        scope.spawn(|| {
            let requests = b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2_000);
            while !done.load(Ordering::Relaxed) {
                greedy.stream().write_all(&requests).expect("sent");
            }
            greedy.stream().shutdown(std::net::Shutdown::Write).unwrap();
        });
        scope.spawn(
            || {
                while greedy.stream().read(&mut [0; 16_384]).is_ok_and(|count| count > 0) {}
            },
        );
        let mut client = served.client();
        for _ in 0..100 {
            assert_eq!(client.predict("{\"user_id\": \"user-001\"}").status, 200);
        }
    });
}
