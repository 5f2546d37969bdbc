//! `[shadow]`: a candidate scores a copy of some users' rows. Only how far its scores are from
//! those that were answered is seen of it, and on a busy shard not even that.

use serde_json::{Value, json};
use shards::model::shadow::Shadow;

use crate::support::served::{INTERCEPT, demo_with_intercept};
use crate::support::{Client, Served, Setup, post_to, wait_until};

const COLUMNS: &str = r#"
    [[columns]]
    name = "feature_1"
    [[columns]]
    name = "feature_2"
    [[columns]]
    name = "feature_3"
"#;
/// A hundred users, no two alike.
fn csv() -> String {
    let row = |user: u32| format!("user-{user},{},{},0.5\n", user % 10, f64::from(user) / 50.0);
    let rows: String = (0..100).map(row).collect();
    format!("user_id,feature_1,feature_2,feature_3\n{rows}")
}

/// The model with a candidate for this share of the users, as its second version.
fn serve(percent: f64, file: &[u8]) -> Served {
    let manifest = format!("[shadow]\nversion = 2\npercent = {percent:?}\n{COLUMNS}");
    Setup::with_manifest(&manifest).and_version_of(2, file).csv(&csv()).serve()
}

/// The model with nothing but this file.
fn serve_alone(file: &[u8]) -> Served {
    Setup::with_manifest(COLUMNS).and_version_of(2, file).csv(&csv()).serve()
}

/// How many copies have come to an end.
fn ended(served: &Served) -> u64 {
    let shadow = served.shadow();
    let counters = &shadow.counters.shadow;
    counters.compared.get() + counters.failed.get() + counters.skipped.get()
}

fn predict(client: &mut Client, user: u32) -> f64 {
    let answer = client.predict(&body_of(user));
    assert_eq!(answer.field("x-features"), Some("stored"));
    answer.score()
}

/// The statistics of the candidate, as a client asks for them.
fn statistics(served: &Served) -> Value {
    let request = "GET /v2/models/demo-logistic/stats HTTP/1.1\r\nhost: test\r\n\r\n";
    let body: Value = serde_json::from_str(&served.client().ask(request).body).unwrap();
    let models = body["model_stats"].as_array().unwrap();
    let is_shadow = |model: &&Value| model.get("shadow").is_some();
    let shadow = models.iter().find(is_shadow).unwrap_or_else(|| panic!("{body}"));
    assert_eq!(shadow["version"], "2");
    let (stats, compared) = (&shadow["inference_stats"], &shadow["shadow"]["compared"]);
    let scored = compared.as_u64().unwrap();
    let failed = shadow["shadow"]["failed"].as_u64().unwrap();
    for (part, count) in [("queue", scored + failed), ("success", scored), ("fail", failed)] {
        assert_eq!(stats[part]["count"], count, "what its time is the sum of: {stats}");
    }
    assert_eq!(&shadow["inference_count"], compared);
    shadow["shadow"].clone()
}

#[test]
fn the_differences_are_those_of_the_two_versions() {
    let (served, alone) =
        (serve(100.0, &demo_with_intercept(0.7)), serve_alone(&demo_with_intercept(0.7)));
    let (mut client, mut other) = (served.client(), alone.client());
    let mut differences = Vec::new();
    for user in 0..100 {
        let answered = predict(&mut client, user);
        differences.push(predict(&mut other, user) - answered);
        // A copy is scored once nobody waits.
        wait_until("the copy is scored", || ended(&served) == u64::from(user) + 1);
    }
    let found = statistics(&served);
    let near = |key: &str, expected: f64| {
        let found = found[key].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-6, "{key}: {found}, expected {expected}");
    };
    assert_eq!(found["compared"], 100);
    assert_eq!((&found["failed"], &found["skipped"]), (&json!(0), &json!(0)));
    near("mean", differences.iter().sum::<f64>() / 100.0);
    near("mean_absolute", differences.iter().map(|it| it.abs()).sum::<f64>() / 100.0);
    let mut differences: Vec<_> = differences.into_iter().map(f64::abs).collect();
    differences.sort_by(f64::total_cmp);
    assert!(differences[99] > 0.05, "{differences:?}");
    for (quantile, place) in [("0.5", 49), ("0.9", 89), ("0.99", 98), ("1", 99)] {
        let found = found["absolute_quantiles"][quantile].as_f64().unwrap();
        let expected = differences[place];
        // The histogram keeps two digits.
        assert!((found / expected - 1.0).abs() < 0.02, "{quantile}: {found} {expected}");
    }
    let lane = served.shadow();
    assert!(lane.counters.rows.iter().all(|rows| rows.get() == 0), "it answered nobody");
    assert!(lane.counters.batches.get() > 0);
}

