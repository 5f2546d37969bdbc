//! A store whose columns are replaced while it is served: the next batch is joined by the columns
//! that the store has then, or answered with 503 until they fit the model again.

use std::sync::Arc;

use shards::facts::Role;
use shards::telemetry::LaneTelemetry;

use crate::support::{Client, Response, Served, Setup, post_to, wait_until};

const COLUMNS: &str = r#"
    [[columns]]
    name = "feature_1"
    [[columns]]
    name = "feature_2"
    [[columns]]
    name = "feature_3"
"#;
const USER: &str = "{\"user_id\": \"u\"}";
/// One user with the features 1, 2 and 3, in every order and width that a model can read.
const FITS: [&str; 4] = [
    "user_id,feature_1,feature_2,feature_3\nu,1,2,3\n",
    "user_id,feature_3,feature_1,feature_2\nu,3,1,2\n",
    "user_id,other:double,feature_2,feature_1,more:int,feature_3\nu,9,2,1,9,3\n",
    "user_id,feature_2:boolean,feature_1,feature_3\nu,true,1,3\n",
];
/// As many bytes as the model's own columns, and other names: only the schema tells them apart.
const UNFIT: &str = "user_id,feature_1,feature_2,score\nu,1,2,3\n";

/// The model, bound to the columns that it names.
fn serve() -> Served {
    let served = Setup::with_manifest(COLUMNS).csv(FITS[0]).serve();
    assert_eq!(served.client().predict(USER).status, 200);
    served
}

fn lane_of(served: &Served, role: Role) -> Arc<LaneTelemetry> {
    let lanes = served.shared.telemetry.lanes();
    lanes.into_iter().rfind(|lane| lane.facts.role == role).expect("a lane")
}

fn is_unfit(answer: &Response) -> bool {
    let said =
        answer.body.contains("`feature_3` is not in the store, which has feature_1, feature_2")
            && answer.body.contains("import what the model reads");
    answer.status == 503 && answer.field("x-features") == Some("error") && said
}

#[test]
fn a_model_that_still_fits_scores_right_at_the_next_request() {
    let served = Setup::with_manifest(COLUMNS).csv(FITS[0]).serve();
    let mut client = served.client();
    let expected = client.predict(USER).score();
    for csv in &FITS[..3] {
        served.replace_store(csv);
        let answer = client.predict(USER);
        assert_eq!(answer.field("x-features"), Some("stored"), "{csv}");
        assert_eq!(answer.score().to_bits(), expected.to_bits(), "{csv}");
    }
    // Another type: `true` is 1.
    served.replace_store(FITS[3]);
    let boolean = client.predict(USER).score();
    served.replace_store("user_id,feature_1,feature_2,feature_3\nu,1,1,3\n");
    assert_eq!(client.predict(USER).score().to_bits(), boolean.to_bits());
    assert!((boolean - expected).abs() > 1e-4);
}

#[test]
fn a_model_that_does_not_fit_is_503_until_it_does() {
    let served = Setup::with_manifest(COLUMNS).csv(FITS[0]).serve();
    let mut client = served.client();
    let expected = client.predict(USER).score();
    let fit = || served.lane();
    served.replace_store(UNFIT);
    for _ in 0..3 {
        let answer = client.predict(USER);
        assert!(is_unfit(&answer), "{answer:?}");
    }
    assert_eq!(fit().fit.changes(), 1, "three batches, one change");
    assert!(fit().fit.reason().is_some_and(|reason| reason.contains("`feature_3`")));
    let array = client.predict("[{\"user_id\": \"u\"}, {\"user_id\": \"v\"}]");
    assert_eq!(array.body.matches("\"status\": 503").count(), 2, "{array:?}");
    // The same names in types that the model cannot read are no better.
    served.replace_store("user_id,feature_1,feature_2,feature_3:double\nu,1,2,3\n");
    let answer = client.predict(USER);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.error().contains("`feature_3` is double in the store"), "{answer:?}");
    served.replace_store(FITS[1]);
    assert_eq!(client.predict(USER).score().to_bits(), expected.to_bits());
    assert!(fit().fit.reason().is_none() && fit().fit.changes() == 3);
}

#[test]
fn a_change_is_noticed_without_a_request() {
    let served = serve();
    served.replace_store(UNFIT);
    wait_until("the lane says so", || served.lane().fit.is_unfit());
    served.replace_store(FITS[2]);
    wait_until("the lane fits again", || !served.lane().fit.is_unfit());
}

