//! A column may be computed from what the store and the request say: the model reads what it would
//! have read, had the request given the number itself.

use crate::support::{Client, Served, Setup};

/// `demo-logistic` with all columns from the request.
fn plain() -> Served {
    let column = |name: &str| format!("[[columns]]\nname = \"{name}\"\nsource = \"request\"\n");
    let manifest = ["feature_1", "feature_2", "feature_3"].map(column).concat();
    Setup::with_manifest(&manifest).serve()
}

const INPUTS: &str = r#"
[[inputs]]
name = "amount"
source = "request"
type = "double"
[[inputs]]
name = "channel"
source = "request"
type = "text"
[[inputs]]
name = "average"
type = "double"
[[inputs]]
name = "big"
type = "bigint"
[[inputs]]
name = "country"
type = "text"
[[inputs]]
name = "seen"
type = "timestamp"
[[inputs]]
name = "born"
type = "date"
default = 0
"#;

const CSV: &str = "user_id,feature_1:float,average:double,big:bigint,country:text,seen:timestamp,born:date\n\
    u,0.5,3.0,9007199254740993,Österreich,2026-01-31T12:30:00Z,2000-01-01\n\
    v,0.5,,,,,\n";

/// `demo-logistic` with a stored column and two that are computed.
fn computed(second: &str, third: &str, more: &str) -> Served {
    let manifest = format!(
        "[[columns]]\nname = \"feature_1\"\n\
         [[columns]]\nname = \"feature_2\"\nexpr = '''{second}'''\n{more}\n\
         [[columns]]\nname = \"feature_3\"\nexpr = '''{third}'''\n{INPUTS}"
    );
    Setup::with_manifest(&manifest).csv(CSV).serve()
}

/// The score that the model has for these numbers.
fn score_of(client: &mut Client, [one, two, three]: [f64; 3]) -> f64 {
    let body = format!(
        "{{\"user_id\": \"u\", \"feature_1\": {one:?}, \"feature_2\": {two:?}, \
         \"feature_3\": {three:?}}}"
    );
    client.predict(&body).score()
}

#[test]
fn a_column_is_what_its_expression_gives() {
    let plain = plain();
    let mut plain = plain.client();
    for (second, third, body, expected) in [
        ("amount / (average + 1.0)", "feature_2 * 2", "\"amount\": 10", [2.5, 5.0]),
        ("feature_1 + 1", "country == 'Österreich' ? 1 : 0", "\"amount\": 1", [1.5, 1.0]),
        (
            "big == 9007199254740993",
            "channel in ['web', 'app']",
            "\"channel\": \"app\"",
            [1.0, 1.0],
        ),
        ("int(seen) - 1769862600", "hour_of_day(seen)", "\"amount\": 1", [0.0, 12.0]),
        (
            "size(channel + country)",
            "log1p(amount)",
            "\"channel\": \"é\", \"amount\": 0",
            [11.0, 0.0],
        ),
        // What is not known is null, and a column that is null has its default.
        ("channel == 'x' ? 1 : 2", "amount / 0", "\"channel\": null", [0.0, 0.0]),
        ("coalesce(amount, -1.5)", "is_null(channel)", "\"amount\": null", [-1.5, 1.0]),
    ] {
        let served = computed(second, third, "");
        let mut client = served.client();
        let found = client.predict(&format!("{{\"user_id\": \"u\", {body}}}"));
        let [two, three] = expected;
        let expected = score_of(&mut plain, [0.5, two, three]);
        assert_eq!(found.score().to_bits(), expected.to_bits(), "{second}; {third}: {found:?}");
    }
}

#[test]
fn what_the_store_does_not_have_is_null_unless_it_has_a_default() {
    let plain = plain();
    let mut plain = plain.client();
    let served = computed("coalesce(average, 7.0)", "int(born)", "");
    let mut client = served.client();
    for (user, first, expected) in
        [("u", 0.5, [3.0, 946_684_800.0]), ("v", 0.5, [7.0, 0.0]), ("nobody", 0.0, [7.0, 0.0])]
    {
        let found = client.predict(&format!("{{\"user_id\": \"{user}\"}}"));
        let expected = score_of(&mut plain, [first, expected[0], expected[1]]);
        assert_eq!(found.score().to_bits(), expected.to_bits(), "{user}: {found:?}");
    }
}

#[test]
fn null_is_what_the_column_says_of_it() {
    let served = computed("average", "0", "nan = \"reject\"");
    let mut client = served.client();
    assert_eq!(client.predict("{\"user_id\": \"u\"}").status, 200);
    let refused = client.predict("{\"user_id\": \"v\"}");
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(refused.error(), "the expression of `feature_2` gives null");
    // A value outside of the range is none.
    let plain = plain();
    let expected = score_of(&mut plain.client(), [0.5, 2.0, 0.0]);
    let served = computed("average * 100", "0", "range = [0, 10]\ndefault = 2.0");
    let answer = served.client().predict("{\"user_id\": \"u\"}");
    assert_eq!(answer.score().to_bits(), expected.to_bits());
    assert_eq!(answer.field("x-features"), Some("stored; defaulted=1"));
}

#[test]
fn rows_of_an_array_have_their_own_values() {
    let served = computed("amount", "size(channel)", "");
    let mut client = served.client();
    let plain = plain();
    let mut plain = plain.client();
    let member = |row: usize| {
        let channel = "x".repeat(row % 7);
        format!("{{\"user_id\": \"u\", \"amount\": {row}, \"channel\": \"{channel}\"}}")
    };
    let body: Vec<_> = (0..150).map(member).collect();
    let answer = client.predict(&format!("[{}]", body.join(", ")));
    let document: serde_json::Value = serde_json::from_str(&answer.body).expect("a document");
    for row in 0..150 {
        let expected = score_of(&mut plain, [0.5, row as f64, (row % 7) as f64]);
        assert_eq!(document[row]["score"].as_f64().map(|it| it as f32), Some(expected as f32));
    }
}

#[test]
fn a_text_field_takes_texts_alone() {
    let served = computed("amount", "size(channel)", "");
    let mut client = served.client();
    for (value, status) in [("\"x\"", 200), ("null", 200), ("7", 400), ("true", 400), ("[]", 400)] {
        let body = format!("{{\"user_id\": \"u\", \"amount\": 1, \"channel\": {value}}}");
        assert_eq!(client.predict(&body).status, status, "{value}");
    }
    // Of two members of one name nobody can tell which is meant.
    let twice = r#"{"user_id": "u", "amount": 1, "channel": "aaa", "channel": "b"}"#;
    let answer = client.predict(twice);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.error(), "`channel` is there twice");
}
