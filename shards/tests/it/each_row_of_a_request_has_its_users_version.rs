//! Where `[canary]` has another version score some users, each row of a request is scored by its own
//! user's version, alone as among others, and the answer says which that was.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shards::batch::PreparedModel;
use shards::model::LoadOptions;
use shards::model::canary::Canary;
use shards::model::repository::Repository;
use shards::shard::Command;
use shards::telemetry::Counter;

use crate::support::served::demo_with_intercept;
use crate::support::{Client, Response, Setup, post_to, wait_until};

const CANARY: Canary = Canary { version: 2, percent: 40.0 };
const COLUMNS: &str = "[[columns]]\nname = \"feature_1\"\n[[columns]]\nname = \"feature_2\"\n\
    [[columns]]\nname = \"feature_3\"\n";

fn manifest(columns: &str) -> String {
    format!("[canary]\nversion = 2\npercent = 40.0\n{columns}")
}

fn setup() -> Setup {
    Setup::with_manifest(&manifest(COLUMNS)).and_version_of(2, &demo_with_intercept(1.5))
}

fn version_of(user: &str) -> u64 {
    if CANARY.takes("demo-logistic", user) { 2 } else { 1 }
}

fn users(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("someone-{number}")).collect()
}

/// So many users whom this version scores.
fn users_of(version: u64, count: usize) -> Vec<String> {
    users(1_000).into_iter().filter(|user| version_of(user) == version).take(count).collect()
}

fn ask_for(client: &mut Client, users: &[String]) -> Response {
    let body: Vec<_> = users.iter().map(|user| json!({"user_id": user})).collect();
    client.predict(&serde_json::to_string(&body).unwrap())
}

fn members(answer: &Response) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Of each of these users, the version and the score that it gets alone.
fn alone(client: &mut Client, users: &[String]) -> BTreeMap<String, (u64, f64)> {
    let mut ask = |user: &String| {
        let answer = client.predict(&json!({ "user_id": user }).to_string());
        let version = answer.field("x-model-version").unwrap().parse().unwrap();
        (user.clone(), (version, answer.score()))
    };
    users.iter().map(&mut ask).collect()
}

#[test]
fn in_an_array_as_alone() {
    let served = setup().serve();
    let mut client = served.client();
    let users = users(200);
    let alone = alone(&mut client, &users);
    let answer = ask_for(&mut client, &users);
    assert_eq!(answer.field("x-model-version"), None, "there are two");
    assert_eq!(answer.field("x-features"), Some("missing"));
    let members = members(&answer);
    assert_eq!(members.len(), users.len());
    for (member, user) in members.iter().zip(&users) {
        assert_eq!(member["user_id"], user.as_str());
        let found = (member["model_version"].as_u64().unwrap(), member["score"].as_f64().unwrap());
        assert_eq!(found, alone[user], "{user}");
        assert_eq!(found.0, version_of(user), "{user}");
    }
    let lanes = served.shared.telemetry.lanes();
    let scored = |version: u64| {
        let lane = lanes.iter().find(|lane| lane.facts.version == version).unwrap();
        lane.counters.rows.iter().map(Counter::get).sum::<u64>()
    };
    let canarys = users.iter().filter(|user| version_of(user) == 2).count() as u64;
    assert_eq!((scored(1), scored(2)), (2 * (200 - canarys), 2 * canarys));
}

#[test]
fn a_version_that_all_have_is_said_once() {
    let served = setup().serve();
    let mut client = served.client();
    for version in [1, 2] {
        let answer = ask_for(&mut client, &users_of(version, 5));
        assert_eq!(answer.field("x-model-version"), Some(&*version.to_string()));
        assert!(members(&answer).iter().all(|member| member.get("model_version").is_none()));
    }
}

#[test]
fn members_that_name_no_user_keep_their_places() {
    let served = setup().serve();
    let ([one], [two]) = (&users_of(1, 1)[..], &users_of(2, 1)[..]) else { panic!("there are") };
    let body = format!("[{{\"user_id\": \"{two}\"}}, 17, {{\"user_id\": \"{one}\"}}, {{}}]");
    let answer = served.client().predict(&body);
    let found: Vec<_> = members(&answer)
        .iter()
        .map(|member| (member["model_version"].as_u64(), member["status"].as_u64()))
        .collect();
    assert_eq!(
        found,
        [(Some(2), None), (Some(1), Some(400)), (Some(1), None), (Some(1), Some(400))]
    );
}

#[test]
fn a_full_queue_refuses_the_rows_of_its_own_version() {
    let served = setup().settings(|settings| settings.queue_rows_max = 3).serve();
    let mut asked = users_of(1, 5);
    asked.splice(2..2, users_of(2, 2));
    let answer = ask_for(&mut served.client(), &asked);
    let statuses: Vec<_> =
        members(&answer).iter().map(|member| member["status"].as_u64()).collect();
    assert_eq!(statuses, [None, None, None, None, None, Some(429), Some(429)]);
}

/// Asks for these users by an inference request with these outputs.
fn infer(client: &mut Client, users: &[String], outputs: &Value, path: &str) -> Response {
    let ids =
        json!({"name": "user_id", "datatype": "BYTES", "shape": [users.len()], "data": users});
    let body = json!({"inputs": [ids], "outputs": outputs}).to_string();
    client.ask(post_to(&format!("/v2/models/demo-logistic{path}/infer"), "", &body))
}

