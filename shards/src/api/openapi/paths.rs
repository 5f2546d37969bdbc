//! The operations: what each path takes and gives.

use serde_json::{Map, Value, json};

use super::{DescribedModel, content, reference, responses};

/// The errors of a request with a body, whatever it asks.
const BODY_ERRORS: [u16; 8] = [400, 401, 403, 408, 411, 413, 415, 431];
/// Those of rows that are asked for by `/predict`.
const ROW_ERRORS: [u16; 6] = [404, 422, 429, 500, 503, 504];
/// Those of tensors, by the Open Inference Protocol, and of instances.
const WHOLE_ERRORS: [u16; 4] = [404, 429, 500, 503];
/// Those of a request that only looks.
const LOOK_ERRORS: [u16; 4] = [401, 403, 404, 429];

/// Every path with its operations.
pub(super) fn all(models: &[DescribedModel<'_>]) -> Value {
    let mut paths = Map::new();
    let mut add = |path: String, method: &str, operation: Value| {
        paths.insert(path, json!({ (method): operation }));
    };
    if let Some(model) = models.first() {
        let summary = format!("Scores of the default model, {}", model.name);
        add("/predict".to_owned(), "post", predict(*model, "predict", &summary));
    }
    for model in models {
        let name = model.name;
        let id = |operation: &str| format!("{operation}.{name}");
        add(format!("/predict/{name}"), "post", {
            predict(*model, &id("predict"), &format!("Scores of {name}"))
        });
        add(format!("/v1/models/{name}:predict"), "post", instances(*model, &id("v1.predict")));
        add(format!("/v1/models/{name}"), "get", {
            let summary = format!("Whether {name} is ready, by KServe's version 1");
            probe(&id("v1.ready"), &summary, "KServeReady", &[404, 503])
        });
        let path = format!("/v2/models/{name}");
        add(format!("{path}/infer"), "post", infer(*model, &id("v2.infer")));
        add(format!("{path}/ready"), "get", {
            probe(&id("v2.ready"), &format!("Whether {name} is ready"), "ModelReady", &[400])
        });
        for (part, schema, summary) in [
            ("", "ModelMetadata", "The inputs and outputs"),
            ("/config", "Object", "How it is served:"),
            ("/stats", "Object", "The counters, on the shard that answers,"),
        ] {
            let operation = id(&format!("v2.{}", part.trim_start_matches('/')));
            let operation = operation.replace("v2..", "v2.metadata.");
            add(format!("{path}{part}"), "get", {
                look(&operation, &format!("{summary} of {name}"), schema)
            });
        }
    }
    for (path, operation, summary, schema) in [
        ("/v1/models", "v1.models", "The names of the models", "ModelNames"),
        ("/v2", "v2.server", "The server's name, version and extensions", "ServerMetadata"),
        ("/v2/models/stats", "v2.stats", "The counters of all models", "Object"),
        ("/openapi.json", "openapi", "This description", "Object"),
    ] {
        add(path.to_owned(), "get", look(operation, summary, schema));
    }
    let summary = "Whether the server runs";
    add("/v2/health/live".to_owned(), "get", probe("v2.live", summary, "Live", &[]));
    let summary = "Whether the server takes requests";
    add("/v2/health/ready".to_owned(), "get", probe("v2.server.ready", summary, "Ready", &[400]));
    Value::Object(paths)
}

/// A request that only looks at something.
fn look(operation: &str, summary: &str, schema: &str) -> Value {
    let good = json!({"description": summary, "content": content(&reference("schemas", schema))});
    json!({
        "operationId": operation,
        "summary": summary,
        "responses": responses(good, &LOOK_ERRORS),
    })
}

/// A probe, which needs no key; it has its own schema where it says no.
fn probe(operation: &str, summary: &str, schema: &str, no: &[u16]) -> Value {
    let body = content(&reference("schemas", schema));
    let good = json!({"description": summary, "content": body});
    let mut responses = responses(good.clone(), &[]);
    for status in no {
        responses[status.to_string()] = match status {
            404 => reference("responses", &super::shared::error_name(404)),
            _ => json!({"description": "not ready", "content": body}),
        };
    }
    json!({
        "operationId": operation,
        "summary": summary,
        "security": [],
        "responses": responses,
    })
}

/// A request with a body, by which rows are scored.
fn scoring(
    (operation, summary): (&str, &str),
    request: &Value,
    example: &Value,
    good: &Value,
    errors: &[u16],
) -> Value {
    let errors: Vec<u16> = BODY_ERRORS.iter().chain(errors).copied().collect();
    let good = json!({
        "description": "the scores",
        "headers": {
            "x-features": reference("headers", "x-features"),
            "x-model-version": reference("headers", "x-model-version"),
        },
        "content": content(good),
    });
    let parameters = ["x-deadline-ms", "x-priority", "x-request-id", "traceparent"];
    json!({
        "operationId": operation,
        "summary": summary,
        "parameters": parameters.map(|name| reference("parameters", name)),
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": request, "example": example}},
        },
        "responses": responses(good, &errors),
    })
}

