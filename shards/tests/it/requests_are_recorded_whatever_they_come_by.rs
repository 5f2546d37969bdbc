//! A request that is recorded has one span, whether it comes by HTTP/1.1, HTTP/2 or gRPC; each message
//! of a stream has one of its own.

use shards::grpc::messages::prediction::value::Kind;
use shards::grpc::messages::prediction::{PredictRequest, PredictResponse, Value};
use shards::spans::{RequestSpan, SpanSettings};

use crate::support::http2_client::{call, framed, request};
use crate::support::{Http2Client, Served, Setup, post_to, wait_until};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn serve() -> Served {
    let spans = Some(SpanSettings { ratio: 0.0, waiting_max: 1_000 });
    Setup::of("demo-logistic").settings(|all| all.spans = spans).serve()
}

/// Waits for so many spans.
fn spans(served: &Served, count: usize) -> Vec<RequestSpan> {
    let found = std::cell::RefCell::new(Vec::new());
    wait_until("all are handed over", || {
        let mut some = Vec::new();
        while served.shared.spans.take(&mut some) {
            found.borrow_mut().append(&mut some);
        }
        found.borrow().len() >= count
    });
    found.into_inner()
}

fn of_user() -> PredictRequest {
    let value = Value { kind: Some(Kind::Text("user-001".to_owned())) };
    PredictRequest { keys: [("user_id".to_owned(), value)].into(), ..Default::default() }
}

#[test]
fn with_the_same_in_it() {
    let served = serve();
    let fields = format!("traceparent: {PARENT}\r\n");
    let lone = "{\"user_id\": \"user-001\"}";
    assert_eq!(served.client().ask(post_to("/predict", &fields, lone)).status, 200);
    let client = Http2Client::connect(served.address);
    let parent = [("traceparent", PARENT)];
    let asked = client.ask(request("POST", "/predict", &parent), lone.as_bytes());
    assert_eq!(asked.status, 200);
    let unary = call("/shardgate.v1.Prediction/Predict", &parent);
    let _: PredictResponse = client.ask(unary, framed(&of_user())).message();
    let found = spans(&served, 3);
    let names: Vec<_> = found.iter().map(|span| span.start.name).collect();
    assert_eq!(names, ["POST /predict", "POST /predict", "shardgate.v1.Prediction/Predict"]);
    let mut ids = Vec::new();
    for span in &found {
        assert_eq!(
            (span.status, span.start.parent_id),
            (200, [0, 0xf0, 0x67, 0xaa, 0xb, 0xa9, 2, 0xb7])
        );
        let model = span.model.as_ref().expect("a model");
        assert_eq!((&*model.name, model.rows), ("demo-logistic", 1));
        let times = model.times.as_ref().expect("it was in a batch");
        assert!(span.arrived_ns <= times.queued_ns && times.queued_ns <= times.started_ns);
        assert!(times.started_ns <= times.fetched_ns && times.fetched_ns <= times.computed_ns);
        assert!(times.computed_ns <= span.arrived_ns + span.duration_ns);
        assert_eq!(&*times.entities[0].name, "user");
        ids.push(span.start.span_id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn each_message_of_a_stream() {
    let served = serve();
    let client = Http2Client::connect(served.address);
    let body = framed(&of_user()).repeat(5);
    let parent = [("traceparent", PARENT)];
    let answer = client.ask(call("/shardgate.v1.Prediction/PredictStream", &parent), body);
    assert_eq!(answer.messages::<PredictResponse>().len(), 5);
    let found = spans(&served, 5);
    let mut ids: Vec<_> = found.iter().map(|span| span.start.span_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn and_nothing_else() {
    let served = serve();
    let mut client = served.client();
    for fields in [String::new(), format!("traceparent: {}\r\n", PARENT.replace("-01", "-00"))] {
        client.ask(post_to("/predict", &fields, "{\"user_id\": \"user-001\"}"));
    }
    client.ask(post_to("/predict", &format!("traceparent: {PARENT}\r\n"), "{"));
    let found = spans(&served, 1);
    assert_eq!((found.len(), found[0].status, &found[0].model), (1, 400, &None));
    assert_eq!(served.counters().spans_recorded.get(), 1);
}
