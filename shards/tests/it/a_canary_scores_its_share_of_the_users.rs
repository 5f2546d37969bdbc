//! With `[canary]`, a user's answers all come from one version, and `x-model-version` says which.

use crate::support::{Client, Response, Setup, post_to};
use serde_json::{Value, json};
use shards::model::canary::Canary;

const MANIFEST: &str = r#"
    [canary]
    version = 2
    percent = 30.0
    [[columns]]
    name = "feature_1"
    [[columns]]
    name = "feature_2"
    [[columns]]
    name = "feature_3"
"#;

#[test]
fn each_user_has_a_version_of_his_own() {
    let served = Setup::with_manifest(MANIFEST).and_version(2).serve();
    let canary = Canary { version: 2, percent: 30.0 };
    let mut client = served.client();
    let mut taken = 0;
    for number in 0..200 {
        let user = format!("someone-{number}");
        let expected = if canary.takes("demo-logistic", &user) { "2" } else { "1" };
        for _ in 0..2 {
            let answer = client.predict(&format!("{{\"user_id\": \"{user}\"}}"));
            assert_eq!(answer.field("x-model-version"), Some(expected), "{user}");
            assert!(answer.body.contains(&user) && answer.score().is_finite(), "{}", answer.body);
        }
        taken += usize::from(expected == "2");
    }
    assert!((30..90).contains(&taken), "{taken} of 200");
}

#[test]
fn without_a_canary_the_newest_scores_everybody() {
    let manifest = MANIFEST.split_once("[[").map(|(_, columns)| format!("[[{columns}")).unwrap();
    let served = Setup::with_manifest(&manifest).and_version(2).serve();
    let mut client = served.client();
    for number in 0..50 {
        let answer = client.predict(&format!("{{\"user_id\": {number}}}"));
        assert_eq!(answer.field("x-model-version"), Some("2"));
    }
}

/// Asks `/v2/models/demo-logistic` and what follows it.
fn infer(client: &mut Client, path: &str, inputs: &Value) -> Response {
    let body = json!({ "inputs": inputs }).to_string();
    client.ask(post_to(&format!("/v2/models/demo-logistic{path}/infer"), "", &body))
}

/// The version that an inference request was answered by, which its body and its head agree on.
fn version_of(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let version = body["model_version"].as_str().unwrap();
    assert_eq!(answer.field("x-model-version"), Some(version));
    version.to_owned()
}

#[test]
fn an_inference_request_by_user_is_answered_by_the_users_version() {
    let served = Setup::with_manifest(MANIFEST).and_version(2).serve();
    let canary = Canary { version: 2, percent: 30.0 };
    let mut client = served.client();
    let mut taken = 0;
    for number in 0..100 {
        let user = format!("someone-{number}");
        let expected = if canary.takes("demo-logistic", &user) { "2" } else { "1" };
        let inputs =
            json!([{"name": "user_id", "datatype": "BYTES", "shape": [1], "data": [user]}]);
        assert_eq!(version_of(&infer(&mut client, "", &inputs)), expected, "{user}");
        for pinned in ["1", "2"] {
            let answer = infer(&mut client, &format!("/versions/{pinned}"), &inputs);
            assert_eq!(version_of(&answer), pinned, "{user}");
        }
        taken += usize::from(expected == "2");
    }
    assert!((10..50).contains(&taken), "{taken} of 100");
}

#[test]
fn rows_of_features_alone_are_scored_by_the_stable_version() {
    let served = Setup::with_manifest(MANIFEST).and_version(2).serve();
    let mut client = served.client();
    let metadata = client.ask("GET /v2/models/demo-logistic HTTP/1.1\r\nhost: test\r\n\r\n");
    let metadata: Value = serde_json::from_str(&metadata.body).unwrap();
    assert_eq!(metadata["versions"], json!(["1", "2"]));
    let name = metadata["inputs"][0]["name"].as_str().unwrap();
    for number in 0..50 {
        let row = [f64::from(number), 0.5, -1.0];
        let inputs = json!([{"name": name, "datatype": "FP32", "shape": [1, 3], "data": row}]);
        assert_eq!(version_of(&infer(&mut client, "", &inputs)), "1");
    }
    let ready = "GET /v2/models/demo-logistic/versions/2/ready HTTP/1.1\r\nhost: test\r\n\r\n";
    assert_eq!(client.ask(ready).status, 200);
}
