//! What a request says itself joins what the store knows of its user, as the model's manifest
//! asks; and the model's policies decide about what is missing, wrong or out of reach.

use crate::support::{Served, Setup};

fn manifest(policies: &str, feature_2: &str) -> String {
    format!(
        "[output]\ntensor = \"probabilities\"\nclass = 1\n\n[policies]\n{policies}\n\n\
         [[columns]]\nname = \"feature_1\"\n\n\
         [[columns]]\nname = \"feature_2\"\nsource = \"request\"\n{feature_2}\n\n\
         [[columns]]\nname = \"feature_3\"\n"
    )
}

fn shard(policies: &str, feature_2: &str) -> Served {
    Setup::with_manifest(&manifest(policies, feature_2)).serve()
}

#[test]
fn the_request_fills_its_columns() {
    let stored = Setup::of("demo-logistic").serve();
    let served = shard("", "range = [-10.0, 10.0]\ndefault = 1.2");
    let (mut stored, mut client) = (stored.client(), served.client());
    // user-001 is (0.5, 1.2, -0.8) in the store.
    let expected = stored.predict("{\"user_id\": \"user-001\"}").score();
    for (body, features) in [
        ("{\"user_id\": \"user-001\", \"feature_2\": 1.2}", "stored"),
        ("{\"feature_2\": 1.2, \"user_id\": \"user-001\"}", "stored"),
        (
            "{\"feature_1\": 9, \"feature_3\": \"x\", \"user_id\": \"user-001\", \"feature_2\": 12e-1}",
            "stored",
        ),
        ("{\"user_id\": \"user-001\"}", "stored; defaulted=1"),
        ("{\"user_id\": \"user-001\", \"feature_2\": null}", "stored; defaulted=1"),
    ] {
        let answer = client.predict(body);
        assert!((answer.score() - expected).abs() < 1e-6, "{body}: {answer:?}");
        assert_eq!(answer.field("x-features"), Some(features));
    }
    let other = client.predict("{\"user_id\": \"user-001\", \"feature_2\": -3}");
    assert!((other.score() - expected).abs() > 1e-3);
    let yes = client.predict("{\"user_id\": \"user-001\", \"feature_2\": true}").score();
    let one = client.predict("{\"user_id\": \"user-001\", \"feature_2\": 1}").score();
    assert_eq!(yes.to_bits(), one.to_bits());
}

#[test]
fn a_field_holds_what_its_type_has() {
    for (column_type, right, wrong) in [
        ("int", ["-2147483648", "2147483647.0", "true"], ["1.5", "2147483648", "1e300"]),
        ("bigint", ["-9007199254740991", "1e15", "null"], ["0.5", "9007199254740993", "-1e19"]),
        ("boolean", ["true", "0", "1.0"], ["2", "-1", "0.5"]),
        ("float", ["1.5", "-3", "false"], ["\"1\"", "[]", "{}"]),
    ] {
        let served = shard("", &format!("type = \"{column_type}\""));
        let mut client = served.client();
        for (value, fits) in
            right.map(|value| (value, true)).into_iter().chain(wrong.map(|value| (value, false)))
        {
            let answer =
                client.predict(&format!("{{\"user_id\": \"user-001\", \"feature_2\": {value}}}"));
            if fits {
                assert_eq!(answer.status, 200, "{column_type} {value}: {answer:?}");
            } else {
                assert!(matches!(answer.status, 400 | 422), "{column_type} {value}: {answer:?}");
                assert!(answer.error().contains("`feature_2`"), "{value}: {answer:?}");
            }
        }
    }
}

