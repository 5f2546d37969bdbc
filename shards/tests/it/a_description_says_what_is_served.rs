//! `/openapi.json` describes the models that are served now: their fields, their answers, a row that
//! can be sent, and whether a key is needed.

use serde_json::{Value, json};

use crate::support::{Client, Setup, post_to};

fn manifest(feature_2: &str, more: &str) -> String {
    format!(
        "[output]\ntensor = \"probabilities\"\nclass = 1\n{more}\n\
         [[columns]]\nname = \"feature_1\"\n\n\
         [[columns]]\nname = \"feature_2\"\nsource = \"request\"\n{feature_2}\n\n\
         [[columns]]\nname = \"feature_3\"\n"
    )
}

fn describe(client: &mut Client) -> Value {
    let answer = client.ask("GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).expect("JSON")
}

#[test]
fn with_its_fields_and_answers() {
    let bands = "[[output.bands]]\nbelow = 0.5\ndecision = \"approve\"\n\
                 [[output.bands]]\ndecision = \"decline\"\n";
    let fields = "type = \"int\"\nrequired = true\nrange = [-5.0, 5.0]";
    let served = Setup::with_manifest(&manifest(fields, bands)).serve();
    let mut client = served.client();
    let found = describe(&mut client);
    let row = &found["components"]["schemas"]["demo-logistic.row"];
    assert_eq!(row["required"], json!(["user_id", "feature_2"]));
    let field = &row["properties"]["feature_2"];
    assert_eq!((&field["minimum"], &field["maximum"]), (&json!(-5.0), &json!(5.0)));
    assert_eq!(field["type"][0], "integer");
    assert!(row["properties"].get("feature_1").is_none(), "the store gives it");
    let answer = &found["components"]["schemas"]["demo-logistic.answer"];
    assert_eq!(answer["properties"]["decision"]["enum"], json!(["approve", "decline"]));
    for path in ["/predict", "/predict/demo-logistic", "/v1/models/demo-logistic:predict"] {
        let example =
            found["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
                .to_string();
        let sent = client.ask(post_to(path, "", &example));
        assert_eq!(sent.status, 200, "{path} {example}: {sent:?}");
    }
    let tensors = &found["paths"]["/v2/models/demo-logistic/infer"]["post"]["requestBody"]["content"]
        ["application/json"]["example"];
    let sent = client.ask(post_to("/v2/models/demo-logistic/infer", "", &tensors.to_string()));
    assert_eq!(sent.status, 200, "{tensors}: {sent:?}");
}

#[test]
fn as_they_are_after_a_reload() {
    let setup = Setup::with_manifest(&manifest("default = 1.5", ""));
    let path = setup.manifest_path();
    let served = setup.serve();
    let mut client = served.client();
    let default = |found: &Value| {
        found["components"]["schemas"]["demo-logistic.row"]["properties"]["feature_2"]["default"]
            .clone()
    };
    assert_eq!(default(&describe(&mut client)), json!(1.5));
    std::fs::write(path, manifest("default = 2.5", "")).unwrap();
    served.reload_as_found();
    assert_eq!(default(&describe(&mut client)), json!(2.5));
}

#[test]
fn and_asks_for_a_key_where_requests_need_one() {
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let keys = format!("[[keys]]\nname = \"one\"\nsha256 = \"{hash}\"\n");
    let served = Setup::of("demo-logistic").with_keys(&keys).serve();
    let mut client = served.client();
    let refused = client.ask("GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(refused.status, 401);
    let answer =
        client.ask("GET /openapi.json HTTP/1.1\r\nhost: test\r\nx-api-key: secret\r\n\r\n");
    let found: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(found["security"], json!([{"bearer": []}, {"key": []}]));
    assert_eq!(found["paths"]["/v2/health/live"]["get"]["security"], json!([]));
}
