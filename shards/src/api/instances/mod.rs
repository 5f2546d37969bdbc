//! `KServe`'s version 1: `{"instances": […]}` becomes `{"predictions": […]}`.
//!
//! An instance is a row as `/predict` has it, or the list of all of the model's columns. The protocol
//! has no place for an error beside a score: one row that gets no score fails its request, as with
//! tensors. [`read`] makes rows of a body, [`write`] writes their document.

mod read;
mod write;

use serde_json::json;

pub(super) use self::read::parse;
pub(super) use self::write::write;
use super::{Api, CallFault, ModelName, Outcome};
use crate::facts::Role;

/// The names of the models that may be asked.
pub(super) fn names(api: &Api) -> Outcome {
    let lanes = api.lanes.all();
    let stable = lanes.iter().filter(|lane| lane.settings.role == Role::Stable);
    let names: Vec<_> = stable.map(|lane| lane.settings.model.as_str()).collect();
    Outcome::Document(json!({"models": names}))
}

/// Whether a model takes requests.
pub(super) fn ready(api: &Api, name: &str) -> Outcome {
    let model = ModelName { name, version: None };
    let Some(lane) = api.find(model) else { return api.unknown(model) };
    if api.context.draining.get() || lane.is_unfit() {
        return Outcome::fault(CallFault::NotReady, &format!("the model `{name}` is not ready"));
    }
    Outcome::Document(json!({"name": name, "ready": true}))
}
