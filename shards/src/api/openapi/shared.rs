//! The parts that operations name: schemas, errors, headers and keys.

use serde_json::{Map, Value, json};

use super::{content, reference};
use crate::tensors::Datatype;

/// Each status of an error, and when it is given.
const ERRORS: [(u16, &str); 16] = [
    (400, "the body cannot be read, or a value of it"),
    (401, "a key is needed, and none that is known was sent"),
    (403, "the key may not ask this"),
    (404, "no such model or version, or no such user where the model refuses those"),
    (408, "the request took too long to arrive"),
    (409, "another request had the same idempotency-key"),
    (411, "the request has no body"),
    (413, "the body is too long, or has too many rows"),
    (415, "the body has a content coding that is not taken"),
    (422, "a field of the request is none that the model can read"),
    (429, "too many rows wait, or the key has made too many requests: come back later"),
    (431, "the head is too long"),
    (500, "the model failed, or its score is not finite"),
    (
        503,
        "the features are not there and the model's policies refuse to score without them, or \
           the server is too busy",
    ),
    (504, "the deadline passed, or would"),
    (501, "not a method of HTTP"),
];

/// The name of the response of an error.
pub(super) fn error_name(status: u16) -> String {
    format!("Error{status}")
}

/// Headers, parameters and errors.
pub(super) fn components() -> Value {
    let error = content(&reference("schemas", "Error"));
    let errors: Map<_, _> = ERRORS
        .into_iter()
        .map(|(status, when)| (error_name(status), json!({"description": when, "content": error})))
        .collect();
    let parameter = |name: &str, schema: Value, description: &str| {
        let parameter =
            json!({"name": name, "in": "header", "schema": schema, "description": description});
        (name.to_owned(), parameter)
    };
    let parameters: Map<_, _> = [
        parameter(
            "x-deadline-ms",
            json!({"type": "integer", "minimum": 1}),
            "how long the answer is worth having, in ms",
        ),
        parameter(
            "x-priority",
            json!({"type": "string", "enum": ["high", "normal", "low"]}),
            "low is refused first",
        ),
        parameter(
            "x-request-id",
            json!({"type": "string", "pattern": "^[!-~]{1,128}$"}),
            "is sent back, and goes into the logs",
        ),
        parameter(
            "traceparent",
            json!({"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"}),
            "the trace that the request belongs to, by W3C Trace Context",
        ),
    ]
    .into_iter()
    .collect();
    json!({
        "headers": {
            "x-features": {
                "description": "what the features stood on: stored, cached, stale, expired, \
                    missing or error; and how many cells took a default",
                "schema": {"type": "string"},
            },
            "x-model-version": {
                "description": "the version that scored",
                "schema": {"type": "integer"},
            },
        },
        "parameters": parameters,
        "responses": errors,
    })
}

/// How a request shows its key.
pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    })
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

/// The schemas that no model has a part in.
pub(super) fn schemas() -> Value {
    let text = json!({"type": "string"});
    let flag = json!({"type": "boolean"});
    let texts = json!({"type": "array", "items": text});
    let tensors = json!({"type": "array", "items": reference("schemas", "TensorDescription")});
    json!({
        "Error": object(&json!({"error": text}), &["error"]),
        "MemberError": object(
            &json!({
                "error": text,
                "status": {"type": "integer"},
                "user_id": {"type": ["string", "integer"]},
                "model_version": {"type": "integer"},
            }),
            &["error", "status"],
        ),
        "Object": {"type": "object"},
        "Live": object(&json!({"live": flag}), &["live"]),
        "Ready": object(&json!({"ready": flag}), &["ready"]),
        "ModelReady": object(&json!({"name": text, "ready": flag}), &["name", "ready"]),
        "KServeReady": object(&json!({"name": text, "ready": flag}), &["name", "ready"]),
        "ModelNames": object(&json!({"models": texts}), &["models"]),
        "ServerMetadata": object(
            &json!({"name": text, "version": text, "extensions": texts}),
            &["name", "version", "extensions"],
        ),
        "ModelMetadata": object(
            &json!({
                "name": text, "versions": texts, "platform": text,
                "inputs": tensors, "outputs": tensors,
            }),
            &["name", "versions", "platform", "inputs", "outputs"],
        ),
        "TensorDescription": object(
            &json!({
                "name": text, "datatype": text,
                "shape": {"type": "array", "items": {"type": "integer"}},
            }),
            &["name", "datatype", "shape"],
        ),
        "Tensor": tensor(),
        "InferRequest": infer_request(),
        "InferResponse": object(
            &json!({
                "id": text, "model_name": text, "model_version": text,
                "outputs": {"type": "array", "items": reference("schemas", "Tensor")},
            }),
            &["model_name", "outputs"],
        ),
    })
}

fn tensor() -> Value {
    let datatypes: Vec<_> = Datatype::ALL.iter().map(|datatype| datatype.as_str()).collect();
    object(
        &json!({
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"enum": datatypes},
            "data": {"type": "array"},
            "parameters": {"type": ["object", "null"]},
        }),
        &["name", "shape", "datatype"],
    )
}

fn infer_request() -> Value {
    let output = object(
        &json!({"name": {"type": "string"}, "parameters": {"type": ["object", "null"]}}),
        &["name"],
    );
    object(
        &json!({
            "id": {"type": ["string", "null"]},
            "inputs": {"type": "array", "minItems": 1, "items": reference("schemas", "Tensor")},
            "outputs": {"type": ["array", "null"], "items": output},
            "parameters": {"type": ["object", "null"]},
        }),
        &["inputs"],
    )
}
