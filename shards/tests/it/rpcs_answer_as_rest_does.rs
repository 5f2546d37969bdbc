//! Each RPC of the Open Inference Protocol says what its path of REST does, and by either form of
//! tensors the numbers are the same to the last bit.

use prost::Message;
use serde_json::Value;
use shards::grpc::messages::inference::infer_parameter::ParameterChoice;
use shards::grpc::messages::inference::model_infer_request::{
    InferInputTensor, InferRequestedOutputTensor,
};
use shards::grpc::messages::inference::{
    InferParameter, InferTensorContents, ModelConfigRequest, ModelConfigResponse,
    ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse,
    ModelReadyRequest, ModelReadyResponse, ModelStatisticsRequest, ModelStatisticsResponse,
    ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest, ServerMetadataResponse,
    ServerReadyRequest, ServerReadyResponse,
};

use crate::support::http2_client::call;
use crate::support::{Http2Client, Served, Setup, post_to};

const MODEL: &str = "demo-logistic";

fn service(method: &str) -> String {
    format!("/inference.GRPCInferenceService/{method}")
}

fn rest(served: &Served, path: &str) -> Value {
    let answer = served.client().ask(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).expect("a document")
}

#[test]
fn descriptions() {
    let served = Setup::of(MODEL).serve();
    let client = Http2Client::connect(served.address);
    let live: ServerLiveResponse =
        client.call(&service("ServerLive"), &ServerLiveRequest::default()).message();
    let ready: ServerReadyResponse =
        client.call(&service("ServerReady"), &ServerReadyRequest::default()).message();
    assert!(live.live && ready.ready);
    for (name, version, is_ready) in
        [(MODEL, "", true), (MODEL, "1", true), (MODEL, "7", false), ("nobody", "", false)]
    {
        let request = ModelReadyRequest { name: name.to_owned(), version: version.to_owned() };
        let found = client.call(&service("ModelReady"), &request);
        if name == MODEL || found.code() == 0 {
            // As of a version that is not there, in REST: not ready, or no such thing.
            let ready = found.code() == 0 && found.message::<ModelReadyResponse>().ready;
            assert_eq!(ready, is_ready, "{name} {version}");
        } else {
            assert_eq!(found.code(), 5, "{found:?}");
        }
    }
    let server: ServerMetadataResponse =
        client.call(&service("ServerMetadata"), &ServerMetadataRequest::default()).message();
    let expected = rest(&served, "/v2");
    assert_eq!(server.name, expected["name"]);
    assert_eq!(server.version, expected["version"]);
    assert_eq!(Value::from(server.extensions), expected["extensions"]);
    let request = ModelMetadataRequest { name: MODEL.to_owned(), ..Default::default() };
    let model: ModelMetadataResponse = client.call(&service("ModelMetadata"), &request).message();
    let expected = rest(&served, "/v2/models/demo-logistic");
    assert_eq!(model.platform, expected["platform"]);
    assert_eq!(Value::from(model.versions), expected["versions"]);
    for (found, expected) in
        [(&model.inputs, &expected["inputs"]), (&model.outputs, &expected["outputs"])]
    {
        let expected = expected.as_array().expect("tensors");
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.name, expected["name"]);
            assert_eq!(found.datatype, expected["datatype"]);
            assert_eq!(Value::from(found.shape.clone()), expected["shape"]);
        }
    }
    let request = ModelConfigRequest { name: MODEL.to_owned(), ..Default::default() };
    let config: ModelConfigResponse = client.call(&service("ModelConfig"), &request).message();
    let config = config.config.expect("a configuration");
    let expected = rest(&served, "/v2/models/demo-logistic/config");
    assert_eq!(config.name, expected["name"]);
    assert_eq!(Value::from(config.max_batch_size), expected["max_batch_size"]);
    assert_eq!(config.input.len(), expected["input"].as_array().expect("inputs").len());
}

#[test]
fn statistics() {
    let served = Setup::of(MODEL).serve();
    let client = Http2Client::connect(served.address);
    let users = infer_users(&["user-001", "user-002"], false);
    assert_eq!(client.call(&service("ModelInfer"), &users).code(), 0);
    for name in ["", MODEL] {
        let request = ModelStatisticsRequest { name: name.to_owned(), ..Default::default() };
        let found: ModelStatisticsResponse =
            client.call(&service("ModelStatistics"), &request).message();
        let [model] = &found.model_stats[..] else { panic!("{found:?}") };
        let parts = model.inference_stats.as_ref().expect("statistics");
        assert_eq!(
            (model.name.as_str(), model.inference_count, model.execution_count),
            (MODEL, 2, 1)
        );
        assert_eq!(parts.success.expect("a part").count, 2);
        let expected = rest(&served, "/v2/models/demo-logistic/stats");
        assert_eq!(Value::from(model.last_inference), expected["model_stats"][0]["last_inference"]);
    }
}

