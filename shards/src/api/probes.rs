//! Liveness and readiness of the server and its models.

use serde_json::json;

use super::{Api, ModelName, Outcome};

/// The server runs: otherwise there would be no outcome.
pub(super) fn live() -> Outcome {
    Outcome::Document(json!({"live": true}))
}

/// The server takes requests while it does not drain and the store fits every model.
pub(super) fn ready(api: &Api) -> Outcome {
    let is_ready = !api.context.draining.get() && !api.lanes.is_unfit();
    let document = json!({"ready": is_ready});
    if is_ready { Outcome::Document(document) } else { Outcome::NotReady(document) }
}

/// A model takes requests while it is there, the store fits it and the server does not drain.
pub(super) fn model_ready(api: &Api, model: ModelName<'_>) -> Outcome {
    let is_ready = !api.context.draining.get() && api.find(model).is_some_and(|it| !it.is_unfit());
    let document = json!({"name": model.name, "ready": is_ready});
    if is_ready { Outcome::Document(document) } else { Outcome::NotReady(document) }
}
