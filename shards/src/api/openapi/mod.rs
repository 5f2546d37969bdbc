//! `/openapi.json`: a description of what is served, as `OpenAPI` 3.1 has it.
//!
//! [`document`] makes it of the models' schemas, which were made when they were loaded
//! (`model::described`). [`paths`] has the operations, [`shared`] the parts that all of them name.
//! A shard keeps the text until its models change.

mod paths;
mod shared;
mod writes;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::{Api, Outcome};
use crate::facts::{ModelSchemas, Role};

/// A model as clients ask for it.
#[derive(Debug, Clone, Copy)]
pub struct DescribedModel<'a> {
    /// Its name.
    pub name: &'a str,
    /// The version that answers.
    pub version: u64,
    /// What its requests and answers have.
    pub schemas: &'a ModelSchemas,
}

/// The description that a shard keeps.
#[derive(Debug, Default)]
pub(crate) struct Description {
    text: RefCell<Option<Rc<[u8]>>>,
    has_keys: Cell<bool>,
}

impl Description {
    /// The models are others, or requests need keys from now on, where `has_keys`.
    pub(crate) fn forget(&self, has_keys: bool) {
        self.text.replace(None);
        self.has_keys.set(self.has_keys.get() || has_keys);
    }
}

/// Answers with the description of the models of this shard.
pub(super) fn answer(api: &Api) -> Outcome {
    let known = api.description.text.borrow().clone();
    Outcome::Text(known.unwrap_or_else(|| {
        let text: Rc<[u8]> = describe(api).into();
        api.description.text.replace(Some(Rc::clone(&text)));
        text
    }))
}

fn describe(api: &Api) -> Vec<u8> {
    let lanes = api.lanes.all();
    let stable = lanes.iter().filter(|lane| lane.settings.role == Role::Stable);
    let models: Vec<_> = stable
        .map(|lane| DescribedModel {
            name: &lane.settings.model,
            version: lane.settings.version,
            schemas: &lane.telemetry().facts.schemas,
        })
        .collect();
    document(&models, api.description.has_keys.get(), api.limits.takes_writes)
}

/// The description of `models`, the default one first; `has_keys` is whether requests need a key, and
/// `takes_writes` whether features are written too.
pub fn document(models: &[DescribedModel<'_>], has_keys: bool, takes_writes: bool) -> Vec<u8> {
    let mut head = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "shardgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Scores of machine-learning models.",
        },
        "paths": paths::all(models),
    });
    if takes_writes {
        writes::add_to(&mut head["paths"]);
    }
    let mut components = shared::components();
    if has_keys {
        head["security"] = json!([{"bearer": []}, {"key": []}]);
        components["securitySchemes"] = shared::security_schemes();
    }
    // The models' schemas are text already.
    let mut out = Vec::with_capacity(65_536);
    out.push(b'{');
    push_members(&mut out, &head);
    out.extend_from_slice(b",\"components\":{");
    push_members(&mut out, &components);
    out.extend_from_slice(b",\"schemas\":{");
    push_members(&mut out, &shared::schemas());
    for DescribedModel { name, schemas, .. } in models {
        for (part, schema) in [("row", &schemas.row), ("answer", &schemas.answer)] {
            out.extend_from_slice(format!(",\"{name}.{part}\":").as_bytes());
            out.extend_from_slice(schema.as_bytes());
        }
    }
    out.extend_from_slice(b"}}}");
    out
}

/// Appends the members of an object without its braces.
fn push_members(out: &mut Vec<u8>, object: &Value) {
    // At least the braces are there.
    let text = object.to_string();
    out.extend_from_slice(&text.as_bytes()[1..text.len() - 1]);
}

/// A reference to a part of the components.
fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// A body of JSON.
fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

/// The responses of an operation: that of its success, and errors by their statuses.
fn responses(good: Value, errors: &[u16]) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), good);
    for status in errors {
        let name = shared::error_name(*status);
        responses.insert(status.to_string(), reference("responses", &name));
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{DescribedModel, document};
    use crate::facts::ModelSchemas;

    #[test]
    fn every_reference_leads_somewhere() {
        let schemas = ModelSchemas {
            row: "{\"type\":\"object\"}".to_owned(),
            answer: "{\"type\":\"object\"}".to_owned(),
            example: "{\"user_id\":\"u\",\"amount\":1.5}".to_owned(),
            columns: 1,
        };
        for has_keys in [false, true] {
            let models = ["one", "the-other.2"].map(|name| DescribedModel {
                name,
                version: 1,
                schemas: &schemas,
            });
            let text = document(&models, has_keys, has_keys);
            let document: Value = serde_json::from_slice(&text).expect("JSON");
            let text = document.to_string();
            let references: Vec<_> = text.split("\"$ref\":\"#").skip(1).collect();
            assert!(references.len() > 20, "{}", references.len());
            for rest in references {
                let pointer = &rest[..rest.find('"').expect("its end")];
                assert!(document.pointer(pointer).is_some(), "{pointer}");
            }
            assert_eq!(document.get("security").is_some(), has_keys);
            assert!(document.pointer("/paths/~1v1~1models~1the-other.2:predict/post").is_some());
        }
    }
}
