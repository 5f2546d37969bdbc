//! Deadlines and priorities, as a client asks for them.

use crate::support::{Setup, post, post_to};
use shards::telemetry::Counter;

const BODY: &str = "{\"user_id\": \"user-001\"}";

fn with(fields: &str) -> Vec<u8> {
    post_to("/predict", fields, BODY)
}

#[test]
fn a_timeout_may_be_written_as_grpc_does() {
    let served = Setup::of("demo-logistic").serve();
    for (timeout, status) in [
        ("1H", 200),
        ("60S", 200),
        ("99999999n", 200),
        ("0m", 504),
        ("1n", 504),
        ("999999999S", 400),
        ("S", 400),
        ("5", 400),
        ("-1S", 400),
        ("1 S", 400),
    ] {
        let answer = served.client().ask(with(&format!("grpc-timeout: {timeout}\r\n")));
        assert_eq!(answer.status, status, "{timeout}");
    }
    let both = with("x-deadline-ms: 60000\r\ngrpc-timeout: 0S\r\n");
    assert_eq!(served.client().ask(both).status, 504, "the shorter counts");
}

/// An inference request with this `timeout`, in µs, and further `fields`.
fn infer(timeout_us: u64, fields: &str) -> Vec<u8> {
    let body = format!(
        "{{\"parameters\": {{\"timeout\": {timeout_us}}}, \"inputs\": [{{\"name\": \"user_id\", \
         \"datatype\": \"BYTES\", \"shape\": [1], \"data\": [\"user-001\"]}}]}}"
    );
    post_to("/v2/models/demo-logistic/infer", fields, &body)
}

#[test]
fn a_timeout_may_be_a_parameter_of_an_inference_request() {
    let served = Setup::of("demo-logistic").serve();
    // In µs; Triton calls what is too late unavailable, and 0 is no limit.
    for (timeout_us, status) in [(0, 200), (60_000_000, 200), (1, 503)] {
        let answer = served.client().ask(infer(timeout_us, ""));
        assert_eq!(answer.status, status, "{timeout_us}: {answer:?}");
    }
}

#[test]
fn the_default_counts_where_a_request_sets_no_limit() {
    // What no request can keep.
    let setup = Setup::of("demo-logistic").settings(|settings| settings.deadline_ms = Some(0));
    let served = setup.serve();
    let mut client = served.client();
    for (timeout_us, fields, status) in [
        (0, "", 503),
        (60_000_000, "", 200),
        (0, "x-deadline-ms: 60000\r\n", 200),
        (60_000_000, "x-deadline-ms: 60000\r\n", 200),
        (60_000_000, "x-deadline-ms: 0\r\n", 503),
        (1, "x-deadline-ms: 60000\r\n", 503),
    ] {
        let answer = client.ask(infer(timeout_us, fields));
        assert_eq!(answer.status, status, "{timeout_us} {fields}: {answer:?}");
    }
    assert_eq!(client.ask(post(BODY)).status, 504);
    assert_eq!(client.ask(with("x-deadline-ms: 60000\r\n")).status, 200);
}

#[test]
fn low_priority_is_shed_first_and_high_last() {
    let setup = Setup::of("demo-logistic").settings(|settings| settings.queue_rows_max = 10);
    let served = setup.serve();
    let mut client = served.client();
    // In one segment, so that all are queued before a batch is made of them.
    let mut segment = with("x-priority: low\r\n").repeat(6);
    segment.extend(post(BODY).repeat(5));
    segment.extend(with("X-Priority: High\r\n").repeat(2));
    client.send(segment);
    let statuses: Vec<u16> = (0..13).map(|_| client.receive().status).collect();
    assert_eq!(statuses[..6], [200, 200, 200, 200, 200, 429]);
    assert_eq!(statuses[6..11], [200, 200, 200, 200, 429]);
    assert_eq!(statuses[11..], [200, 429]);
    assert_eq!(client.ask(with("x-priority: urgent\r\n")).status, 400);
}

/// An inference request for so many rows.
fn tensors(rows: usize) -> Vec<u8> {
    let body = serde_json::json!({"inputs": [
        {"name": "user_id", "datatype": "BYTES", "shape": [rows], "data": vec!["user-001"; rows]}
    ]});
    post_to("/v2/models/demo-logistic/infer", "", &body.to_string())
}

#[test]
fn tensors_are_let_in_whole_or_not_at_all() {
    let setup = Setup::of("demo-logistic").settings(|settings| settings.queue_rows_max = 10);
    let served = setup.serve();
    let mut client = served.client();
    // In one segment, so that all are queued before a batch is made of them.
    client.send([tensors(6), tensors(6), tensors(3), tensors(1)].concat());
    // What Triton calls unavailable is here what there is no room for.
    assert_eq!([(); 4].map(|()| client.receive().status), [200, 503, 200, 503]);
    let lane = served.lane();
    let sum = |counters: &[Counter]| counters.iter().map(Counter::get).sum::<u64>();
    assert_eq!(sum(&lane.counters.rows), 9, "none was computed of the one that was refused");
    assert_eq!(sum(&lane.counters.rows_failed), 7);
    // More rows than can ever wait are still tried where nothing does.
    assert_eq!(client.ask(tensors(20)).status, 200);
    // An array is answered in part.
    let members = [BODY; 12].join(",");
    let answer = client.predict(&format!("[{members}]"));
    assert_eq!(answer.body.matches("\"score\"").count(), 9, "{}", answer.body);
    assert_eq!(answer.body.matches("\"status\": 429").count(), 3, "{}", answer.body);
}

#[test]
fn slices_of_a_long_computation_give_the_same_scores() {
    let users = 1..=20;
    let members = users.map(|user| format!("{{\"user_id\": \"applicant-{user:04}\"}}"));
    let body = format!("[{}]", members.collect::<Vec<_>>().join(", "));
    let answers = [0, 500].map(|slice_us| {
        let setup = Setup::of("credit-risk").settings(|settings| {
            settings.batch.compute_slice_us_max = slice_us;
        });
        let answer = setup.serve().client().predict(&body);
        assert_eq!(answer.status, 200);
        answer.body
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].matches("\"score\"").count(), 20, "{}", answers[0]);
}
