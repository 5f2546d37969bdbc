//! The operations by which features are written.

use serde_json::{Value, json};

use super::{content, reference, responses};

const ERRORS: [u16; 9] = [400, 401, 403, 404, 409, 411, 413, 429, 503];

/// Adds the paths.
pub(super) fn add_to(paths: &mut Value) {
    paths["/v2/features/{entity}/{key}"] = json!({
        "parameters": [in_path("entity", ENTITY), in_path("key", "the key of the row")],
        "post": operation("writeRow", "Writes the columns of a row", &one()),
        "delete": operation("removeRow", "Removes a row", &Value::Null),
    });
    paths["/v2/features/{entity}"] = json!({
        "parameters": [in_path("entity", ENTITY)],
        "post": operation("writeRows", "Writes rows, all or none: a JSON object a line, or tensors", &many()),
    });
}

const ENTITY: &str = "the entity, as models name it; `user` is the default one";

fn in_path(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "schema": {"type": "string"},
        "description": description,
    })
}

fn operation(id: &str, summary: &str, body: &Value) -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let properties = json!({
        "written": count,
        "removed": count,
        "repeated": {"type": "boolean"},
        "durability": {"type": "string"},
        "lost_if": {"type": "string"},
    });
    let schema = json!({"type": "object", "properties": properties});
    let good = json!({"description": "done, and on the disk", "content": content(&schema)});
    let mut operation = json!({
        "operationId": id,
        "summary": summary,
        "parameters": [{
            "name": "idempotency-key",
            "in": "header",
            "schema": {"type": "string"},
            "description": "the same request with the same key is written once within 15 minutes",
        }],
        "responses": responses(good, &ERRORS),
    });
    if !body.is_null() {
        operation["requestBody"] = json!({"required": true, "content": body});
    }
    operation
}

fn row() -> Value {
    json!({
        "type": "object",
        "description": "columns with their values; null forgets one",
        "properties": {
            "last_updated": {"type": ["string", "integer"]},
            "event": {
                "type": "object",
                "description": "what happened, for aggregates; `at` says when",
            },
        },
        "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
    })
}

fn one() -> Value {
    content(&row())
}

fn many() -> Value {
    json!({
        "application/x-ndjson": {"schema": {"type": "string"}, "example": "{\"key\":\"u1\",\"amount\":1.5}\n"},
        "application/json": {"schema": {"anyOf": [row(), reference("schemas", "InferRequest")]}},
    })
}
