//! An RPC that fails says why by gRPC's own codes, and one that is refused for load when to come
//! back; a deadline, a key and the limits hold as for a request of HTTP/1.1.

use shards::grpc::messages::prediction::value::Kind;
use shards::grpc::messages::prediction::{PredictRequest, PredictResponse, Value};
use shards::http1::HttpLimits;

use crate::support::http2_client::{call, framed, request, whole};
use crate::support::{Http2Client, Setup, wait_until};

const PREDICT: &str = "/shardgate.v1.Prediction/Predict";
/// The hash of `secret`.
const KEY: &str = "[[keys]]\nname = \"one\"\n\
     sha256 = \"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"\n";

fn of_user(user: &str) -> PredictRequest {
    let value = Value { kind: Some(Kind::Text(user.to_owned())) };
    PredictRequest { keys: [("user_id".to_owned(), value)].into(), ..Default::default() }
}

#[test]
fn methods_and_messages_that_there_are_not() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let message = framed(&of_user("user-001"));
    assert_eq!(client.ask(call(PREDICT, &[]), message.clone()).code(), 0);
    for path in ["/shardgate.v1.Prediction/Nothing", "/nobody.Service/Predict", "/", "/predict"] {
        let answer = client.ask(call(path, &[]), message.clone());
        assert_eq!(answer.code(), 12, "{path}: {answer:?}");
    }
    let mut packed = message.to_vec();
    packed[0] = 1;
    let answer = client.ask(call(PREDICT, &[("grpc-encoding", "gzip")]), packed);
    assert_eq!((answer.code(), answer.field("grpc-accept-encoding")), (12, Some("identity")));
    let json = request("POST", PREDICT, &[("content-type", "application/grpc+json")]);
    assert_eq!(client.ask(json, message.clone()).code(), 12);
    for (body, code) in [
        (vec![], 3),
        (vec![7, 0, 0, 0, 0], 3),
        (vec![0, 0, 0, 0, 9, 1], 3),
        ([&message[..], &message[..]].concat(), 3),
        (vec![0, 0, 0, 0, 1, 0xff], 3),
    ] {
        let answer = client.ask(call(PREDICT, &[]), body.clone());
        assert_eq!(answer.code(), code, "{body:?}: {answer:?}");
    }
}

#[test]
fn messages_that_are_too_long() {
    let setup =
        Setup::of("demo-logistic").settings(|settings| settings.http.body_bytes_max = 1_000);
    let served = setup.serve();
    let client = Http2Client::connect(served.address);
    let of_length = |length: usize| framed(&of_user(&"u".repeat(length)));
    let answer = client.ask(call(PREDICT, &[]), of_length(1_000));
    assert_eq!((answer.code(), answer.field("grpc-retry-pushback-ms")), (8, None), "{answer:?}");
    assert!(answer.field("grpc-message").expect("a message").contains("at most 1000 are taken"));
    // One that only says that it is, and never sends it.
    let code = client.run(async {
        let prefix = vec![0, 0xff, 0xff, 0xff, 0xff];
        let stream = client.open(call(PREDICT, &[]), prefix.into(), false).await;
        whole(stream.response).await.expect("a response").code()
    });
    assert_eq!(code, 8);
    assert_eq!(client.ask(call(PREDICT, &[]), of_length(100)).code(), 0);
}

#[test]
fn deadlines() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    for (timeout, code) in [("1H", 0), ("60S", 0), ("0m", 4), ("1n", 4), ("5", 3), ("S", 3)] {
        let answer = client.ask(call(PREDICT, &[("grpc-timeout", timeout)]), framed(&of_user("u")));
        assert_eq!(answer.code(), code, "{timeout}: {answer:?}");
    }
}

#[test]
fn load_that_is_shed_says_when_to_come_back() {
    let setup = Setup::of("demo-logistic").settings(|settings| settings.queue_rows_max = 0);
    let served = setup.serve();
    let client = Http2Client::connect(served.address);
    let codes = client.run(async {
        let mut streams = Vec::new();
        for _ in 0..8 {
            streams.push(client.open(call(PREDICT, &[]), framed(&of_user("u")), true).await);
        }
        let mut codes = Vec::new();
        for stream in streams {
            let answer = whole(stream.response).await.expect("a response");
            let pushback = answer.field("grpc-retry-pushback-ms").map(str::to_owned);
            codes.push((answer.code(), pushback));
        }
        codes
    });
    assert!(codes.contains(&(8, Some("1000".to_owned()))), "{codes:?}");
    assert!(codes.iter().all(|(code, pushback)| (*code == 8) == pushback.is_some()), "{codes:?}");
}

#[test]
fn keys() {
    let served = Setup::of("demo-logistic")
        .with_keys(&format!("{KEY}models = [\"demo-logistic\"]\nmax_requests_per_s = 2\n"))
        .serve();
    let client = Http2Client::connect(served.address);
    let ask = |fields: &[(&str, &str)], model: &str| {
        let message = PredictRequest { model: model.to_owned(), ..of_user("user-001") };
        client.ask(call(PREDICT, fields), framed(&message))
    };
    assert_eq!(ask(&[], "").code(), 16);
    assert_eq!(ask(&[("authorization", "Bearer wrong")], "").code(), 16);
    assert_eq!(ask(&[("authorization", "Bearer secret")], "").code(), 0);
    assert_eq!(ask(&[("x-api-key", "secret")], "").code(), 0);
    let over = ask(&[("x-api-key", "secret")], "");
    assert_eq!((over.code(), over.field("grpc-retry-pushback-ms")), (8, Some("1000")), "{over:?}");
    // Probes need none.
    let probe = "/inference.GRPCInferenceService/ServerReady";
    assert_eq!(client.ask(call(probe, &[]), vec![0; 5]).code(), 0);
    let health = "/grpc.health.v1.Health/Check";
    assert_eq!(client.ask(call(health, &[]), vec![0; 5]).code(), 0);
    assert_eq!(served.shared.telemetry.keys().expect("counted").admitted.get(0).get(), 2);
}

#[test]
fn the_id_of_a_request_comes_back() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let answer = client.ask(call(PREDICT, &[("x-request-id", "a-1")]), framed(&of_user("u")));
    assert_eq!((answer.code(), answer.field("x-request-id")), (0, Some("a-1")));
    let row: PredictResponse = answer.message();
    assert_eq!((row.provenance.as_str(), row.defaulted), ("missing", 3));
}

#[test]
fn a_message_that_does_not_come_in_time_is_given_up() {
    let setup = Setup::of("demo-logistic").settings(|settings| {
        settings.http = HttpLimits { body_timeout_ms: 100, ..HttpLimits::default() };
    });
    let served = setup.serve();
    let client = Http2Client::connect(served.address);
    let code = client.run(async {
        let stream = client.open(call(PREDICT, &[]), vec![0, 0, 0, 0, 9, 1].into(), false).await;
        whole(stream.response).await.expect("a response").code()
    });
    assert_eq!(code, 4);
    wait_until("nothing is kept", || served.counters().buffered_bytes.get() == 0);
}
