//! `null` in an optional field of the Open Inference Protocol is a field that is not given, in
//! requests and in the answers of a model's server; and such an answer may end with its connection.

use crate::support::model_server::{ID, says};
use crate::support::{ModelServer, Setup, post_to};

#[test]
fn in_requests() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    let mut infer = |body: &str| {
        let answer = client.ask(post_to("/v2/models/demo-logistic/infer", "", body));
        (answer.status, answer.body)
    };
    let tensor = "\"name\": \"input\", \"shape\": [1, 3], \"datatype\": \"FP32\"";
    let plain = infer(&format!("{{\"inputs\": [{{{tensor}, \"data\": [1, 2, 3]}}]}}"));
    assert_eq!(plain.0, 200, "{}", plain.1);
    for body in [
        format!(
            "{{\"id\": null, \"parameters\": null, \"outputs\": null, \
             \"inputs\": [{{{tensor}, \"parameters\": null, \"data\": [1, 2, 3]}}]}}"
        ),
        format!(
            "{{\"parameters\": {{\"binary_data_output\": null, \"timeout\": null}}, \
             \"inputs\": [{{{tensor}, \"parameters\": {{\"binary_data_size\": null}}, \
             \"data\": [1, 2, 3]}}], \"outputs\": [{{\"name\": \"score\", \"parameters\": null}}]}}"
        ),
        format!(
            "{{\"inputs\": [{{{tensor}, \"data\": [1, 2, 3]}}], \"outputs\": [{{\"name\": \"score\", \
             \"parameters\": {{\"binary_data\": null, \"classification\": null}}}}]}}"
        ),
    ] {
        assert_eq!(infer(&body), plain, "{body}");
    }
    for body in [
        format!("{{\"parameters\": 1, \"inputs\": [{{{tensor}, \"data\": [1, 2, 3]}}]}}"),
        format!("{{\"inputs\": [{{{tensor}, \"parameters\": \"x\", \"data\": [1, 2, 3]}}]}}"),
        format!("{{\"inputs\": [{{{tensor}, \"data\": null}}]}}"),
        "{\"inputs\": null}".to_owned(),
    ] {
        assert_eq!(infer(&body).0, 400, "{body}");
    }
}

/// What a server says of one row, and how it says where that ends.
fn answer(head: &str) -> String {
    let body = format!(
        "{{\"model_name\": \"m\", \"model_version\": null, \"id\": \"{ID}\", \"parameters\": null, \
         \"outputs\": [{{\"name\": \"y\", \"datatype\": \"FP32\", \"shape\": [1], \
         \"parameters\": null, \"data\": [0.25]}}]}}"
    );
    let head = head.replace("LENGTH", &body.len().to_string());
    format!("{head}\r\n{body}")
}

#[test]
fn in_the_answers_of_a_models_server_which_may_end_with_their_connection() {
    let whole = answer("HTTP/1.1 200 OK\r\n");
    let server = ModelServer::start(vec![
        vec![says(answer("HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n")), says(whole.clone())],
        vec![says(answer("HTTP/1.0 200 OK\r\n"))],
        vec![says(answer("HTTP/1.1 200 OK\r\nconnection: close\r\n"))],
        vec![says(whole[..whole.len() - 2].to_owned())],
        vec![says("HTTP/1.1 503 Busy\r\n\r\nlater")],
        vec![says("HTTP/1.1 200 OK\r\n")],
    ]);
    let served = Setup::with_manifest(&server.manifest()).serve();
    for (status, connection) in
        [(200, 0), (200, 0), (200, 1), (200, 2), (500, 3), (503, 4), (503, 5)]
    {
        let answer = served.client().predict("{\"user_id\": \"user-001\"}");
        let asked = server.asked();
        assert_eq!((answer.status, asked.len()), (status, 1), "{answer:?}");
        assert_eq!(asked[0].connection, connection);
        if status == 200 {
            assert_eq!(answer.score().to_bits(), 0.25_f64.to_bits());
        }
    }
}
