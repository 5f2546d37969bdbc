//! An inference request names users by text or by integers of any width, in a tensor of one axis or of
//! two: each is the user that the store knows by those digits.

use crate::support::{Client, Response, Setup, post_to};
use serde_json::{Value, json};

/// Integers that a float of 64 bits would take for their neighbours stand beside those.
const CSV: &str = "user_id,feature_1,feature_2,feature_3\n17,1,1,1\n-5,2,1,1\n\
    9007199254740993,3,1,1\n9007199254740992,4,1,1\n9223372036854775807,5,1,1\n\
    -9223372036854775808,6,1,1\n18446744073709551615,7,1,1\n";

fn infer(client: &mut Client, user_ids: &Value) -> Response {
    let body = json!({ "inputs": [user_ids] }).to_string();
    client.ask(post_to("/v2/models/demo-logistic/infer", "", &body))
}

/// The scores and what the features stood on.
fn answered(answer: &Response) -> (Value, Value) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let data = |output: usize| body["outputs"][output]["data"].clone();
    (data(0), data(1))
}

#[test]
fn in_json() {
    let served = Setup::of("demo-logistic").csv(CSV).serve();
    let mut client = served.client();
    for (datatype, ids) in [
        ("INT64", "17, -5, 9007199254740993, 9007199254740992, 9223372036854775807"),
        ("INT64", "9007199254740992, -9223372036854775808, 17.0"),
        ("UINT64", "18446744073709551615, 9007199254740993"),
        ("INT32", "17, -5"),
        ("UINT8", "17"),
    ] {
        let text = ids.replace(".0", "");
        let text: Vec<_> = text.split(", ").collect();
        let rows = text.len();
        let expected = answered(&infer(
            &mut client,
            &json!({"name": "user_id", "datatype": "BYTES", "shape": [rows], "data": text}),
        ));
        assert_eq!(expected.1, json!(vec!["stored"; rows]), "{ids}");
        let data: Value = serde_json::from_str(&format!("[{ids}]")).unwrap();
        for shape in [json!([rows]), json!([rows, 1])] {
            let ids =
                json!({"name": "user_id", "datatype": datatype, "shape": shape, "data": data});
            assert_eq!(answered(&infer(&mut client, &ids)), expected, "{ids}");
        }
    }
}

#[test]
fn in_binary() {
    let served = Setup::of("demo-logistic").csv(CSV).serve();
    let ids = [9_007_199_254_740_993_i64, -5, i64::MIN, 17];
    let header = json!({"inputs": [{
        "name": "user_id", "datatype": "INT64", "shape": [4, 1],
        "parameters": {"binary_data_size": 32},
    }]});
    let header = header.to_string();
    let field = format!("inference-header-content-length: {}\r\n", header.len());
    let path = "/v2/models/demo-logistic/infer";
    let length = header.len() + 32;
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n{field}\r\n");
    let binary = ids.map(i64::to_le_bytes).concat();
    let mut client = served.client();
    let found = answered(&client.ask([head.as_bytes(), header.as_bytes(), &binary].concat()));
    let text = ids.map(|id| id.to_string());
    let text = json!({"name": "user_id", "datatype": "BYTES", "shape": [4, 1], "data": text});
    assert_eq!(found, answered(&infer(&mut client, &text)));
    assert_eq!(found.1, json!(vec!["stored"; 4]));
}

#[test]
fn but_not_by_what_the_type_does_not_hold() {
    let served = Setup::of("demo-logistic").csv(CSV).serve();
    let mut client = served.client();
    for (datatype, id) in [
        ("INT64", "1.5"),
        ("INT64", "null"),
        ("INT64", "1e30"),
        ("INT64", "9223372036854775808"),
        ("UINT64", "-1"),
        ("INT8", "128"),
        ("INT64", "\"17\""),
        ("FP64", "17"),
        ("BOOL", "true"),
    ] {
        let data: Value = serde_json::from_str(&format!("[{id}]")).unwrap();
        let ids = json!({"name": "user_id", "datatype": datatype, "shape": [1], "data": data});
        let answer = infer(&mut client, &ids);
        assert_eq!(answer.status, 400, "{ids}: {answer:?}");
        assert!(answer.error().contains("user_id"), "{answer:?}");
    }
}
