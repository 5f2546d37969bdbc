//! The members of an answer as JSON Schema.

use serde_json::{Map, Value, json};

use crate::model::answer::{Answers, Wants};
use crate::provenance::FeatureStatus;

/// The schema of a row's answer: what it always has and what it may be asked for.
pub(super) fn schema(answers: &Answers, has_store: bool) -> Value {
    let nothing = Wants::default();
    let has = |wants: Wants| answers.refuse(wants).is_none();
    let mut members = Map::new();
    let mut required = vec!["score"];
    let mut add = |name: &str, schema: Value| members.insert(name.to_owned(), schema);
    if answers.rule_names().len() > 0 {
        let names: Vec<_> = answers.rule_names().collect();
        let description = "null where a rule decided before the model was asked";
        add("score", json!({"type": ["number", "null"], "description": description}));
        add("rule", json!({"description": "the rule that decided", "enum": names}));
    } else {
        add("score", json!({"type": "number"}));
    }
    add("model_version", json!({"type": "integer", "description": "where two versions score"}));
    if has_store {
        add("user_id", json!({"type": ["string", "integer"]}));
        add(
            "features",
            json!({"description": "what they stood on; in arrays", "enum": statuses()}),
        );
    }
    if answers.decisions().len() > 0 {
        let names: Vec<_> = answers.decisions().collect();
        add("decision", json!({"type": "string", "enum": unique(&names)}));
    }
    if answers.points(0.5).is_some() {
        required.push("points");
        let kind = if answers.has_whole_points() { "integer" } else { "number" };
        add("points", json!({"type": [kind, "null"]}));
    }
    if has(Wants { outputs: true, ..nothing }) {
        add("outputs", json!({"type": "array", "items": {"type": "number"}}));
    }
    if has(Wants { label: true, ..nothing }) {
        add("label", json!({"type": "string", "enum": answers.labels}));
    }
    if has(Wants { probabilities: true, ..nothing }) {
        let number = |label: &String| (label.clone(), json!({"type": "number"}));
        let labels: Map<_, _> = answers.labels.iter().map(number).collect();
        add(
            "probabilities",
            json!({"type": "object", "properties": labels, "required": answers.labels}),
        );
    }
    if has(Wants { explain: true, ..nothing }) {
        add("margin", json!({"type": ["number", "null"]}));
        add("base", json!({"type": ["number", "null"]}));
        add("reasons", json!({"type": "array", "items": reason(answers)}));
    }
    json!({"type": "object", "properties": members, "required": required})
}

fn statuses() -> Vec<&'static str> {
    use FeatureStatus::{Cached, Error, Expired, Missing, Stale, Stored};
    [Stored, Cached, Stale, Expired, Missing, Error].map(FeatureStatus::as_str).to_vec()
}

fn reason(answers: &Answers) -> Value {
    let groups = answers.reasons.iter().flat_map(|reasons| &reasons.groups);
    let codes: Vec<_> = groups.map(|group| group.code.as_str()).collect();
    json!({
        "type": "object",
        "properties": {
            "code": {"type": "string", "enum": codes},
            "text": {"type": "string"},
            "column": {"type": "string"},
            "columns": {"type": "array", "items": {"type": "string"}},
            "value": {"type": ["number", "string", "null"]},
            "contribution": {"type": "number"},
        },
        "required": ["code", "contribution"],
    })
}

/// Each name once, as an enumeration has to have them.
fn unique<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut seen = Vec::with_capacity(names.len());
    for name in names {
        if !seen.contains(name) {
            seen.push(*name);
        }
    }
    seen
}
