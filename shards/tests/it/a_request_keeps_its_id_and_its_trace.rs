//! A request's id comes back with its answer, whatever the answer is, and one is made where that
//! is configured; its trace goes on to the server that computes the model.

use std::collections::HashSet;

use shards::origin::RequestIds;

use crate::support::model_server::{says, score};
use crate::support::{Client, ModelServer, Setup, post_to};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn ask(client: &mut Client, path: &str, fields: &str, body: &str) -> crate::support::Response {
    client.ask(post_to(path, fields, body))
}

#[test]
fn an_id_comes_back_with_every_answer() {
    for request_ids in [RequestIds::Echo, RequestIds::Make] {
        let setup = Setup::of("demo-logistic").settings(|all| all.request_ids = request_ids);
        let served = setup.serve();
        let mut client = served.client();
        let mut made = HashSet::new();
        for (path, body, status) in [
            ("/predict", "{\"user_id\": \"applicant-0001\"}", 200),
            ("/predict", "[{\"user_id\": \"applicant-0001\"}, {}]", 200),
            ("/predict", "{", 400),
            ("/predict/none", "{}", 404),
            ("/nowhere", "", 404),
        ] {
            let sent = ask(&mut client, path, "x-request-id: a-b.1\r\n", body);
            assert_eq!((sent.status, sent.field("x-request-id")), (status, Some("a-b.1")));
            let without = ask(&mut client, path, "", body);
            assert_eq!(without.status, status);
            let id = without.field("x-request-id");
            assert_eq!(id.is_some(), request_ids == RequestIds::Make, "{without:?}");
            made.extend(id.map(str::to_owned));
        }
        assert!(made.iter().all(|id| id.len() == 32), "{made:?}");
        assert_eq!(made.len(), if request_ids == RequestIds::Make { 5 } else { 0 });
    }
}

#[test]
fn a_trace_goes_on_to_the_models_server() {
    let server = ModelServer::start(vec![(0..4).map(|_| says(score(0.25))).collect()]);
    let served = Setup::with_manifest(&server.manifest()).serve();
    let mut client = served.client();
    let body = "{\"user_id\": \"applicant-0001\"}";
    for (sent, gone_on) in [
        (format!("traceparent: {TRACE}\r\n"), Some(TRACE)),
        (String::new(), None),
        (format!("traceparent: {}\r\n", TRACE.replace("00-", "ff-")), None),
        (format!("traceparent: {TRACE}\r\n").repeat(2), None),
    ] {
        assert_eq!(ask(&mut client, "/predict", &sent, body).status, 200);
        let asked = server.asked().pop().expect("the server is asked");
        assert_eq!(asked.field("traceparent"), gone_on, "{sent}");
    }
}
