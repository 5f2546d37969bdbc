//! An array of users is answered by an array in the same order, each member with its own outcome;
//! and a user's id is echoed with the type in which it came.

use crate::support::Setup;
use serde_json::{Value, json};

#[test]
fn failing_members_do_not_touch_the_others() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    let answer = client.predict(
        "[{\"user_id\": \"user-001\"}, {\"user\": 1}, 17, null, {\"user_id\": \"\"}, [1, [2]], \
         {\"user_id\": \"user-002\", \"extra\": {\"a\": [1, 2]}}, {\"user_id\": true}, \"user-001\", \
         {\"user_id\": \"nobody\"}, {}]",
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("x-features"), Some("missing"), "the worst of them");
    let members: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
    let statuses: Vec<_> = members.iter().map(|member| member["status"].as_u64()).collect();
    let bad = Some(400);
    assert_eq!(statuses, [None, bad, bad, bad, bad, bad, None, bad, bad, None, bad]);
    assert_eq!(members[0]["user_id"], "user-001");
    assert_eq!(members[0]["features"], "stored");
    assert!((members[0]["score"].as_f64().unwrap() - 0.924_755_6).abs() < 1e-5);
    assert!((members[6]["score"].as_f64().unwrap() - 0.024_357_4).abs() < 1e-5);
    assert_eq!(members[9]["features"], "missing");
    assert_eq!(members[1], json!({"error": "`user_id` is missing", "status": 400}));
    assert_eq!(members[2], json!({"error": "the member is not a JSON object", "status": 400}));
}

#[test]
fn an_array_is_scored_over_several_batches() {
    let served = Setup::of("credit-risk").serve();
    let mut client = served.client();
    let users: Vec<_> = (0..1_000).map(|user| format!("applicant-{:04}", 1 + user)).collect();
    let body: Vec<_> = users.iter().map(|user| json!({"user_id": user})).collect();
    let answer = client.predict(&serde_json::to_string(&body).unwrap());
    let members: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(members.len(), users.len());
    for (member, user) in members.iter().zip(&users) {
        let alone = client.predict(&format!("{{\"user_id\": \"{user}\"}}")).score();
        assert_eq!(member["user_id"], user.as_str());
        assert_eq!(member["score"].as_f64().unwrap().to_bits(), alone.to_bits(), "{user}");
    }
}

#[test]
fn a_full_queue_refuses_members_and_not_the_array() {
    let setup = Setup::of("demo-logistic").settings(|settings| settings.queue_rows_max = 3);
    let served = setup.serve();
    let body = ["{\"user_id\": \"user-001\"}"; 5].join(",");
    let answer = served.client().predict(&format!("[{body}]"));
    assert_eq!(answer.status, 200);
    let members: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
    let statuses: Vec<_> = members.iter().map(|member| member["status"].as_u64()).collect();
    assert_eq!(statuses, [None, None, None, Some(429), Some(429)]);
    assert_eq!(members[4]["user_id"], "user-001", "a refused member still says whose it is");
}

#[test]
fn ids_are_looked_up_as_text_and_echoed_as_they_came() {
    let csv = "user_id,feature_1,feature_2,feature_3\n17,0.5,1.2,-0.8\n\
               -5,0.5,1.2,-0.8\n18446744073709551615,0.5,1.2,-0.8\n\"quote\"\"d \u{e9}\",1,1,1\n";
    let served = Setup::of("demo-logistic").csv(csv).serve();
    let mut client = served.client();
    for (id, features) in [
        ("17", "stored"),
        ("\"17\"", "stored"),
        ("-5", "stored"),
        ("18446744073709551615", "stored"),
        ("\"quote\\\"d \u{e9}\"", "stored"),
        ("\"017\"", "missing"),
        ("\" 17\"", "missing"),
        ("0", "missing"),
        ("-9223372036854775808", "missing"),
    ] {
        let answer = client.predict(&format!("{{\"user_id\": {id}}}"));
        assert_eq!(answer.status, 200, "{id}");
        let start = format!("{{\"user_id\": {id}, \"score\": ");
        assert!(answer.body.starts_with(&start), "{id}: {}", answer.body);
        assert_eq!(answer.field("x-features"), Some(features), "{id}");
    }
    let escaped = client.predict("{\"\\u0075ser_id\": \"\\u0031\\u0037\\n\\u0000\"}");
    assert!(escaped.body.starts_with("{\"user_id\": \"17\\n\\u0000\", "), "{}", escaped.body);
}

#[test]
fn ids_of_other_types_are_refused() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    let long = format!("\"{}\"", "u".repeat(512));
    for id in [
        "\"\"",
        "null",
        "true",
        "false",
        "1.0",
        "1.5",
        "1e3",
        "-0",
        "18446744073709551616",
        "-9223372036854775809",
        "[]",
        "[1]",
        "{}",
        "{\"a\": 1}",
        &long,
    ] {
        let answer = client.predict(&format!("{{\"user_id\": {id}}}"));
        assert_eq!(answer.status, 400, "{id}: {answer:?}");
        assert!(answer.error().contains("`user_id`"), "{id}: {answer:?}");
    }
    let longest = format!("{{\"user_id\": \"{}\"}}", "u".repeat(511));
    assert_eq!(client.predict(&longest).status, 200);
}
