//! Every score that a client is told is the one that scikit-learn itself gave.

use crate::support::served::golden;
use crate::support::{Setup, post};

#[test]
fn for_all_applicants_of_credit_risk() {
    let served = Setup::of("credit-risk").serve();
    let mut client = served.client();
    let golden = golden("credit-risk");
    assert_eq!(golden.len(), 1_000);
    for chunk in golden.chunks(50) {
        for (user, _) in chunk {
            client.send(post(&format!("{{\"user_id\": \"{user}\"}}")));
        }
        for (user, expected) in chunk {
            let answer = client.receive();
            let score = answer.score();
            assert!((score - expected).abs() < 1e-5, "{user}: {score}, not {expected}");
            assert!(answer.body.starts_with(&format!("{{\"user_id\": \"{user}\", ")));
            assert_eq!(answer.field("x-features"), Some("stored"));
        }
    }
}

#[test]
fn for_users_of_demo_logistic_and_one_whom_it_does_not_know() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    for (user, expected) in golden("demo-logistic") {
        let answer = client.predict(&format!("{{\"user_id\": \"{user}\"}}"));
        let score = answer.score();
        assert!((score - expected).abs() < 1e-5, "{user}: {score}, not {expected}");
        let features = if user == "unknown" { "missing" } else { "stored" };
        assert_eq!(answer.field("x-features"), Some(features), "{user}");
    }
}

#[test]
fn an_answer_is_these_bytes() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    let answer = client.predict("{\"user_id\": \"user-001\"}");
    let date = answer.field("date").expect("a date").to_owned();
    assert!(httpdate::parse_http_date(&date).is_ok(), "{date}");
    assert_eq!(
        answer.head,
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 43\r\n\
             date: {date}\r\nx-features: stored\r\nx-model-version: 1\r\n\r\n"
        )
    );
    assert_eq!(answer.body, "{\"user_id\": \"user-001\", \"score\": 0.9247556}");
}
