//! A stream of rows or tensors has an answer for each message, in their order; one that fails says so
//! in its answer, and those behind it go on.

use bytes::Bytes;
use shards::grpc::framing::MessageReader;
use shards::grpc::messages::health::{HealthCheckRequest, HealthCheckResponse};
use shards::grpc::messages::inference::model_infer_request::InferInputTensor;
use shards::grpc::messages::inference::{
    InferTensorContents, ModelInferRequest, ModelStreamInferResponse,
};
use shards::grpc::messages::prediction::value::Kind;
use shards::grpc::messages::prediction::{Options, PredictRequest, PredictResponse, Value};
use shards::grpc::messages::reflection::server_reflection_request::MessageRequest;
use shards::grpc::messages::reflection::server_reflection_response::MessageResponse;
use shards::grpc::messages::reflection::{ServerReflectionRequest, ServerReflectionResponse};

use crate::support::http2_client::{call, framed, next_data, whole};
use crate::support::served::golden;
use crate::support::{Http2Client, Setup, wait_until};

const STREAM: &str = "/shardgate.v1.Prediction/PredictStream";

fn of_user(user: &str) -> PredictRequest {
    let value = Value { kind: Some(Kind::Text(user.to_owned())) };
    PredictRequest { keys: [("user_id".to_owned(), value)].into(), ..Default::default() }
}

#[test]
fn of_rows() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let golden = golden("demo-logistic");
    let mut messages: Vec<PredictRequest> = golden.iter().map(|(user, _)| of_user(user)).collect();
    messages.insert(1, PredictRequest { model: "nobody".to_owned(), ..of_user("u") });
    messages.insert(2, PredictRequest::default());
    let messages: Vec<_> = std::iter::repeat_n(messages, 50).flatten().collect();
    let body: Vec<u8> = messages.iter().flat_map(|message| framed(message).to_vec()).collect();
    let answer = client.ask(call(STREAM, &[]), body);
    assert_eq!(answer.code(), 0, "{answer:?}");
    let rows: Vec<PredictResponse> = answer.messages();
    assert_eq!(rows.len(), messages.len());
    for rows in rows.chunks(golden.len() + 2) {
        let codes: Vec<i32> =
            rows.iter().map(|row| row.failure.as_ref().map_or(0, |failure| failure.code)).collect();
        assert_eq!(codes[..4], [0, 5, 3, 0]);
        let scores = rows.iter().filter_map(|row| row.score);
        let expected = golden.iter().map(|(_, score)| *score);
        assert!(scores.zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5));
        assert_eq!(rows.iter().filter(|row| row.score.is_some()).count(), golden.len());
    }
}

#[test]
fn as_soon_as_it_has_come() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    client.run(async {
        let mut stream = client.open(call(STREAM, &[]), Bytes::new(), false).await;
        let mut response = None;
        for (user, score) in golden("demo-logistic") {
            stream.sender.send_data(framed(&of_user(&user)), false).expect("sent");
            if response.is_none() {
                let begun = (&mut stream.response).await.expect("a response");
                response = Some(begun.into_body());
            }
            let data = next_data(response.as_mut().expect("a body")).await.expect("no reset");
            let mut reader = MessageReader::default();
            reader.push(data.expect("data"));
            let row = reader.next(1_000).expect("a message").expect("a whole one");
            let row: PredictResponse = prost::Message::decode(row).expect("a row");
            assert!((row.score.expect("a score") - score).abs() < 1e-5);
        }
        stream.sender.send_data(Bytes::new(), true).expect("sent");
        let mut body = response.expect("a body");
        assert!(next_data(&mut body).await.expect("no reset").is_none());
        let trailers = body.trailers().await.expect("no reset").expect("trailers");
        assert_eq!(trailers["grpc-status"], "0");
    });
}

#[test]
fn of_tensors() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let request = |id: usize, model: &str| ModelInferRequest {
        model_name: model.to_owned(),
        id: id.to_string(),
        inputs: vec![InferInputTensor {
            name: "user_id".to_owned(),
            datatype: "BYTES".to_owned(),
            shape: vec![1, 1],
            contents: Some(InferTensorContents {
                bytes_contents: vec!["user-001".into()],
                ..Default::default()
            }),
            ..Default::default()
        }],
        ..Default::default()
    };
    let messages: Vec<_> =
        (0..100).map(|id| request(id, if id == 7 { "nobody" } else { "demo-logistic" })).collect();
    let body: Vec<u8> = messages.iter().flat_map(|message| framed(message).to_vec()).collect();
    let path = "/inference.GRPCInferenceService/ModelStreamInfer";
    let answer = client.ask(call(path, &[]), body);
    assert_eq!(answer.code(), 0);
    let answers: Vec<ModelStreamInferResponse> = answer.messages();
    assert_eq!(answers.len(), 100);
    for (id, answer) in answers.iter().enumerate() {
        if id == 7 {
            assert!(answer.error_message.contains("no model `nobody`"), "{answer:?}");
            continue;
        }
        assert_eq!(answer.infer_response.as_ref().expect("a response").id, id.to_string());
    }
}

