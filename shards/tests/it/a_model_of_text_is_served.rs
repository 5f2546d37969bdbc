//! Text from CSV and from requests reaches a model as its categories' codes: the score is that of the
//! numbers.

use crate::support::Setup;

/// `feature_2` is a text of the store, `feature_3` one of the request.
const MANIFEST: &str = r#"
[output]
tensor = "probabilities"
class = 1
[[columns]]
name = "feature_1"
[[columns]]
name = "purpose"
type = "text"
categories = ["car", "boat", "Zürich"]
default = "boat"
[[columns]]
name = "country"
type = "text"
source = "request"
categories = ["NL", "DE", "crème"]
unknown = "reject"
required = true
"#;
const CSV: &str = "user_id,feature_1,purpose:text\nu,0.5,car\nv,0.5,Zürich\nw,0.5,\nx,0.5,plane\n";

/// The same model on numbers.
const NUMBERS: &str = r#"
[output]
tensor = "probabilities"
class = 1
[[columns]]
name = "feature_1"
[[columns]]
name = "purpose"
[[columns]]
name = "country"
source = "request"
"#;

#[test]
fn the_score_is_that_of_the_codes() {
    let served = Setup::with_manifest(MANIFEST).csv(CSV).serve();
    let csv = "user_id,feature_1,purpose\nu,0.5,0\nv,0.5,2\nw,0.5,1\n";
    let numbers = Setup::with_manifest(NUMBERS).csv(csv).serve();
    let (mut client, mut reference) = (served.client(), numbers.client());
    for user in ["u", "v", "w"] {
        for (code, country) in ["NL", "DE", "crème", "cr\\u00e8me"].into_iter().enumerate() {
            let body = format!("{{\"user_id\": \"{user}\", \"country\": \"{country}\"}}");
            let answer = client.predict(&body);
            assert_eq!(answer.status, 200, "{body}: {answer:?}");
            let body = format!("{{\"user_id\": \"{user}\", \"country\": {}}}", code.min(2));
            let expected = reference.predict(&body).score();
            assert_eq!(answer.score().to_bits(), expected.to_bits(), "{user} {country}");
        }
    }
}

#[test]
fn a_text_that_cannot_be_used_is_named() {
    let served = Setup::with_manifest(MANIFEST).csv(CSV).serve();
    let mut client = served.client();
    for (fields, status) in [
        ("\"country\": \"FR\"", 422),
        ("\"country\": 3", 400),
        ("\"country\": true", 400),
        ("\"country\": [\"NL\"]", 400),
        ("\"country\": null", 400),
        ("\"land\": \"NL\"", 400),
    ] {
        let answer = client.predict(&format!("{{\"user_id\": \"u\", {fields}}}"));
        assert_eq!(answer.status, status, "{fields}: {answer:?}");
        assert!(answer.error().contains("`country`"), "{fields}: {answer:?}");
    }
    // What the model's file has no categories for is unknown: not a number, as it computes.
    let answer = client.predict("{\"user_id\": \"x\", \"country\": \"NL\"}");
    assert_eq!(answer.status, 500, "{answer:?}");
}
