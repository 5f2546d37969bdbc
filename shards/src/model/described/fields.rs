//! The members of a request as JSON Schema.

use serde_json::{Map, Value, json};

use crate::features::KEY_BYTES_MAX;
use crate::features::column::ColumnType;
use crate::features::inputs::{InputColumn, IntegerRange, NanMeaning, OutOfRange, UnknownText};
use crate::features::join::RequestField;
use crate::model::answer::{Answers, Wants};

/// The most categories that are listed; a client can't choose among more.
const CATEGORIES_MAX: usize = 256;

/// The member that names the user.
pub(super) fn user_id() -> Value {
    json!({
        "description": "the user whose features are looked up",
        "oneOf": [
            {"type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX},
            {"type": "integer"},
        ],
    })
}

/// The members that ask for more than the score, as far as the model has it.
pub(super) fn options(answers: &Answers, members: &mut Map<String, Value>) {
    let nothing = Wants::default();
    let has = |wants: Wants| answers.refuse(wants).is_none();
    let mut add = |name: &str, schema: Value| members.insert(name.to_owned(), schema);
    if has(Wants { explain: true, ..nothing }) {
        let description = "whether the answer has reasons, or how many";
        add(
            "explain",
            json!({
                "description": description,
                "oneOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 65535}],
            }),
        );
    }
    for (name, wants, description) in [
        (
            "probabilities",
            Wants { probabilities: true, ..nothing },
            "whether the answer has the probability of each class",
        ),
        ("label", Wants { label: true, ..nothing }, "whether it has the most probable class"),
        (
            "outputs",
            Wants { outputs: true, ..nothing },
            "whether it has all of the model's outputs",
        ),
    ] {
        if has(wants) {
            add(name, json!({"description": description, "type": "boolean"}));
        }
    }
}

/// A field that a column reads.
pub(super) fn member(
    field: &RequestField,
    column: Option<&InputColumn>,
    integers: Option<IntegerRange>,
) -> Value {
    let mut schema = match &field.categories {
        Some(_) => text(field),
        None if field.is_kept => json!({"type": ["string", "null"]}),
        None => number(field, column, integers),
    };
    schema["description"] = json!(format!("a column of type {}", field.column_type));
    if let Some(default) = column.and_then(default_of) {
        schema["default"] = default;
    }
    schema
}

/// What takes the place of a field that is not given, where anything does.
fn default_of(column: &InputColumn) -> Option<Value> {
    if column.required || column.nan != NanMeaning::Default {
        return None;
    }
    if column.column_type.is_text() {
        return column.text.default.as_ref().map(|text| json!(text));
    }
    Some(json!(column.default))
}

/// A text: one of those that the model knows or, unless it refuses them, any other.
fn text(field: &RequestField) -> Value {
    let Some(known) = field.categories.as_deref() else { return json!({}) };
    let mut texts: Vec<_> = known.texts();
    texts.sort_by(|a, b| a.1.total_cmp(&b.1));
    let listed: Vec<_> = texts.iter().map(|(text, _)| json!(text)).collect();
    let is_listed = !listed.is_empty() && listed.len() <= CATEGORIES_MAX;
    let null = json!({"type": "null"});
    let mut kinds = Vec::new();
    if is_listed {
        kinds.push(json!({"title": "known to the model", "enum": listed}));
    }
    if !is_listed || field.unknown != UnknownText::Reject {
        kinds.push(json!({"title": "any other text", "type": "string"}));
    }
    if known.takes_numbers() {
        kinds.push(json!({"title": "a category that is a number", "type": "number"}));
    }
    kinds.push(null);
    json!({"anyOf": kinds})
}

/// A number, or what stands for one: true and false, and a date or a time as text.
fn number(
    field: &RequestField,
    column: Option<&InputColumn>,
    integers: Option<IntegerRange>,
) -> Value {
    use ColumnType::{Bigint, Int, Smallint, Tinyint, Varint};
    let is_whole = matches!(field.column_type, Bigint | Int | Smallint | Tinyint | Varint);
    let kind = if is_whole || integers.is_some() { "integer" } else { "number" };
    let is_calendar = matches!(field.column_type, ColumnType::Timestamp | ColumnType::Date);
    let mut types = vec![kind, if is_calendar { "string" } else { "boolean" }];
    if column.is_none_or(|column| column.nan != NanMeaning::Reject) {
        types.push("null");
    }
    let mut schema = json!({"type": types});
    let refused = column.filter(|column| column.out_of_range == OutOfRange::Reject);
    let range = refused.and_then(|column| column.range);
    if let Some((low, high)) = range.or(integers.map(|range| (range.low, range.high))) {
        schema["minimum"] = json!(low);
        schema["maximum"] = json!(high);
    }
    schema
}
