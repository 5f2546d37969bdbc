//! A model with several entities joins each row's cells from the tables of all of them: by their own
//! keys and policies, and says of each what its features stood on.

use serde_json::Value;

use crate::support::{Served, Setup, post_to};
use shards::provenance::FeatureStatus::{Missing, Stored};

const USERS: &str = "user_id,feature_1,feature_2,feature_3\nuser-001,0.5,9,9\nuser-002,9,9,-0.8\n";
const MERCHANTS: &str = "merchant:bigint,rate\n17,1.2\n18,-3\n";

/// A model of a column of the sender, one of the merchant and one of the receiver.
fn manifest(merchant: &str, policies: &str) -> String {
    format!(
        "[output]\ntensor = \"probabilities\"\nclass = 1\n\n[policies]\n{policies}\n\n\
         [[entities]]\nname = \"merchant\"\ntable = \"merchants\"\nkey = \"merchant_id\"\n{merchant}\n\
         [[entities]]\nname = \"receiver\"\nof = \"user\"\nkey = \"receiver_id\"\n\n\
         [[columns]]\nname = \"feature_1\"\n\n\
         [[columns]]\nname = \"rate\"\nentity = \"merchant\"\ndefault = 1.2\n\n\
         [[columns]]\nname = \"of_receiver\"\nentity = \"receiver\"\ncolumn = \"feature_3\"\n\
         default = -0.8\n"
    )
}

fn serve(merchant: &str, policies: &str) -> Served {
    let setup = Setup::with_manifest(&manifest(merchant, policies)).csv(USERS);
    setup.and_table("merchants", &["merchant"], MERCHANTS).serve()
}

/// The score of (0.5, 1.2, -0.8), as a model of one entity has it.
fn expected() -> u64 {
    let stored = Setup::of("demo-logistic").serve();
    stored.client().predict("{\"user_id\": \"user-001\"}").score().to_bits()
}

const WHOLE: &str = r#"{"receiver_id": "user-002", "merchant_id": 17, "user_id": "user-001"}"#;

