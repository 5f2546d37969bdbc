//! A rule decides where its condition holds: before the model, which is then not asked, or behind it.

use serde_json::{Value, json};

use crate::support::{Client, Served, Setup, post_to};

const MANIFEST: &str = r#"
[output]
tensor = "probabilities"
class = 1
[[output.bands]]
below = 0.5
decision = "approve"
[[output.bands]]
decision = "decline"
[[columns]]
name = "feature_1"
[[columns]]
name = "feature_2"
expr = "amount / 10.0"
[[columns]]
name = "feature_3"
[[inputs]]
name = "amount"
source = "request"
type = "double"
[[inputs]]
name = "country"
type = "text"
[[rules]]
when = "amount > 1000.0"
decision = "review"
reason = "amount above the limit"
[[rules]]
when = 'country == "XX" && feature_2 > 5.0'
decision = "decline"
reason = "country"
[[rules]]
when = "score > 0.2 && score < 0.5 && amount > 5.0"
decision = "review"
reason = "amount above the limit"
[[rules]]
when = 'decision == "decline" && country == "AT"'
decision = "approve"
"#;

const CSV: &str = "user_id,feature_1:float,feature_3:float,country:text\n\
    low,-2.0,0.0,DE\nmiddle,-0.6,0.0,DE\nhigh,3.0,1.0,AT\nxx,0.5,0.1,XX\n";

fn served() -> Served {
    Setup::with_manifest(MANIFEST).csv(CSV).serve()
}

fn ask(client: &mut Client, user: &str, amount: &str) -> Value {
    let answer = client.predict(&format!("{{\"user_id\": \"{user}\", \"amount\": {amount}}}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).expect("a document")
}

#[test]
fn the_first_rule_that_holds_decides() {
    let served = served();
    let mut client = served.client();
    let plain = ask(&mut client, "low", "1");
    assert_eq!((&plain["decision"], plain.get("rule")), (&json!("approve"), None), "{plain}");
    let before = ask(&mut client, "low", "1001");
    let expected = json!({
        "user_id": "low", "score": null, "decision": "review", "rule": "amount above the limit",
    });
    assert_eq!(before, expected);
    // It reads a computed column; and what is null is not true.
    let country = ask(&mut client, "xx", "51");
    assert_eq!((&country["score"], &country["rule"]), (&Value::Null, &json!("country")));
    for amount in ["49", "null"] {
        assert_ne!(ask(&mut client, "xx", amount)["score"], Value::Null);
    }
    let after = ask(&mut client, "high", "1");
    assert!(after["score"].as_f64().is_some_and(|score| score >= 0.5), "{after}");
    assert_eq!((&after["decision"], &after["rule"]), (&json!("approve"), &json!("rules[3]")));
}

#[test]
fn a_rule_behind_the_model_reads_its_score() {
    let served = served();
    let mut client = served.client();
    let found: Vec<_> =
        (0..40).map(|amount| ask(&mut client, "middle", &format!("{amount}.5"))).collect();
    let mut counts = [0; 2];
    for (amount, row) in found.iter().enumerate() {
        let score = row["score"].as_f64().expect("a score");
        let holds = score > 0.2 && score < 0.5 && amount >= 5;
        let decision = if holds {
            "review"
        } else if score < 0.5 {
            "approve"
        } else {
            "decline"
        };
        assert_eq!(row["decision"], decision, "{row}");
        assert_eq!(row.get("rule").is_some(), holds, "{row}");
        counts[usize::from(holds)] += 1;
    }
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
}

#[test]
fn rows_of_one_request_are_decided_one_by_one_and_scored_as_alone() {
    let served = served();
    let mut client = served.client();
    let amount = |row: usize| if row.is_multiple_of(3) { 2_000 } else { row };
    let member = |row: usize| format!("{{\"user_id\": \"low\", \"amount\": {}}}", amount(row));
    let body: Vec<_> = (0..200).map(member).collect();
    let answer = client.predict(&format!("[{}]", body.join(",")));
    let rows: Value = serde_json::from_str(&answer.body).expect("a document");
    for row in 0..200 {
        let mut alone = ask(&mut client, "low", &amount(row).to_string());
        alone["features"] = json!("stored");
        let mut found = rows[row].clone();
        found["features"] = json!("stored");
        assert_eq!(found, alone, "row {row}");
    }
    let lane = served.lane();
    let decided = 67 * 2;
    assert_eq!(lane.counters.rows_decided.get(), decided);
    assert_eq!(lane.facts.rules, ["amount above the limit", "country", "rules[3]"]);
    assert_eq!(lane.counters.rules.get(0).get(), decided);
    assert_eq!(lane.facts.decisions, ["approve", "decline", "review"]);
    assert_eq!(lane.counters.decisions.get(2).get(), decided);
}

#[test]
fn the_other_protocols_say_it_too() {
    let served = served();
    let mut client = served.client();
    let instances =
        r#"{"instances": [{"user_id": "low", "amount": 1001}, {"user_id": "low", "amount": 1}]}"#;
    let answer = client.ask(post_to("/v1/models/demo-logistic:predict", "", instances));
    assert_eq!(answer.status, 200, "{answer:?}");
    let found: Value = serde_json::from_str(&answer.body).expect("a document");
    assert_eq!(found["predictions"][0]["rule"], "amount above the limit");
    assert_eq!(found["predictions"][0]["score"], Value::Null);
    assert_eq!(found["predictions"][1]["decision"], "approve");

    let tensors = r#"{"inputs": [
        {"name": "user_id", "shape": [2], "datatype": "BYTES", "data": ["low", "low"]},
        {"name": "amount", "shape": [2], "datatype": "FP64", "data": [1001, 1]}]}"#;
    let answer = client.ask(post_to("/v2/models/demo-logistic/infer", "", tensors));
    assert_eq!(answer.status, 200, "{answer:?}");
    let found: Value = serde_json::from_str(&answer.body).expect("a document");
    let output = |name: &str| {
        let mut outputs = found["outputs"].as_array().expect("outputs").iter();
        outputs.find(|output| output["name"] == name).expect(name)["data"].clone()
    };
    assert_eq!(output("decision"), json!(["review", "approve"]));
    assert_eq!(output("rule"), json!(["amount above the limit", ""]));
    assert_eq!(output("score")[0], Value::Null);
    assert!(output("score")[1].is_number());
}

