//! A connection of HTTP/2 is told to end when it is old, idle or in the way of a stop, and every
//! stream that it has by then is answered.

use bytes::Bytes;
use shards::grpc::messages::prediction::value::Kind;
use shards::grpc::messages::prediction::{PredictRequest, Value};

use crate::support::http2_client::{call, framed, next_data, request, whole};
use crate::support::{Client, Http2Client, Setup, wait_until};

const USER: &str = "{\"user_id\": \"user-001\"}";
const STREAM: &str = "/shardgate.v1.Prediction/PredictStream";

fn of_user(user: &str) -> PredictRequest {
    let value = Value { kind: Some(Kind::Text(user.to_owned())) };
    PredictRequest { keys: [("user_id".to_owned(), value)].into(), ..Default::default() }
}

fn setup(age_ms: Option<u64>) -> Setup {
    Setup::of("demo-logistic").settings(|settings| settings.http2.age_ms_max = age_ms)
}

#[test]
fn an_old_one_takes_nothing_new_and_answers_what_is_open() {
    let served = setup(Some(300)).serve();
    let client = Http2Client::connect(served.address);
    let answered = client.run(async {
        let stream = client.open(request("POST", "/predict", &[]), Bytes::new(), false).await;
        let ticks = served.counters().heartbeat.get();
        // Until it is older than it may be.
        while served.counters().heartbeat.get() < ticks + 60 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let mut stream = stream;
        stream.sender.send_data(USER.into(), true).expect("it is still open");
        whole(stream.response).await.expect("a response").status
    });
    assert_eq!(answered, 200);
    assert!(client.ended(), "it ended with an error");
    wait_until("it is closed", || served.counters().connections_open.get() == 0);
    assert_eq!(
        Http2Client::connect(served.address).ask(request("POST", "/predict", &[]), USER).status,
        200
    );
}

#[test]
fn an_idle_one_is_closed() {
    let setup = setup(None).settings(|settings| settings.http.idle_timeout_ms = 200);
    let served = setup.serve();
    let client = Http2Client::connect(served.address);
    assert_eq!(client.ask(request("POST", "/predict", &[]), USER).status, 200);
    assert!(client.ended(), "it ended with an error");
    wait_until("it is closed", || served.counters().connections_open.get() == 0);
    // And one that never says anything behind its preface, or half of that.
    let mut silent = Client::connect(served.address);
    silent.send("PRI * HTTP/2.0\r\n\r\nSM");
    let mut empty = Client::connect(served.address);
    empty.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    wait_until("both are taken", || served.counters().connections_accepted.get() == 3);
    wait_until("the one is closed", || served.counters().connections_open.get() <= 1);
}

#[test]
fn a_stop_answers_what_was_sent_and_ends_streams_that_go_on() {
    let served = setup(None).serve();
    let client = Http2Client::connect(served.address);
    let (status, codes) = client.run(async {
        let mut waits = client.open(request("POST", "/predict", &[]), Bytes::new(), false).await;
        let stream = client.open(call(STREAM, &[]), framed(&of_user("user-001")), false).await;
        let mut body = stream.response.await.expect("a response").into_body();
        let first = next_data(&mut body).await.expect("no reset").expect("a row");
        served.shutdown.begin();
        waits.sender.send_data(USER.into(), true).expect("sent");
        let status = whole(waits.response).await.expect("a response").status;
        assert!(next_data(&mut body).await.expect("no reset").is_none());
        let trailers = body.trailers().await.expect("no reset").expect("trailers");
        (status, (first[0], trailers["grpc-status"].to_str().expect("ASCII").to_owned()))
    });
    assert_eq!((status, codes), (200, (0, "14".to_owned())));
    assert!(client.ended(), "it ended with an error");
    served.stop();
}

#[test]
fn idle_ones_make_room_for_others() {
    let setup = setup(None).settings(|settings| {
        settings.http.idle_timeout_ms = 3_600_000;
        settings.http.connections_max = 4;
    });
    let served = setup.serve();
    let held: Vec<_> = (0..4).map(|_| Http2Client::connect(served.address)).collect();
    for client in &held {
        assert_eq!(client.ask(request("POST", "/predict", &[]), USER).status, 200);
    }
    wait_until("another is served", || {
        let mut client = Client::connect(served.address);
        client.send_what_goes(crate::support::post(USER));
        matches!(client.stream().peek(&mut [0]), Ok(1))
    });
    assert!(served.counters().connections_evicted.get() > 0);
}

#[test]
fn a_cancelled_rpc_leaves_the_queue() {
    let served =
        Setup::of("credit-risk").settings(|settings| settings.http2.age_ms_max = None).serve();
    let client = Http2Client::connect(served.address);
    let rows: Vec<_> = (0..1_000).map(|row| format!("{{\"user_id\": {row}}}")).collect();
    let body: Bytes = format!("[{}]", rows.join(",")).into();
    assert_eq!(client.ask(request("POST", "/predict", &[]), "{\"user_id\": 1}").status, 200);
    let lane = served.lane();
    // A shard that has its core alone may have scored them all before it hears of it.
    wait_until("rows have left the queue", || {
        client.run(async {
            let mut streams = Vec::new();
            for _ in 0..20 {
                let request = request("POST", "/predict", &[]);
                streams.push(client.open(request, body.clone(), true).await);
            }
            let before = lane.counters.batches.get();
            for _ in 0..10_000 {
                if lane.counters.batches.get() != before {
                    break;
                }
                tokio::task::yield_now().await;
            }
            for stream in &mut streams {
                stream.sender.send_reset(h2::Reason::CANCEL);
            }
        });
        let answer = client.ask(request("POST", "/predict", &[]), "{\"user_id\": 1}");
        // Answers to the others may still be kept.
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        lane.counters.rows_abandoned.get() > 0
    });
    wait_until("nothing waits", || lane.counters.queue_rows.get() == 0);
    wait_until("nothing is kept", || served.counters().buffered_bytes.get() == 0);
}
