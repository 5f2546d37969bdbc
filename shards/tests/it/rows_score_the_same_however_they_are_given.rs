//! A row scores the same bits whether `/predict` looks its user up, an inference request does, or
//! the request gives the features: as one tensor or by column, in JSON or in binary.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;

use crate::support::{Served, Setup};
use proptest::prelude::*;
use serde_json::{Value, json};
use shards::tensors::Datatype;
use shards::tensors::elements::{byte_strings, numbers, push_byte_string};

fn shard() -> &'static Served {
    static SHARD: OnceLock<Served> = OnceLock::new();
    SHARD.get_or_init(|| Setup::of("demo-logistic").serve())
}

/// The answer's JSON and the binary data behind it.
fn infer(address: SocketAddr, request: &Value, binary: &[u8]) -> (String, Value, Vec<u8>) {
    let json = request.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = json.len() + binary.len();
    let head = format!(
        "POST /v2/models/demo-logistic/infer HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
         inference-header-content-length: {}\r\ncontent-length: {length}\r\n\r\n{json}",
        json.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(binary).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let body = answer.split_off(end);
    let head = String::from_utf8(answer).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}{}", String::from_utf8_lossy(&body));
    let marked = head.split_once("inference-header-content-length: ");
    let json_bytes = marked.map_or(body.len(), |(_, rest)| {
        rest.lines().next().and_then(|line| line.parse().ok()).expect("a length")
    });
    let json = serde_json::from_slice(&body[..json_bytes]).expect("JSON");
    (head, json, body[json_bytes..].to_vec())
}

fn scores(answer: &Value) -> Vec<f32> {
    let output = answer["outputs"].as_array().unwrap().iter().find(|one| one["name"] == "score");
    let data = output.expect("scores")["data"].as_array().expect("data");
    data.iter().map(|score| score.as_f64().unwrap() as f32).collect()
}

fn matrix(rows: &[[f32; 3]], data: &Value) -> Value {
    let shape = [rows.len(), 3];
    json!({"inputs": [{"name": input(), "shape": shape, "datatype": "FP32", "data": data}]})
}

/// The name of the tensor that takes all columns, as the server says it.
fn input() -> String {
    let mut client = shard().client();
    let answer = client.ask("GET /v2/models/demo-logistic HTTP/1.1\r\nhost: test\r\n\r\n");
    let metadata: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(metadata["inputs"][0]["shape"], json!([-1, 3]));
    metadata["inputs"][0]["name"].as_str().expect("a name").to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn features_in_each_form(rows in prop::collection::vec([-9.0..9.0_f32, -9.0..9.0_f32, -9.0..9.0_f32], 1..70)) {
        let address = shard().address;
        let (head, nested, _) = infer(address, &matrix(&rows, &json!(rows)), b"");
        prop_assert!(!head.contains("x-features"), "no store was asked");
        let expected = scores(&nested);
        prop_assert_eq!(expected.len(), rows.len());

        let (_, flat, _) = infer(address, &matrix(&rows, &json!(rows.as_flattened())), b"");
        prop_assert_eq!(&scores(&flat), &expected);

        let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<_>>();
        let tensor = |at: usize| json!({
            "name": format!("feature_{}", at + 1), "shape": [rows.len()], "datatype": "FP64",
            "data": column(at),
        });
        let by_column = json!({"inputs": [tensor(2), tensor(0), tensor(1)]});
        prop_assert_eq!(&scores(&infer(address, &by_column, b"").1), &expected);

        let bytes: Vec<u8> = rows.as_flattened().iter().flat_map(|cell| cell.to_le_bytes()).collect();
        let in_binary = json!({
            "id": "7", "parameters": {"binary_data_output": true, "other": "ignored"},
            "inputs": [{"name": input(), "shape": [rows.len(), 3], "datatype": "FP32",
                        "parameters": {"binary_data_size": bytes.len()}}],
        });
        let (_, answer, binary) = infer(address, &in_binary, &bytes);
        prop_assert_eq!(&answer["id"], "7");
        let read: Vec<_> = numbers(Datatype::Fp32, &binary).expect("floats");
        let read: Vec<_> = read.into_iter().map(|score| score as f32).collect();
        prop_assert_eq!(&read, &expected);
    }
}

#[test]
fn users_in_each_form() {
    let served = shard();
    let mut client = served.client();
    let users = ["user-001", "nobody", "user-002"];
    let mut predicted = Vec::new();
    let mut bytes = Vec::new();
    for user in users {
        predicted.push(client.predict(&format!("{{\"user_id\": \"{user}\"}}")).score() as f32);
        push_byte_string(&mut bytes, user.as_bytes());
    }
    let request = json!({"inputs": [
        {"name": "user_id", "shape": [3, 1], "datatype": "BYTES", "data": [["user-001"], ["nobody"], ["user-002"]]},
    ]});
    let (head, answer, _) = infer(served.address, &request, b"");
    assert!(head.contains("x-features: missing\r\n") && head.contains("x-model-version: 1\r\n"));
    assert_eq!(scores(&answer), predicted);
    assert_eq!(answer["outputs"][1]["data"], json!(["stored", "missing", "stored"]));

    let request = json!({
        "outputs": [{"name": "features", "parameters": {"binary_data": true}}],
        "inputs": [{"name": "user_id", "shape": [3], "datatype": "BYTES",
                    "parameters": {"binary_data_size": bytes.len()}}],
    });
    let (_, answer, binary) = infer(served.address, &request, &bytes);
    assert_eq!(answer["outputs"].as_array().map(Vec::len), Some(1));
    let statuses = byte_strings(&binary).expect("byte strings");
    assert_eq!(statuses, [&b"stored"[..], b"missing", b"stored"]);
}
