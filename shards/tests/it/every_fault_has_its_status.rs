//! Every way in which a request can fail is answered with the status that HTTP has for it, a JSON
//! body that says why, and the connection goes on where the next request's start is known.

use shards::failure::RowFailure;

use crate::support::{Client, Served, Setup, post, post_to};

const HEAD: &str = "POST /predict HTTP/1.1\r\nhost: test\r\n";

fn shard() -> Served {
    let setup = Setup::of("demo-logistic").settings(|settings| {
        settings.http.body_bytes_max = 10_000;
        settings.http.array_rows_max = 100;
    });
    setup.serve()
}

/// How many rows failed for this reason.
fn failed(served: &Served, reason: &str) -> u64 {
    let index = RowFailure::REASONS.iter().position(|known| *known == reason).unwrap();
    served.lane().counters.rows_failed[index].get()
}

/// Sends one request on its own connection; `stays` says whether the connection goes on.
fn check(served: &Served, request: &[u8], status: u16, said: &str, stays: bool) {
    let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
    let mut client = served.client();
    client.send_what_goes(request);
    let answer = client.receive();
    assert_eq!(answer.status, status, "{shown:?}: {answer:?}");
    assert!(answer.error().contains(said), "{shown:?}: {answer:?}");
    assert_eq!(answer.field("content-type"), Some("application/json"));
    if stays {
        assert_eq!(answer.field("connection"), None, "{shown:?}");
        assert_eq!(client.predict("{\"user_id\": \"user-001\"}").status, 200, "{shown:?}");
    } else {
        assert_eq!(answer.field("connection"), Some("close"), "{shown:?}");
        client.expect_end();
    }
}