/// A request for the scores of users, by typed contents or raw ones.
fn infer_users(users: &[&str], is_raw: bool) -> ModelInferRequest {
    let bytes = users.iter().map(|user| user.as_bytes().to_vec());
    let mut request = ModelInferRequest { model_name: MODEL.to_owned(), ..Default::default() };
    let mut input = InferInputTensor {
        name: "user_id".to_owned(),
        datatype: "BYTES".to_owned(),
        shape: vec![users.len() as i64],
        ..Default::default()
    };
    if is_raw {
        let raw = bytes.flat_map(|user| [&(user.len() as u32).to_le_bytes()[..], &user].concat());
        request.raw_input_contents.push(raw.collect::<Vec<u8>>().into());
    } else {
        let bytes_contents = bytes.map(Into::into).collect();
        input.contents = Some(InferTensorContents { bytes_contents, ..Default::default() });
    }
    request.inputs.push(input);
    request
}

/// The outputs of a response, each element as JSON has it.
fn elements(response: &ModelInferResponse) -> Vec<(String, Vec<Value>)> {
    let raw = response.raw_output_contents.iter().map(Some).chain(std::iter::repeat(None));
    let each = response.outputs.iter().zip(raw).map(|(output, raw)| {
        let elements: Vec<Value> = match (&output.contents, raw, output.datatype.as_str()) {
            (None, Some(raw), "FP32") => raw
                .chunks(4)
                .map(|it| f32::from_le_bytes(it.try_into().expect("4")))
                .map(Value::from)
                .collect(),
            (None, Some(raw), "FP64") => raw
                .chunks(8)
                .map(|it| f64::from_le_bytes(it.try_into().expect("8")))
                .map(Value::from)
                .collect(),
            (None, Some(raw), "BYTES") => {
                let (mut rest, mut texts) = (&raw[..], Vec::new());
                while let Some((length, behind)) = rest.split_first_chunk::<4>() {
                    let (text, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
                    texts.push(Value::from(std::str::from_utf8(text).expect("UTF-8")));
                    rest = behind;
                }
                texts
            }
            (Some(contents), None, _) => {
                let texts = contents
                    .bytes_contents
                    .iter()
                    .map(|text| Value::from(std::str::from_utf8(text).expect("UTF-8")));
                let narrow = contents.fp32_contents.iter().copied().map(Value::from);
                let wide = contents.fp64_contents.iter().copied().map(Value::from);
                texts.chain(narrow).chain(wide).collect()
            }
            other => panic!("{other:?}"),
        };
        (output.name.clone(), elements)
    });
    each.collect()
}

#[test]
fn scores_of_users_to_the_last_bit() {
    let served = Setup::of(MODEL).serve();
    let client = Http2Client::connect(served.address);
    let body = serde_json::json!({"id": "a", "inputs": [
        {"name": "user_id", "datatype": "BYTES", "shape": [3], "data": ["user-001", "user-002", "nobody"]}
    ]});
    let answer =
        served.client().ask(post_to("/v2/models/demo-logistic/infer", "", &body.to_string()));
    let expected: Value = serde_json::from_str(&answer.body).expect("a document");
    for is_raw in [false, true] {
        let mut request = infer_users(&["user-001", "user-002", "nobody"], is_raw);
        request.id = "a".to_owned();
        let answer = client.call(&service("ModelInfer"), &request);
        let found: ModelInferResponse = answer.message();
        assert_eq!((found.model_name.as_str(), found.model_version.as_str()), (MODEL, "1"));
        assert_eq!(found.id, "a");
        assert_eq!(!found.raw_output_contents.is_empty(), is_raw);
        let expected = expected["outputs"].as_array().expect("outputs");
        let found = elements(&found);
        assert_eq!(found.len(), expected.len());
        for ((name, found), expected) in found.iter().zip(expected) {
            assert_eq!(*name, expected["name"]);
            let expected = expected["data"].as_array().expect("elements");
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                match (found.as_f64(), expected.as_f64()) {
                    (Some(found), Some(expected)) => assert_eq!(found as f32, expected as f32),
                    _ => assert_eq!(found, expected),
                }
            }
        }
        assert_eq!(answer.field("x-features"), Some("missing; defaulted=3"));
        assert_eq!(answer.field("x-model-version"), Some("1"));
    }
}