#[test]
fn a_field_that_cannot_be_used_is_named() {
    let served = shard("", "range = [-10.0, 10.0]\nnan = \"reject\"");
    let mut client = served.client();
    for (value, status) in [
        ("\"1.2\"", 400),
        ("[1.2]", 400),
        ("{}", 400),
        ("10.5", 422),
        ("-1e300", 422),
        ("null", 422),
    ] {
        let answer =
            client.predict(&format!("{{\"user_id\": \"user-001\", \"feature_2\": {value}}}"));
        assert_eq!(answer.status, status, "{value}: {answer:?}");
        assert!(answer.error().contains("`feature_2`"), "{value}: {answer:?}");
    }
    let answer = client.predict("{\"user_id\": \"user-001\"}");
    assert_eq!(answer.status, 422, "{answer:?}");
    let answer = client.predict("{\"user_id\": \"user-001\", \"feature_2\": 1e999}");
    assert_eq!(answer.status, 400, "{answer:?}");
    let array = client.predict(
        "[{\"user_id\": \"user-001\", \"feature_2\": 11}, {\"user_id\": \"user-001\", \"feature_2\": 1}]",
    );
    assert!(array.body.contains("\"status\": 422}, {\"user_id\": \"user-001\", \"score\": "));
}

#[test]
fn defaults_are_counted_in_the_head() {
    let manifest = manifest("", "range = [-10.0, 10.0]\nout_of_range = \"default\"");
    let csv = "user_id,feature_1,feature_3\nu,0.5,\nv,,\nw,0.5,1\n";
    let served = Setup::with_manifest(&manifest).csv(csv).serve();
    let mut client = served.client();
    for (body, features) in [
        (r#"{"user_id": "u", "feature_2": 1}"#, "stored; defaulted=1"),
        (r#"{"user_id": "u", "feature_2": 11}"#, "stored; defaulted=2"),
        (r#"{"user_id": "w", "feature_2": 1}"#, "stored"),
        (r#"[{"user_id": "w"}, {"user_id": "v"}, {"user_id": "u"}]"#, "stored; defaulted=3"),
        (r#"[{"user_id": "w"}, {"user_id": "nobody", "feature_2": 0}]"#, "missing; defaulted=1"),
        (r#"[{"user_id": "w", "feature_2": 1}, 7]"#, "stored"),
    ] {
        let answer = client.predict(body);
        assert_eq!(answer.field("x-features"), Some(features), "{body}: {answer:?}");
    }
}

#[test]
fn a_score_that_is_not_a_number_is_an_error() {
    let served = shard("", "nan = \"missing\"");
    let mut client = served.client();
    let answer = client.predict("{\"user_id\": \"user-001\"}");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.error().contains("not finite"));
    let answer = client.predict("{\"user_id\": \"user-001\", \"feature_2\": 1}");
    assert_eq!(answer.status, 200);
}

#[test]
fn users_that_are_not_known_may_be_rejected() {
    let served = shard("on_missing = \"reject\"", "");
    let mut client = served.client();
    let answer = client.predict("{\"user_id\": \"nobody\", \"feature_2\": 1}");
    assert_eq!((answer.status, answer.field("x-features")), (404, Some("missing")));
    assert_eq!(answer.error(), "the user is not known");
    assert_eq!(answer.field("x-model-version"), Some("1"));
    assert_eq!(client.predict("{\"user_id\": \"user-001\"}").status, 200);
}

#[test]
fn a_store_that_does_not_fit_is_no_matter_of_policy() {
    for policy in ["reject", "default", "stale"] {
        let served = shard(&format!("on_error = {policy:?}"), "");
        assert_eq!(served.client().predict("{\"user_id\": \"user-001\"}").status, 200);
        // Other columns under a running model: what it was bound to is gone.
        served.replace_store("user_id,a,b,c\nuser-001,1,2,3\n");
        let answer = served.client().predict("{\"user_id\": \"user-001\"}");
        assert_eq!((answer.status, answer.field("x-features")), (503, Some("error")));
    }
}

#[test]
fn features_that_are_too_old_follow_the_policy() {
    // The rows of a test's store are from 2023.
    for (policy, status) in [("use", 200), ("default", 200), ("reject", 503)] {
        let served = shard(&format!("max_age_s = 60\non_expired = \"{policy}\""), "");
        let answer = served.client().predict("{\"user_id\": \"user-001\"}");
        assert_eq!(answer.status, status, "{policy}");
        let features = if status == 200 { "expired; defaulted=1" } else { "expired" };
        assert_eq!(answer.field("x-features"), Some(features), "{policy}");
    }
}