#[test]
fn in_tensors_as_alone() {
    let served = setup().serve();
    let mut client = served.client();
    let users = users(50);
    let alone = alone(&mut client, &users);
    let versions: Vec<_> = users.iter().map(|user| version_of(user).to_string()).collect();
    let scores: Vec<_> = users.iter().map(|user| alone[user].1).collect();
    for (outputs, names) in [
        (json!([]), &["score", "features", "model_version"][..]),
        (json!([{"name": "model_version"}, {"name": "score"}]), &["model_version", "score"]),
        (json!([{"name": "score"}]), &["score"]),
    ] {
        let answer = infer(&mut client, &users, &outputs, "");
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((answer.field("x-model-version"), body.get("model_version")), (None, None));
        let found = body["outputs"].as_array().unwrap();
        let found_names: Vec<_> = found.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(found_names, names);
        for output in found {
            match output["name"].as_str() {
                Some("score") => assert_eq!(output["data"], json!(scores)),
                Some("model_version") => assert_eq!(output["data"], json!(versions)),
                _ => assert_eq!(output["data"], json!(vec!["missing"; 50])),
            }
        }
    }
    // One that is pinned scores all of them.
    let answer = infer(&mut client, &users, &json!([]), "/versions/2");
    assert_eq!(answer.field("x-model-version"), Some("2"));
    // And where all have the same it is said as the protocol does; or by row, for those who ask.
    let outputs = json!([{"name": "model_version"}]);
    let answer = infer(&mut client, &users_of(2, 2), &outputs, "");
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(
        (&body["model_version"], &body["outputs"][0]["data"]),
        (&json!("2"), &json!(["2", "2"]))
    );
}

#[test]
fn binary_tensors_say_the_version_of_each_row() {
    let served = setup().serve();
    let asked = [users_of(2, 1), users_of(1, 2)].concat();
    let outputs = json!([{"name": "model_version", "parameters": {"binary_data": true}}]);
    let answer = infer(&mut served.client(), &asked, &outputs, "");
    let json_bytes: usize =
        answer.field("inference-header-content-length").unwrap().parse().unwrap();
    let expected = ["2", "1", "1"].map(|version| format!("\x01\0\0\0{version}")).concat();
    assert_eq!(&answer.body[json_bytes..], expected);
}

#[test]
fn a_version_with_other_request_fields_reads_its_own() {
    let fields = |name: &str| {
        let (of, to) = (
            format!("\"feature_{name}\"\n"),
            format!("\"feature_{name}\"\nsource = \"request\"\ndefault = 0.0\n"),
        );
        manifest(&COLUMNS.replace(&of, &to))
    };
    let served = Setup::with_manifest(&fields("1")).and_version(2).serve();
    // As if the manifest had been changed between the two.
    let other = tempfile::tempdir().unwrap();
    let model = other.path().join("demo-logistic");
    std::fs::create_dir_all(model.join("2")).unwrap();
    std::fs::create_dir_all(model.join("1")).unwrap();
    std::fs::write(model.join("model.toml"), fields("2")).unwrap();
    for version in ["1", "2"] {
        let file = model.join(version).join("model.onnx");
        std::fs::write(file, demo_with_intercept(0.0)).unwrap();
    }
    let directory = Repository::new(other.path()).find("demo-logistic", Some(2)).unwrap();
    let schema = served.store.schema().unwrap().unwrap();
    let prepared = PreparedModel::load(&directory, LoadOptions::default(), &schema).unwrap();
    let number = served.shared.send(Command::Install(Box::new(prepared)));
    wait_until("it is installed", || served.shared.done() >= number);

    let member = |user: &String| json!({"user_id": user, "feature_1": 3.0, "feature_2": -2.0});
    let mut client = served.client();
    let asked = users(40);
    let body: Vec<_> = asked.iter().map(member).collect();
    let answer = client.predict(&serde_json::to_string(&body).unwrap());
    let mut seen = [0; 3];
    for (found, body) in members(&answer).iter().zip(&body) {
        let alone = client.predict(&body.to_string());
        assert_eq!(found["score"].as_f64(), Some(alone.score()));
        assert_eq!(found["user_id"], body["user_id"]);
        let version = found["model_version"].as_u64().unwrap();
        assert_eq!(version, version_of(body["user_id"].as_str().unwrap()));
        seen[version as usize] += 1;
    }
    assert!(seen[1] > 0 && seen[2] > 0);
    // A field that is wrong fails the members whose version reads it.
    let body = [users_of(1, 1), users_of(2, 1)].concat();
    let body: Vec<_> = body.iter().map(|user| json!({"user_id": user, "feature_2": "x"})).collect();
    let answer = client.predict(&serde_json::to_string(&body).unwrap());
    let errors: Vec<_> =
        members(&answer).iter().map(|member| member["error"].as_str().map(str::to_owned)).collect();
    assert_eq!(errors[0], None);
    assert!(errors[1].as_ref().is_some_and(|error| error.contains("`feature_2`")), "{errors:?}");
}