#[test]
fn scores_of_columns_in_each_type_that_holds_them() {
    let served = Setup::of(MODEL).serve();
    let client = Http2Client::connect(served.address);
    let cells = [1.0, -2.0, 3.0];
    let column = |column: usize| {
        serde_json::json!({
            "name": format!("feature_{column}"), "datatype": "FP64", "shape": [1, 1],
            "data": [cells[column - 1]]
        })
    };
    let body = serde_json::json!({"inputs": [column(1), column(2), column(3)]});
    let answer =
        served.client().ask(post_to("/v2/models/demo-logistic/infer", "", &body.to_string()));
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected: Value = serde_json::from_str(&answer.body).expect("a document");
    let score = expected["outputs"][0]["data"][0].as_f64().expect("a score") as f32;
    for (datatype, contents) in [
        (
            "FP32",
            (|cell: f64| InferTensorContents {
                fp32_contents: vec![cell as f32],
                ..Default::default()
            }) as fn(f64) -> InferTensorContents,
        ),
        ("FP64", |cell| InferTensorContents { fp64_contents: vec![cell], ..Default::default() }),
        ("INT8", |cell| InferTensorContents {
            int_contents: vec![cell as i32],
            ..Default::default()
        }),
        ("INT32", |cell| InferTensorContents {
            int_contents: vec![cell as i32],
            ..Default::default()
        }),
        ("INT64", |cell| InferTensorContents {
            int64_contents: vec![cell as i64],
            ..Default::default()
        }),
    ] {
        let input = |column: usize| InferInputTensor {
            name: format!("feature_{column}"),
            datatype: datatype.to_owned(),
            shape: vec![1, 1],
            contents: Some(contents(cells[column - 1])),
            ..Default::default()
        };
        let request = ModelInferRequest {
            model_name: MODEL.to_owned(),
            inputs: [1, 2, 3].map(input).to_vec(),
            outputs: vec![InferRequestedOutputTensor {
                name: "score".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let found: ModelInferResponse = client.call(&service("ModelInfer"), &request).message();
        let [output] = &found.outputs[..] else { panic!("{found:?}") };
        let contents = output.contents.as_ref().expect("typed as the inputs are");
        assert_eq!(contents.fp32_contents, [score], "{datatype}");
    }
}

#[test]
fn what_is_wrong_with_a_request() {
    let served = Setup::of(MODEL).serve();
    let client = Http2Client::connect(served.address);
    type Change = fn(&mut ModelInferRequest);
    let changes: [(Change, i32, &str); 9] = [
        (|it| it.model_name = "nobody".to_owned(), 5, "no model `nobody`"),
        (|it| it.model_version = "9".to_owned(), 5, "no version `9`"),
        (|it| it.inputs[0].name = "x".to_owned(), 3, "unexpected input `x`"),
        (|it| it.inputs[0].shape = vec![2], 3, "user_id"),
        (|it| it.inputs[0].shape = vec![-1], 3, "user_id"),
        (|it| it.inputs[0].datatype = "FP32".to_owned(), 3, "user_id"),
        (|it| it.inputs[0].datatype = "FP16X".to_owned(), 3, "FP16X"),
        (|it| it.raw_input_contents = vec![vec![0; 4].into(); 2], 3, "raw_input_contents"),
        (|it| it.raw_input_contents = vec![vec![0; 4].into()], 3, "user_id"),
    ];
    for (change, code, words) in changes {
        let mut request = infer_users(&["user-001"], false);
        change(&mut request);
        let answer = client.call(&service("ModelInfer"), &request);
        assert_eq!(answer.code(), code, "{answer:?}");
        let message = answer.field("grpc-message").expect("a message");
        assert!(message.replace("%60", "`").contains(words), "{message}");
    }
    let mut late = infer_users(&["user-001"], false);
    let timeout = InferParameter { parameter_choice: Some(ParameterChoice::Int64Param(1)) };
    late.parameters.insert("timeout".to_owned(), timeout);
    assert_eq!(client.call(&service("ModelInfer"), &late).code(), 4);
    // The message of another method, and none.
    let answer = client.ask(call(&service("ModelInfer"), &[]), vec![0, 0, 0, 0, 2, 0xff, 0xff]);
    assert_eq!(answer.code(), 3, "{answer:?}");
    let empty = client.call(&service("ModelInfer"), &ServerLiveRequest::default());
    assert_eq!(empty.code(), 5, "{empty:?}");
    assert!(ServerLiveRequest::default().encode_to_vec().is_empty());
}
