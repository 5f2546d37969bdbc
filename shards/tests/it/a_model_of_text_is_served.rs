//! Text from CSV and from requests reaches a model as its categories' codes: the score is that of the
//! numbers.

use crate::support::{Client, Served, Setup, post_to};

const HEAD: &str = r#"
[output]
tensor = "probabilities"
class = 1
[[columns]]
name = "feature_1"
"#;
/// `feature_2` is a text of the store, `feature_3` one of the request.
const COLUMNS: &str = r#"
[[columns]]
name = "purpose"
type = "text"
categories = ["car", "boat", "Zürich"]
default = "boat"
[[columns]]
name = "country"
type = "text"
source = "request"
categories = ["NL", "DE", "crème"]
unknown = "reject"
required = true
"#;
const CSV: &str = "user_id,feature_1,purpose:text\nu,0.5,car\nv,0.5,Zürich\nw,0.5,\nx,0.5,plane\n";

/// The same model on numbers.
const NUMBERS: &str = r#"
[[columns]]
name = "purpose"
[[columns]]
name = "country"
source = "request"
"#;

fn serve() -> Served {
    Setup::with_manifest(&format!("{HEAD}{COLUMNS}")).csv(CSV).serve()
}

fn serve_numbers() -> Served {
    let csv = "user_id,feature_1,purpose\nu,0.5,0\nv,0.5,2\nw,0.5,1\n";
    Setup::with_manifest(&format!("{HEAD}{NUMBERS}")).csv(csv).serve()
}

/// How many texts of each column were unknown.
fn unknown(served: &Served) -> [u64; 3] {
    let lane = served.lane();
    [0, 1, 2].map(|column| lane.counters.texts_unknown.get(column).get())
}

#[test]
fn the_score_is_that_of_the_codes() {
    let served = serve();
    let numbers = serve_numbers();
    let (mut client, mut reference) = (served.client(), numbers.client());
    for user in ["u", "v", "w"] {
        for (code, country) in ["NL", "DE", "crème", "cr\\u00e8me"].into_iter().enumerate() {
            let body = format!("{{\"user_id\": \"{user}\", \"country\": \"{country}\"}}");
            let answer = client.predict(&body);
            assert_eq!(answer.status, 200, "{body}: {answer:?}");
            let body = format!("{{\"user_id\": \"{user}\", \"country\": {}}}", code.min(2));
            let expected = reference.predict(&body).score();
            assert_eq!(answer.score().to_bits(), expected.to_bits(), "{user} {country}");
        }
    }
}

#[test]
fn a_text_that_cannot_be_used_is_named() {
    let served = serve();
    let mut client = served.client();
    for (fields, status) in [
        ("\"country\": \"FR\"", 422),
        ("\"country\": 3", 400),
        ("\"country\": true", 400),
        ("\"country\": [\"NL\"]", 400),
        ("\"country\": null", 400),
        ("\"land\": \"NL\"", 400),
    ] {
        let answer = client.predict(&format!("{{\"user_id\": \"u\", {fields}}}"));
        assert_eq!(answer.status, status, "{fields}: {answer:?}");
        assert!(answer.error().contains("`country`"), "{fields}: {answer:?}");
    }
    // What the model's file has no categories for is unknown: not a number, as it computes.
    let answer = client.predict("{\"user_id\": \"x\", \"country\": \"NL\"}");
    assert_eq!(answer.status, 500, "{answer:?}");
}

fn tensor(name: &str, datatype: &str, data: &str) -> String {
    format!(
        "{{\"name\": \"{name}\", \"datatype\": \"{datatype}\", \"shape\": [2], \"data\": {data}}}"
    )
}

/// The status, and the scores or the error.
fn infer(client: &mut Client, tensors: &[String]) -> (u16, String) {
    let body = format!("{{\"inputs\": [{}]}}", tensors.join(", "));
    let answer = client.ask(post_to("/v2/models/demo-logistic/infer", "", &body));
    if answer.status != 200 {
        return (answer.status, answer.error());
    }
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    (200, body["outputs"][0]["data"].to_string())
}

#[test]
fn tensors_of_text_are_bytes() {
    let served = serve();
    let numbers = serve_numbers();
    let (mut client, mut reference) = (served.client(), numbers.client());
    let users = tensor("user_id", "BYTES", "[\"u\", \"v\"]");
    let country = tensor("country", "BYTES", "[\"DE\", \"NL\"]");
    let codes = tensor("country", "FP32", "[1, 0]");
    let expected = infer(&mut reference, &[users.clone(), codes.clone()]);
    assert_eq!(expected.0, 200, "{expected:?}");
    assert_eq!(infer(&mut client, &[users.clone(), country.clone()]), expected);

    // Each column by itself, without the store.
    let purpose = tensor("purpose", "BYTES", "[\"car\", \"Zürich\"]");
    let feature = tensor("feature_1", "FP32", "[0.5, 0.5]");
    let all = [feature.clone(), purpose.clone(), country.clone()];
    assert_eq!(infer(&mut client, &all), expected);

    for (tensors, said) in [
        (vec![users.clone(), codes], "expected BYTES"),
        (vec![feature.clone(), purpose, tensor("country", "FP32", "[1, 0]")], "expected BYTES"),
        (
            vec![tensor("feature_1", "BYTES", "[\"a\", \"b\"]"), country.clone()],
            "a type of numbers",
        ),
        (vec![users, tensor("country", "BYTES", "[\"DE\", \"FR\"]")], "row 1: `country` is a text"),
        (vec![tensor("float_input", "FP32", "[0, 0]")], "some are of text"),
    ] {
        let (status, error) = infer(&mut client, &tensors);
        assert_eq!(status, 400, "{error}");
        assert!(error.contains(said), "{error}\nexpected: {said}");
    }
    let described = client.ask("GET /v2/models/demo-logistic HTTP/1.1\r\nhost: a\r\n\r\n");
    let described: serde_json::Value = serde_json::from_str(&described.body).unwrap();
    let inputs: Vec<_> = described["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["datatype"].as_str().unwrap()))
        .collect();
    let expected =
        [("user_id", "BYTES"), ("country", "BYTES"), ("feature_1", "FP32"), ("purpose", "BYTES")];
    assert_eq!(inputs, expected);
}

#[test]
fn unknown_texts_are_counted_by_column() {
    let served = serve();
    let mut client = served.client();
    client.predict("{\"user_id\": \"x\", \"country\": \"FR\"}");
    client.predict("{\"user_id\": \"u\", \"country\": \"FR\"}");
    assert_eq!(unknown(&served), [0, 1, 2]);
}

#[test]
fn rows_that_bring_their_own_texts_obey_the_columns_policy() {
    let served = serve();
    let mut client = served.client();
    let country = tensor("country", "BYTES", "[\"DE\", \"FR\"]");
    let others = [
        tensor("feature_1", "FP32", "[0.5, 0.5]"),
        tensor("purpose", "BYTES", "[\"car\", \"boat\"]"),
    ];
    let all = [&others[..], &[country]].concat();
    let (status, error) = infer(&mut client, &all);
    assert_eq!(status, 400, "{error}");
    assert!(error.contains("row 1: `country` is a text"), "{error}");
    assert_eq!(unknown(&served), [0, 0, 1]);
}