#[test]
fn what_is_asked_of_the_wrong_place() {
    let served = shard();
    for (line, status, said) in [
        ("POST / HTTP/1.1", 404, "no such path"),
        ("POST /predict/ HTTP/1.1", 404, "no such path"),
        ("GET /metrics HTTP/1.1", 404, "no such path"),
        ("OPTIONS * HTTP/1.1", 404, "no such path"),
        ("GET /predict HTTP/1.1", 405, "does not take that method"),
        ("DELETE /predict/demo-logistic?x=1 HTTP/1.1", 405, "does not take that method"),
        ("POST /predict HTTP/1.1", 411, "no body"),
        ("GET /v2/models/none HTTP/1.1", 404, "no model `none`; there is: demo-logistic"),
        (
            "GET /v2/models/demo-logistic/versions/9 HTTP/1.1",
            404,
            "no version `9` of the model `demo-logistic`; there is: 1",
        ),
        ("BREW /predict HTTP/1.1", 501, "not a method of HTTP"),
    ] {
        let request = format!("{line}\r\nhost: test\r\n\r\n");
        check(&served, request.as_bytes(), status, said, true);
    }
    let body = "{\"user_id\": \"user-001\"}";
    let request = format!(
        "POST /predict/none HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    check(&served, request.as_bytes(), 404, "no such model; there is: demo-logistic", true);
}

#[test]
fn a_body_with_a_coding_hears_which_is_taken() {
    let served = shard();
    let mut client = served.client();
    let body = "{\"user_id\": \"user-001\"}";
    for path in ["/predict", "/predict/demo-logistic", "/v2/models/demo-logistic/infer"] {
        for coding in ["zstd", "gzip, deflate", "br"] {
            let field = format!("content-encoding: {coding}\r\n");
            // What it holds is not looked at.
            for body in [body, "\u{1f}\u{8b}\u{8}"] {
                let answer = client.ask(post_to(path, &field, body));
                assert_eq!(answer.status, 415, "{path} {coding}: {answer:?}");
                assert_eq!(answer.field("accept-encoding"), Some("gzip, deflate, identity"));
                assert!(answer.error().contains("Content-Encoding"), "{answer:?}");
            }
        }
    }
    let answer = client.ask(post_to("/predict", "content-encoding: identity\r\n", body));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_method_that_is_not_allowed_names_those_that_are() {
    let served = shard();
    let mut client = served.client();
    let answer = client.ask("PUT /predict HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\n{}");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")));
    client.send("HEAD /predict HTTP/1.1\r\nhost: test\r\n\r\n");
    let answer = client.receive_head();
    assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")));
    // The length is that of the body that GET would have had; none follows.
    assert_ne!(answer.field("content-length"), Some("0"));
    client.send("HEAD /nowhere HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.receive_head().status, 404);
    assert_eq!(client.predict("{\"user_id\": \"user-001\"}").status, 200);
}

#[test]
fn what_is_too_much() {
    let served = shard();
    let long = "a".repeat(5_000);
    let fields = "x: y\r\n".repeat(64);
    let array = format!("[{}]", vec!["{\"user_id\": 1}"; 101].join(", "));
    for (request, status, said) in [
        (format!("{HEAD}content-length: 10001\r\n\r\n"), 413, "longer than 10000 bytes"),
        (format!("{HEAD}content-length: 999999999999999\r\n\r\n"), 413, "longer than 10000"),
        (format!("{HEAD}content-length: {}\r\n\r\n", "9".repeat(50)), 413, "longer than 10000"),
        // 2^64 + 5
        (format!("{HEAD}content-length: 18446744073709551621\r\n\r\n"), 413, "longer than 10000"),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n2711\r\n"), 413, "longer than 10000"),
        (
            format!("{HEAD}transfer-encoding: chunked\r\n\r\n100000000000000005\r\n"),
            413,
            "longer than 10000",
        ),
        (
            format!("{HEAD}transfer-encoding: chunked\r\n\r\n1388\r\n{long}\r\n1389\r\n"),
            413,
            "longer than 10000",
        ),
        (format!("POST /predict?{long} HTTP/1.1\r\nhost: test\r\n\r\n"), 414, "4096 bytes"),
        (format!("POST /{}", "a".repeat(20_000)), 414, "4096 bytes"),
        (format!("{HEAD}x: {}\r\n\r\n", "y".repeat(20_000)), 431, "16384 bytes"),
        (format!("{HEAD}x: {}", "y".repeat(20_000)), 431, "16384 bytes"),
        (format!("{HEAD}{fields}\r\n"), 431, "64 fields"),
        (
            format!("{HEAD}transfer-encoding: chunked\r\n\r\n0\r\n{}", "t: v\r\n".repeat(3_000)),
            431,
            "8192 bytes",
        ),
        (
            format!("{HEAD}transfer-encoding: chunked\r\n\r\n1;x={}", "y".repeat(2_000)),
            431,
            "1024 bytes",
        ),
    ] {
        check(&served, request.as_bytes(), status, said, false);
    }
    check(&served, &post(&array), 413, "more than 100 members", true);
}

#[test]
fn what_this_server_does_not_speak() {
    let served = shard();
    for (request, status, said) in [
        (format!("{HEAD}transfer-encoding: gzip, chunked\r\n\r\n"), 501, "transfer coding"),
        (format!("{HEAD}transfer-encoding: x, , Chunked ,\r\n\r\n"), 501, "transfer coding"),
        ("POST /predict HTTP/2.0\r\nhost: test\r\n\r\n".to_owned(), 505, "version"),
        ("POST /predict HTTP/3.1\r\nhost: test\r\n\r\n".to_owned(), 505, "version"),
        ("POST /predict HTTQ/1.1\r\nhost: test\r\n\r\n".to_owned(), 400, "not an HTTP request"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n".to_owned(), 400, "not an HTTP request"),
        ("POST  /predict HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 400, "not an HTTP request"),
        ("POST predict HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 400, "target"),
        ("GET * HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 400, "only OPTIONS"),
    ] {
        check(&served, request.as_bytes(), status, said, false);
    }
}

#[test]
fn bodies_that_ask_nothing() {
    let served = shard();
    for (body, said) in [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("{\"user_id\": \"user-001\"} {}", "not valid JSON"),
        ("{\"user_id\": \"user-001\",}", "not valid JSON"),
        ("{'user_id': 'user-001'}", "not valid JSON"),
        ("{\"user_id\": NaN}", "not valid JSON"),
        ("{\"user_id\": \"\\ud800\"}", "not valid JSON"),
        ("\"user-001\"", "must be a JSON object"),
        ("17", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("[]", "the array is empty"),
        ("{}", "`user_id` is missing"),
        ("{\"user\": \"user-001\"}", "`user_id` is missing"),
        ("{\"user_id\": \"a\", \"user_id\": \"b\"}", "`user_id` is there twice"),
    ] {
        check(&served, &post(body), 400, said, true);
    }
    let mut request = format!("{HEAD}content-length: 20\r\n\r\n").into_bytes();
    request.extend(b"{\"user_id\": \"\xff\xfe\xfd1234\"}");
    request.truncate(request.len().min(HEAD.len() + 22 + 20));
    check(&served, &request, 400, "not valid UTF-8", true);
    let deep = format!("{{\"user_id\": \"u\", \"x\": {}", "[".repeat(9_000));
    check(&served, &post(&deep), 400, "not valid JSON", true);
}

#[test]
fn a_queue_that_is_full() {
    let setup = Setup::of("demo-logistic").settings(|settings| settings.queue_rows_max = 2);
    let served = setup.serve();
    let mut client = served.client();
    // In one segment, so that all are queued before a batch is made of them.
    client.send(post("{\"user_id\": \"user-001\"}").repeat(5));
    let statuses: Vec<_> = (0..5).map(|_| client.receive()).collect();
    for answer in &statuses[..2] {
        assert_eq!(answer.status, 200);
    }
    for answer in &statuses[2..] {
        assert_eq!((answer.status, answer.field("retry-after")), (429, Some("1")));
        assert!(answer.error().contains("too many requests"));
    }
    assert_eq!(client.predict("{\"user_id\": \"user-001\"}").status, 200);
    assert_eq!(failed(&served, "queue_full"), 3);
}

#[test]
fn a_deadline_that_has_passed() {
    let served = shard();
    let body = "{\"user_id\": \"user-001\"}";
    let with = |deadline: &str| {
        let length = body.len();
        format!("{HEAD}x-deadline-ms: {deadline}\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    check(&served, with("0").as_bytes(), 504, "deadline", true);
    check(&served, with("soon").as_bytes(), 400, "x-deadline-ms", false);
    assert_eq!(served.client().ask(with("60000")).status, 200);
    assert_eq!(served.client().ask(with("9999999999999999")).status, 200);
    assert_eq!(served.client().ask(with(&"9".repeat(50))).status, 200);
    assert_eq!(failed(&served, "deadline"), 1);
}

#[test]
fn http_1_0_is_answered_and_ended_unless_it_asks_to_go_on() {
    let served = shard();
    let body = "{\"user_id\": \"user-001\"}";
    let length = body.len();
    let mut client = served.client();
    let request = format!(
        "POST /predict HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let answer = client.ask(&request);
    assert_eq!((answer.status, answer.field("connection")), (200, Some("keep-alive")));
    let request = format!("POST /predict HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}");
    let answer = client.ask(&request);
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    client.expect_end();
}

#[test]
fn a_client_that_asks_for_the_end_gets_it_after_its_answer() {
    let served = shard();
    let mut client: Client = served.client();
    let mut request = post("{\"user_id\": \"user-001\"}");
    request.extend(
        "POST /predict HTTP/1.1\r\nhost: test\r\nConnection: Close\r\n\
         content-length: 23\r\n\r\n{\"user_id\": \"user-002\"}"
            .bytes(),
    );
    request.extend(post("{\"user_id\": \"user-001\"}"));
    client.send(request);
    assert_eq!(client.receive().field("connection"), None);
    let last = client.receive();
    assert!(last.body.contains("user-002"));
    assert_eq!(last.field("connection"), Some("close"));
    client.expect_end();
}