#[test]
fn a_row_that_the_model_was_not_asked_for_has_no_label_and_no_probabilities() {
    let manifest =
        MANIFEST.replace("class = 1\n", "class = 1\nprobabilities = true\nlabel = true\n");
    let served = Setup::with_manifest(&manifest).csv(CSV).serve();
    let mut client = served.client();
    let before = ask(&mut client, "low", "1001");
    assert_eq!((before.get("label"), &before["probabilities"]), (None, &json!({})), "{before}");
    let after = ask(&mut client, "low", "1");
    assert_eq!(after["label"], "0", "{after}");
    // A tensor keeps a place for it.
    let tensors = r#"{"inputs": [
        {"name": "user_id", "shape": [3], "datatype": "BYTES", "data": ["low", "low", "low"]},
        {"name": "amount", "shape": [3], "datatype": "FP64", "data": [1, 1001, 1]}]}"#;
    let answer = client.ask(post_to("/v2/models/demo-logistic/infer", "", tensors));
    let found: Value = serde_json::from_str(&answer.body).expect("a document");
    let mut outputs = found["outputs"].as_array().expect("outputs").iter();
    let of = outputs.find(|output| output["name"] == "probabilities").expect("probabilities");
    assert_eq!(of["shape"], json!([3, 2]));
    let data = of["data"].as_array().expect("data");
    assert_eq!(data.len(), 6);
    let nulls: Vec<_> = data.iter().map(Value::is_null).collect();
    assert_eq!(nulls, [false, false, true, true, false, false]);
}

#[test]
fn rows_are_explained_by_the_rule_that_decided_them() {
    let explained = "[explain]\nmax_reasons = 1\nwhen = 'rule == \"rules[3]\"'\n";
    let manifest = MANIFEST.replace(
        "[[columns]]\nname = \"feature_1\"",
        &format!("{explained}[[columns]]\nname = \"feature_1\""),
    );
    let background = "feature_1,feature_2,feature_3\n0,0,0\n1,1,1\n";
    let manifest = manifest.replace("[explain]\n", "[explain]\nbackground = \"background.csv\"\n");
    let served =
        Setup::with_manifest(&manifest).and_file("background.csv", background).csv(CSV).serve();
    let mut client = served.client();
    assert!(ask(&mut client, "high", "1").get("reasons").is_some());
    assert!(ask(&mut client, "low", "1").get("reasons").is_none());
    assert!(ask(&mut client, "low", "1001").get("reasons").is_none());
}

#[test]
fn a_rule_that_cannot_be_used_is_refused_with_its_place() {
    for (wrong, expected) in [
        (
            "amuont > 1.0",
            "key `rules[0].when`: expression `rules[0].when`, character 1: nothing is named `amuont`",
        ),
        ("amount + 1.0", "it gives double, expected true or false"),
        ("amount > country", "`>` of (double, text)"),
        ("points > 3", "nothing is named `points`"),
    ] {
        let manifest = MANIFEST.replace("amount > 1000.0", wrong);
        let path = std::path::Path::new("model.toml");
        let error = shards::model::manifest::Manifest::parse(&manifest, path).expect_err(wrong);
        let said = error.to_string();
        assert!(said.starts_with("model.toml: ") && said.contains(expected), "{said}");
    }
    let manifest = MANIFEST.replace("amount / 10.0", "amount / country");
    let path = std::path::Path::new("model.toml");
    let error = shards::model::manifest::Manifest::parse(&manifest, path).expect_err("types");
    assert!(
        error.to_string().contains("key `columns[1].expr`: expression `feature_2`, character 8"),
        "{error}"
    );
}