#[test]
fn each_column_comes_from_the_table_of_its_entity() {
    let (served, expected) = (serve("", ""), expected());
    let mut client = served.client();
    let answer = client.predict(WHOLE);
    assert_eq!(answer.score().to_bits(), expected, "{answer:?}");
    assert_eq!(answer.field("x-features"), Some("user=stored, merchant=stored, receiver=stored"));
    assert!(answer.body.starts_with(r#"{"user_id": "user-001", "score": "#), "{answer:?}");
    // Defaults are as good here: what is not known, and what is not named.
    let cases = [
        (
            r#"{"user_id": "user-001", "merchant_id": "0", "receiver_id": "user-002"}"#,
            "stored",
            "missing",
            "stored",
        ),
        (r#"{"user_id": "user-001"}"#, "stored", "missing", "missing"),
        (r#"{"user_id": "user-001", "merchant_id": null}"#, "stored", "missing", "missing"),
    ];
    for (body, user, merchant, receiver) in cases {
        let answer = client.predict(body);
        assert_eq!(answer.score().to_bits(), expected, "{body}: {answer:?}");
        let features = format!("user={user}, merchant={merchant}, receiver={receiver}");
        assert_eq!(answer.field("x-features"), Some(features.as_str()), "{body}");
    }
    let other = client.predict(r#"{"user_id": "user-001", "merchant_id": 18}"#);
    assert_ne!(other.score().to_bits(), expected);
    let lane = served.lane();
    let rows = |entity, status| lane.entity_rows(entity, status).get();
    assert_eq!([rows(0, Stored), rows(1, Stored), rows(2, Stored)], [5, 2, 2]);
    assert_eq!([rows(0, Missing), rows(1, Missing), rows(2, Missing)], [0, 3, 3]);
    assert_eq!(lane.counters.entity_ages.get(1).get(), 2);
}

#[test]
fn an_array_says_of_each_member_what_each_entity_stood_on() {
    let served = serve("", "");
    let body = format!("[{WHOLE}, {{\"user_id\": \"nobody\", \"merchant_id\": 18}}, {{\"x\": 1}}]");
    let answer = served.client().predict(&body);
    assert_eq!(answer.field("x-features"), Some("user=missing, merchant=stored, receiver=missing"));
    let members: Value = serde_json::from_str(&answer.body).unwrap();
    let features = &members[1]["features"];
    assert_eq!((&features["user"], &features["merchant"]), (&"missing".into(), &"stored".into()));
    assert_eq!(members[0]["user_id"], "user-001");
    assert_eq!(members[2]["status"], 400, "{answer:?}");
    assert!(members[2]["error"].as_str().unwrap().contains("no member is a key"), "{answer:?}");
}

#[test]
fn each_entity_has_its_own_policies() {
    let served = serve("on_missing = \"reject\"\nmax_age_s = 3600\non_expired = \"use\"", "");
    let mut client = served.client();
    let answer = client.predict(WHOLE);
    assert_eq!(answer.field("x-features"), Some("user=stored, merchant=expired, receiver=stored"));
    let answer = client.predict(r#"{"user_id": "user-001", "merchant_id": 3}"#);
    assert_eq!((answer.status, answer.field("x-features")), (404, Some("merchant=missing")));
    assert!(answer.error().contains("the merchant is not known"), "{answer:?}");
    let answer = client.predict(r#"{"user_id": "user-001"}"#);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.error().contains("`merchant_id` is missing"), "{answer:?}");
    for (merchant, says) in [
        ("1.5", "must be a non-empty string or an integer"),
        ("\"\"", "must be a non-empty string or an integer"),
        ("17, \"merchant_id\": 17", "is there twice"),
    ] {
        let body = format!("{{\"user_id\": \"user-001\", \"merchant_id\": {merchant}}}");
        let answer = client.predict(&body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.error().contains("`merchant_id`") && answer.error().contains(says));
    }
    let served = serve("max_age_s = 3600\non_expired = \"reject\"", "");
    let answer = served.client().predict(WHOLE);
    assert_eq!((answer.status, answer.field("x-features")), (503, Some("merchant=expired")));
    assert!(answer.error().contains("the features of the merchant are too old"), "{answer:?}");
    // Over the columns of all entities together.
    let served = serve("", "max_defaulted_columns = 0");
    assert_eq!(served.client().predict(WHOLE).status, 200);
    let ask = |served: &Served, body: &str| {
        let answer = served.client().predict(body);
        (answer.status, answer.body)
    };
    let without = r#"{"user_id": "user-001", "receiver_id": "user-002"}"#;
    let (status, body) = ask(&served, without);
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("1 of the merchant's features stand on defaults, at most 0"), "{body}");
    let (status, body) = ask(&served, r#"{"user_id": "user-001"}"#);
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("2 of the row's features stand on defaults, at most 0"), "{body}");
    let served = serve("", "max_defaulted_columns = 1");
    assert_eq!(ask(&served, without).0, 200);
}

#[test]
fn tensors_name_each_key() {
    let (served, expected) = (serve("", ""), expected());
    let mut client = served.client();
    let ask = |client: &mut crate::support::Client, inputs: &str| {
        let body = format!("{{\"inputs\": [{inputs}]}}");
        client.ask(post_to("/v2/models/demo-logistic/infer", "", &body))
    };
    let users = r#"{"name": "user_id", "datatype": "BYTES", "shape": [2, 1], "data": ["user-001", "user-001"]}"#;
    let merchants =
        r#"{"name": "merchant_id", "datatype": "UINT64", "shape": [2], "data": [17, 18]}"#;
    let receivers =
        r#"{"name": "receiver_id", "datatype": "BYTES", "shape": [2], "data": ["user-002", null]}"#;
    let answer = ask(&mut client, &format!("{merchants}, {users}, {receivers}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.field("x-features"), Some("user=stored, merchant=stored, receiver=missing"));
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    let outputs = document["outputs"].as_array().unwrap();
    let output = |name: &str| outputs.iter().find(|it| it["name"] == name).unwrap()["data"].clone();
    assert_eq!(output("score")[0].as_f64().unwrap().to_bits(), expected, "{answer:?}");
    assert_eq!(output("features")[1], "user=stored, merchant=stored, receiver=missing");
    let refused = ask(&mut client, &format!("{users}, {}", merchants.replace("UINT64", "FP32")));
    assert!(refused.status == 400 && refused.error().contains("merchant_id"), "{refused:?}");
    let metadata = client.ask("GET /v2/models/demo-logistic HTTP/1.1\r\nhost: x\r\n\r\n");
    let metadata: Value = serde_json::from_str(&metadata.body).unwrap();
    let names: Vec<_> =
        metadata["inputs"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names[1..], ["user_id", "merchant_id", "receiver_id"]);
    // Features of their own need no key.
    let own =
        r#"{"name": "features", "datatype": "FP32", "shape": [1, 3], "data": [0.5, 1.2, -0.8]}"#;
    let answer = ask(&mut client, &own.replace("features", names[0].as_str().unwrap()));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_key_of_several_fields_is_one_key_and_its_fields_may_be_read() {
    let manifest = "[output]\ntensor = \"probabilities\"\nclass = 1\n\n\
         [[entities]]\nname = \"bin\"\ntable = \"bins\"\nkey = [\"country\", \"bin\"]\n\n\
         [[columns]]\nname = \"a\"\nentity = \"bin\"\n\n\
         [[columns]]\nname = \"b\"\nentity = \"bin\"\ndefault = 7\n\n\
         [[columns]]\nname = \"bin\"\nsource = \"request\"\n";
    let bins = "country,bin:int,a,b\nNL,2,0.5,1.2\nN,12,5,5\n";
    let setup = Setup::with_manifest(manifest).and_table("bins", &["country", "bin"], bins);
    let served = setup.serve();
    let plain =
        Setup::of("demo-logistic").csv("user_id,feature_1,feature_2,feature_3\nu,0.5,1.2,2\n");
    let expected = plain.serve().client().predict("{\"user_id\": \"u\"}").score();
    let mut client = served.client();
    let answer = client.predict(r#"{"country": "NL", "bin": 2}"#);
    assert_eq!(answer.score().to_bits(), expected.to_bits(), "{answer:?}");
    assert_eq!(answer.field("x-features"), Some("stored"));
    assert!(answer.body.starts_with(r#"{"country": "NL", "bin": 2, "score": "#), "{answer:?}");
    let answer = client.predict(r#"{"country": "NL1", "bin": 2}"#);
    assert_eq!(answer.field("x-features"), Some("missing"));
    let answer = client.predict(r#"{"country": "NL"}"#);
    assert_eq!(answer.field("x-features"), Some("missing; defaulted=1"), "{answer:?}");
}
