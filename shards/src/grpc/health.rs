//! gRPC's health checks: the empty service is the server, as is each service that is spoken here; any
//! other name is that of a model.

use prost::Message;

use super::messages::health::HealthCheckResponse;
use super::messages::health::health_check_response::ServingStatus;
use super::method::SERVICES;
use super::reply::Reply;
use super::status::{Code, Status};
use crate::api::{Api, Call, CallContext, ModelName, Outcome};

/// The status of a service; `None` where there is none.
fn status(api: &Api, context: &CallContext<'_>, service: &str) -> Option<ServingStatus> {
    let is_server = service.is_empty() || SERVICES.contains(&service);
    let model = ModelName { name: service, version: None };
    let call = if is_server { Call::ServerReady } else { Call::ModelReady(model) };
    match api.answer(call, context) {
        Outcome::Document(_) => Some(ServingStatus::Serving),
        _ if is_server => Some(ServingStatus::NotServing),
        // A model that is there and takes no requests has metadata.
        _ => match api.answer(Call::ModelMetadata(model), context) {
            Outcome::Document(_) => Some(ServingStatus::NotServing),
            _ => None,
        },
    }
}

/// Whether a service takes requests.
pub(super) fn check(api: &Api, context: &CallContext<'_>, service: &str) -> Reply {
    match status(api, context, service) {
        Some(status) => Reply::Message(message(status as i32)),
        None => {
            let message = format!("no service and no model `{service}`");
            Reply::Failed(Status::new(Code::NotFound, message), None)
        }
    }
}

/// The same by its number, for one who watches it: a service may come later.
pub(super) fn watched(api: &Api, context: &CallContext<'_>, service: &str) -> i32 {
    status(api, context, service).unwrap_or(ServingStatus::ServiceUnknown) as i32
}

/// The message of a status.
pub(super) fn message(status: i32) -> Vec<u8> {
    HealthCheckResponse { status }.encode_to_vec()
}