#[test]
fn answers_are_those_of_the_stable_version() {
    let (served, alone) =
        (serve(100.0, &demo_with_intercept(3.0)), serve_alone(&demo_with_intercept(INTERCEPT)));
    let (mut client, mut other) = (served.client(), alone.client());
    for user in 0..100 {
        let body = body_of(user);
        let answer = client.predict(&body);
        assert_eq!(answer.field("x-model-version"), Some("1"));
        assert_eq!(answer.body, other.predict(&body).body);
    }
    for path in ["/versions/2", "/versions/2/ready", "/versions/2/config"] {
        let path = format!("GET /v2/models/demo-logistic{path} HTTP/1.1\r\nhost: test\r\n\r\n");
        assert_ne!(client.ask(path).status, 200, "it cannot be asked");
    }
}

#[test]
fn the_same_users_are_copied_each_time_and_no_others() {
    let served = serve(30.0, &demo_with_intercept(0.7));
    let shadow = Shadow { version: 2, percent: 30.0 };
    let mut client = served.client();
    let mut copied = 0;
    for user in (0..100).chain(0..100) {
        predict(&mut client, user);
        copied += u64::from(shadow.copies("demo-logistic", &format!("user-{user}")));
        wait_until("the copies are scored", || ended(&served) == copied);
    }
    assert!((20..100).contains(&copied), "{copied} of 200");
    assert_eq!(statistics(&served)["compared"], copied);
    // Rows of features alone have no user.
    let metadata = client.ask("GET /v2/models/demo-logistic HTTP/1.1\r\nhost: test\r\n\r\n");
    let metadata: Value = serde_json::from_str(&metadata.body).unwrap();
    let name = metadata["inputs"][0]["name"].as_str().unwrap();
    let rows = vec![[0.1, 0.2, 0.3]; 64];
    let inputs = json!([{"name": name, "datatype": "FP32", "shape": [64, 3], "data": rows}]);
    let body = json!({ "inputs": inputs }).to_string();
    let answer = client.ask(post_to("/v2/models/demo-logistic/infer", "", &body));
    assert_eq!(answer.status, 200);
    assert_eq!(ended(&served), copied);
}

#[test]
fn on_a_busy_shard_copies_are_skipped_and_every_request_is_answered() {
    let served = serve(100.0, &demo_with_intercept(0.7));
    // An array is several batches: when the first has been answered, the rest still wait.
    let members: Vec<_> = (0..500).map(|member| body_of(member % 100)).collect();
    let answer = served.client().predict(&format!("[{}]", members.join(",")));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.matches("\"score\": ").count(), 500, "{}", answer.body);
    wait_until("each copy was scored or skipped", || ended(&served) == 500);
    let found = statistics(&served);
    assert!(found["skipped"].as_u64() > Some(0), "{found}");
    assert_eq!(found["failed"], 0);
    served.stop();
}

fn body_of(user: u32) -> String {
    format!("{{\"user_id\": \"user-{user}\"}}")
}

#[test]
fn a_candidate_without_a_score_fails_nobody() {
    let served = serve(100.0, &demo_with_intercept(f32::NAN));
    let mut client = served.client();
    for user in 0..20 {
        predict(&mut client, user);
        wait_until("the copy has failed", || ended(&served) == u64::from(user) + 1);
    }
    let found = statistics(&served);
    assert_eq!((&found["compared"], &found["failed"]), (&json!(0), &json!(20)));
    assert!(served.shadow().counters.rows_failed.iter().all(|rows| rows.get() == 0));
}
