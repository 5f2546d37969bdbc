//! `KServe`'s version 1 scores instances as `/predict` scores rows and the Open Inference Protocol
//! scores tensors, and fails as a whole.

use serde_json::{Value, json};

use crate::support::{Client, Setup, post_to};

const PATH: &str = "/v1/models/demo-logistic:predict";

fn ask(client: &mut Client, body: &str) -> (u16, Value) {
    let answer = client.ask(post_to(PATH, "", body));
    (answer.status, serde_json::from_str(&answer.body).expect("JSON"))
}

#[test]
fn with_the_same_scores() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    let row = client.predict("{\"user_id\": \"user-001\"}").body;
    let row: Value = serde_json::from_str(&row).expect("JSON");
    let body = "{\"signature_name\": \"x\", \"instances\": [{\"user_id\": \"user-001\"}, \
                [0.5, 1.2, -0.8], {\"user_id\": 7}]}";
    let (status, found) = ask(&mut client, body);
    assert_eq!(status, 200, "{found}");
    let predictions = found["predictions"].as_array().expect("a list");
    assert_eq!(predictions.len(), 3);
    assert_eq!(predictions[0]["score"], row["score"]);
    assert_eq!(predictions[0]["features"], "stored");
    // user-001 is (0.5, 1.2, -0.8) in the store.
    assert_eq!(predictions[1], row["score"]);
    assert_eq!(
        (&predictions[2]["user_id"], &predictions[2]["features"]),
        (&json!(7), &json!("missing"))
    );
    let answer = client.ask(post_to(PATH, "", "{\"instances\": [[1, 2, 3]]}"));
    assert_eq!(answer.field("x-features"), None, "a list has no provenance");
    assert_eq!(answer.field("x-model-version"), Some("1"));
}

#[test]
fn a_list_has_no_provenance_whatever_its_answer_has() {
    let manifest = "[output]\ntensor = \"probabilities\"\nclass = 1\nprobabilities = true\n";
    let served = Setup::with_manifest(manifest).serve();
    let body = "{\"instances\": [[0.5, 1.2, -0.8], {\"user_id\": \"user-001\"}]}";
    let (status, found) = ask(&mut served.client(), body);
    assert_eq!(status, 200, "{found}");
    assert!(found["predictions"][0]["probabilities"].is_object(), "{found}");
    assert_eq!(found["predictions"][0]["features"], Value::Null, "{found}");
    assert_eq!(found["predictions"][1]["features"], "stored", "{found}");
}

#[test]
fn and_one_that_has_none_fails_all() {
    let served = Setup::of("demo-logistic").settings(|all| all.http.array_rows_max = 3).serve();
    let mut client = served.client();
    for (body, status, message) in [
        ("{\"instances\": [{\"user_id\": \"user-001\"}, [1, 2]]}", 400, "instance 1: "),
        ("{\"instances\": [[1, 2, 3, 4]]}", 400, "instance 0: "),
        ("{\"instances\": [[1, 2, \"x\"]]}", 400, "found a text"),
        ("{\"instances\": [[1, 2, null]]}", 400, "no finite score"),
        ("{\"instances\": [7]}", 400, "instance 0: "),
        ("{\"instances\": []}", 400, "empty"),
        ("{\"instances\": {}}", 400, "{\"instances\": […]}"),
        ("{\"instances\": [[1, 2, 3]], \"instances\": []}", 400, "duplicate"),
        ("{}", 400, "missing field `instances`"),
        ("[]", 400, "{\"instances\": […]}"),
        ("{\"instances\": [", 400, "not valid JSON"),
        ("{\"instances\": [[1,2,3],[1,2,3],[1,2,3],[1,2,3]]}", 413, "more than 3"),
    ] {
        let (found, said) = ask(&mut client, body);
        assert_eq!(found, status, "{body}: {said}");
        assert!(said["error"].as_str().expect("a message").contains(message), "{body}: {said}");
    }
    assert_eq!(served.lane().counters.queue_rows.get(), 0);
}

#[test]
fn and_models_say_whether_they_are_ready() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    for (path, status, expected) in [
        ("/v1/models", 200, json!({"models": ["demo-logistic"]})),
        ("/v1/models/demo-logistic", 200, json!({"name": "demo-logistic", "ready": true})),
        ("/v1/models/x", 404, json!({"error": "no model `x`; there is: demo-logistic"})),
    ] {
        let answer = client.ask(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
        let found: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!((answer.status, found), (status, expected), "{path}");
    }
}