fn example(model: DescribedModel<'_>) -> Value {
    serde_json::from_str(&model.schemas.example).unwrap_or_default()
}

fn of_model(model: DescribedModel<'_>, part: &str) -> Value {
    reference("schemas", &format!("{}.{part}", model.name))
}

fn predict(model: DescribedModel<'_>, operation: &str, summary: &str) -> Value {
    let (row, answer) = (of_model(model, "row"), of_model(model, "answer"));
    let request = json!({"oneOf": [row, {"type": "array", "items": row, "minItems": 1}]});
    let member = json!({"anyOf": [answer, reference("schemas", "MemberError")]});
    let good = json!({"oneOf": [answer, {"type": "array", "items": member}]});
    scoring((operation, summary), &request, &example(model), &good, &ROW_ERRORS)
}

/// `KServe`'s version 1: rows as objects, or as lists of all columns.
fn instances(model: DescribedModel<'_>, operation: &str) -> Value {
    let columns = model.schemas.columns;
    let list = json!({
        "description": "all of the model's columns in their order",
        "type": "array",
        "items": {"type": ["number", "string", "boolean", "null"]},
        "minItems": columns,
        "maxItems": columns,
    });
    let instance = json!({"anyOf": [of_model(model, "row"), list]});
    let request = json!({
        "type": "object",
        "properties": {"instances": {"type": "array", "minItems": 1, "items": instance}},
        "required": ["instances"],
    });
    let prediction = json!({"anyOf": [of_model(model, "answer"), {"type": "number"}]});
    let good = json!({
        "type": "object",
        "properties": {"predictions": {"type": "array", "items": prediction}},
        "required": ["predictions"],
    });
    let summary = format!("Scores of {}, by KServe's version 1", model.name);
    let example = json!({"instances": [example(model)]});
    scoring((operation, &summary), &request, &example, &good, &ROW_ERRORS)
}

/// The Open Inference Protocol: a tensor for each member of the example.
fn infer(model: DescribedModel<'_>, operation: &str) -> Value {
    let row = example(model);
    let tensor = |(name, value): (&String, &Value)| {
        let datatype = if value.is_string() { "BYTES" } else { "FP64" };
        json!({"name": name, "shape": [1], "datatype": datatype, "data": [value]})
    };
    let given = row.as_object().into_iter().flatten();
    let inputs: Vec<_> = given.filter(|(_, value)| !value.is_null()).map(tensor).collect();
    let summary = format!("Scores of {}, by the Open Inference Protocol", model.name);
    scoring(
        (operation, &summary),
        &reference("schemas", "InferRequest"),
        &json!({"inputs": inputs}),
        &reference("schemas", "InferResponse"),
        &WHOLE_ERRORS,
    )
}