#[test]
fn rows_that_bring_their_features_are_scored_all_the_same() {
    let served = serve();
    served.replace_store(UNFIT);
    let mut client = served.client();
    assert_eq!(client.predict(USER).status, 503);
    let infer = |input: &str| {
        post_to("/v2/models/demo-logistic/infer", "", &format!("{{\"inputs\": [{input}]}}"))
    };
    let name = {
        let request = "GET /v2/models/demo-logistic HTTP/1.1\r\nhost: test\r\n\r\n";
        let body: serde_json::Value = serde_json::from_str(&client.ask(request).body).unwrap();
        let names = body["inputs"].as_array().unwrap().iter().map(|input| input["name"].clone());
        names.filter_map(|name| name.as_str().map(str::to_owned)).find(|name| name != "user_id")
    };
    let own = format!(
        "{{\"name\": \"{}\", \"datatype\": \"FP32\", \"shape\": [1, 3], \"data\": [1, 2, 3]}}",
        name.expect("the model's tensor")
    );
    let answer = client.ask(infer(&own));
    assert_eq!(answer.status, 200, "{answer:?}");
    let looked_up =
        "{\"name\": \"user_id\", \"datatype\": \"BYTES\", \"shape\": [1], \"data\": [\"u\"]}";
    let answer = client.ask(infer(looked_up));
    assert!(answer.status == 503 && answer.body.contains("`feature_3`"), "{answer:?}");
    let ready = client.ask("GET /v2/models/demo-logistic/ready HTTP/1.1\r\nhost: test\r\n\r\n");
    assert!(ready.status == 400 && ready.body.contains("false"), "{ready:?}");
}

#[test]
fn a_model_without_store_columns_goes_on() {
    let manifest = COLUMNS.replace("name =", "source = \"request\"\n    name =");
    let served = Setup::with_manifest(&manifest).csv(FITS[0]).serve();
    let mut client = served.client();
    let body = "{\"user_id\": \"u\", \"feature_1\": 1, \"feature_2\": 2, \"feature_3\": 3}";
    let expected = client.predict(body).score();
    served.replace_store(UNFIT);
    let answer = client.predict(body);
    assert_eq!(answer.field("x-features"), Some("stored"));
    assert_eq!(answer.score().to_bits(), expected.to_bits());
}

#[test]
fn a_model_that_names_no_columns_takes_no_other_order() {
    let served = Setup::with_manifest("").csv(FITS[0]).serve();
    let mut client = served.client();
    let expected = client.predict(USER).score();
    served.replace_store(FITS[1]);
    let answer = client.predict(USER);
    assert_eq!(answer.status, 503, "{answer:?}");
    let said = "column 1 of the store is `feature_3` where it was `feature_1`";
    assert!(answer.error().contains(said), "{answer:?}");
    served.replace_store(FITS[0]);
    assert_eq!(client.predict(USER).score().to_bits(), expected.to_bits());
    // A reload is an operator's word that the new order is meant.
    served.replace_store(FITS[1]);
    served.reload();
    let reordered = client.predict(USER).score();
    assert!((reordered - expected).abs() > 1e-4);
}

#[test]
fn a_reload_binds_to_the_columns_of_the_moment() {
    let served = Setup::with_manifest(COLUMNS).csv(FITS[0]).serve();
    let mut client = served.client();
    let expected = client.predict(USER).score();
    served.replace_store(UNFIT);
    wait_until("the lane says so", || served.lane().fit.is_unfit());
    served.replace_store(FITS[1]);
    served.reload();
    assert_eq!(client.predict(USER).score().to_bits(), expected.to_bits());
    assert!(!served.lane().fit.is_unfit());
}

#[test]
fn a_plan_that_was_made_before_a_change_is_bound_again_when_it_arrives() {
    let served = Setup::with_manifest(COLUMNS).csv(FITS[0]).serve();
    let mut client = served.client();
    let expected = client.predict(USER).score();
    served.reload_while(|| served.replace_store(FITS[1]));
    assert_eq!(client.predict(USER).score().to_bits(), expected.to_bits());
}

#[test]
fn a_canary_and_a_shadow_follow_too() {
    for role in ["canary", "shadow"] {
        let manifest = format!("[{role}]\nversion = 2\npercent = 100.0\n{COLUMNS}");
        let served = Setup::with_manifest(&manifest).and_version(2).csv(FITS[0]).serve();
        let mut client = served.client();
        let expected = client.predict(USER);
        served.replace_store(UNFIT);
        let answer = client.predict(USER);
        assert!(is_unfit(&answer), "{role}: {answer:?}");
        let role = if role == "canary" { Role::Canary } else { Role::Shadow };
        wait_until("both say so", || {
            let lanes = served.shared.telemetry.lanes();
            lanes.iter().all(|lane| lane.fit.is_unfit())
        });
        served.replace_store(FITS[2]);
        wait_until("both fit again", || !lane_of(&served, role).fit.is_unfit());
        scored_again(&mut client, &expected);
    }
}

fn scored_again(client: &mut Client, expected: &Response) {
    let answer = client.predict(USER);
    assert_eq!(answer.score().to_bits(), expected.score().to_bits());
    assert_eq!(answer.field("x-model-version"), expected.field("x-model-version"));
}