#[test]
fn a_row_has_all_that_it_asks_for() {
    let served = Setup::of("credit-risk").serve();
    let client = Http2Client::connect(served.address);
    let options = Options {
        probabilities: true,
        label: true,
        outputs: true,
        explain: true,
        max_reasons: Some(2),
    };
    let message = PredictRequest {
        model: "credit-risk".to_owned(),
        options: Some(options),
        ..of_user("applicant-0001")
    };
    let found: PredictResponse =
        client.call("/shardgate.v1.Prediction/Predict", &message).message();
    let body = r#"{"user_id": "applicant-0001", "options": {"probabilities": true, "label": true,
        "outputs": true, "explain": true, "max_reasons": 2}}"#;
    let answer = served.client().predict(body);
    let expected: serde_json::Value = serde_json::from_str(&answer.body).expect("a document");
    let number =
        |name: &str| expected[name].as_f64().unwrap_or_else(|| panic!("{name}: {expected}"));
    assert_eq!(found.score.expect("a score") as f32, number("score") as f32);
    assert_eq!(found.label, expected["label"]);
    let listed = expected["probabilities"].as_object().expect("probabilities");
    assert_eq!(found.probabilities.len(), listed.len());
    for found in &found.probabilities {
        assert_eq!(found.probability as f32, listed[&found.label].as_f64().unwrap() as f32);
    }
    let reasons = expected["reasons"].as_array().expect("reasons");
    assert_eq!((found.reasons.len(), reasons.len()), (2, 2));
    for (found, expected) in found.reasons.iter().zip(reasons) {
        assert_eq!(found.code, expected["code"]);
        assert_eq!(found.contribution, expected["contribution"].as_f64().unwrap());
    }
    assert_eq!(found.base, expected["base"].as_f64());
    assert_eq!((found.provenance.as_str(), found.model_version), ("stored", 1));
}

#[test]
fn a_watched_service_says_when_it_changes() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let check = |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        client.call("/grpc.health.v1.Health/Check", &request)
    };
    for service in ["", "demo-logistic", "inference.GRPCInferenceService"] {
        assert_eq!(check(service).message::<HealthCheckResponse>().status, 1, "{service}");
    }
    assert_eq!(check("nobody").code(), 5);
    client.run(async {
        let request = HealthCheckRequest { service: String::new() };
        let path = "/grpc.health.v1.Health/Watch";
        let stream = client.open(call(path, &[]), framed(&request), true).await;
        let mut body = stream.response.await.expect("a response").into_body();
        let first = next_data(&mut body).await.expect("no reset").expect("a message");
        assert_eq!(first[5..], [8, 1]);
        served.shutdown.begin();
        // Either what it has changed to, or the end that comes with that.
        while next_data(&mut body).await.ok().flatten().is_some() {}
    });
    wait_until("it has stopped", || client.is_over());
}

#[test]
fn reflection_describes_what_is_served() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let ask = |what: MessageRequest| {
        framed(&ServerReflectionRequest { host: String::new(), message_request: Some(what) })
    };
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        let body = [
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol("shardgate.v1.Prediction".to_owned())),
            ask(MessageRequest::FileContainingSymbol("nobody".to_owned())),
        ];
        let answers: Vec<ServerReflectionResponse> =
            client.ask(call(path, &[]), body.concat()).messages();
        let [services, file, nobody] = &answers[..] else { panic!("{answers:?}") };
        let Some(MessageResponse::ListServicesResponse(services)) = &services.message_response
        else {
            panic!("{services:?}")
        };
        assert_eq!(services.service.len(), 5);
        assert!(matches!(file.message_response, Some(MessageResponse::FileDescriptorResponse(_))));
        assert!(matches!(&nobody.message_response,
            Some(MessageResponse::ErrorResponse(error)) if error.error_code == 5));
    }
}

#[test]
fn one_that_fails_as_a_stream_ends_with_its_status() {
    let served = Setup::of("demo-logistic").serve();
    let client = Http2Client::connect(served.address);
    let body =
        [&framed(&of_user("user-001"))[..], &[0, 0, 0, 0, 1, 0xff][..], &framed(&of_user("u"))];
    let answer = client.ask(call(STREAM, &[]), body.concat());
    assert_eq!(answer.code(), 3, "{answer:?}");
    assert_eq!(answer.messages::<PredictResponse>().len(), 1);
    // A client that resets it leaves nothing behind.
    client.run(async {
        let mut stream = client.open(call(STREAM, &[]), framed(&of_user("u")), false).await;
        let response = (&mut stream.response).await.expect("a response");
        stream.sender.send_reset(h2::Reason::CANCEL);
        assert!(whole_of(response.into_body()).await);
    });
    assert_eq!(client.call("/shardgate.v1.Prediction/Predict", &of_user("u")).code(), 0);
    let _ = whole;
}

/// Whether what is left of a body ends.
async fn whole_of(mut body: h2::RecvStream) -> bool {
    while let Ok(Some(_)) = next_data(&mut body).await {}
    true
}
