//! With `[canary]`, a user's answers all come from one version, and `x-model-version` says which.

mod support;

use shards::model::canary::Canary;
use support::Setup;

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
fn an_array_is_scored_by_the_version_of_its_first_user() {
    let served = Setup::with_manifest(MANIFEST).and_version(2).serve();
    let canary = Canary { version: 2, percent: 30.0 };
    let mut client = served.client();
    for number in 0..20 {
        let first = format!("someone-{number}");
        let expected = if canary.takes("demo-logistic", &first) { "2" } else { "1" };
        let body = format!("[{{\"user_id\": \"{first}\"}}, {{\"user_id\": \"user-001\"}}]");
        let answer = client.predict(&body);
        assert_eq!(answer.field("x-model-version"), Some(expected), "{first}");
        assert!(answer.body.ends_with("\"score\": 0.9247556, \"features\": \"stored\"}]"));
    }
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
