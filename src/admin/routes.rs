//! The paths of the admin port.

use std::sync::PoisonError;

use serde::Deserialize;
use serde_json::{Value, json};

use shards::api::{FeatureCall, RepositoryCall};
use shards::http::routes::{feature_call, repository_call};
use shards::http::statuses::reply_status;

use super::access::Refusal;
use super::health::Health;
use super::metrics::Process;
use super::metrics::text::Format;
use super::reply::Reply;
use super::request::Request;
use super::server::Outcome;
use super::{AdminState, docs, live, metrics, page};
use crate::serve::repository;

/// The intent of a request, by which its sender is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    /// Read what only an operator may see.
    See,
    /// Change how the process works.
    Change,
}

/// Answers a request.
pub(super) fn answer(request: &Request, state: &AdminState) -> Outcome {
    let is_get = matches!(request.method.as_str(), "GET" | "HEAD");
    let reply = match request.path.as_str() {
        _ if request.is_coded() && !request.body.is_empty() => {
            Reply::error(415, "the body has a Content-Encoding: send it without one")
                .with_fields("accept-encoding: identity\r\n")
        }
        "/events" if request.method == "GET" => {
            return match check(request, state, Intent::See) {
                Ok(()) => Outcome::Events,
                Err(refusal) => Outcome::Reply(refuse(refusal)),
            };
        }
        "/log-level" if is_get || request.method == "PUT" => log_level(request, state),
        "/reload" if request.method == "POST" => reload(request, state),
        "/config" if is_get => match check(request, state, Intent::See) {
            Ok(()) => Reply::json(200, &state.config),
            Err(refusal) => refuse(refusal),
        },
        "/" if is_get => page::reply(),
        "/docs" if is_get => docs::reply(),
        "/openapi.json" if is_get => match check(request, state, Intent::See) {
            Ok(()) => docs::description(state),
            Err(refusal) => refuse(refusal),
        },
        // It changes nothing, and yet no page of another site may have it sent.
        "/docs/send" if request.method == "POST" => match check(request, state, Intent::Change) {
            Ok(()) => docs::send(&request.body, state.served_at.get()),
            Err(refusal) => refuse(refusal),
        },
        "/livez" if is_get => livez(state),
        "/readyz" if is_get => readyz(state),
        "/version" if is_get => Reply::json(200, &version()),
        "/metrics" if is_get => scrape(request, state),
        "/" | "/livez" | "/readyz" | "/version" | "/metrics" | "/config" | "/events" | "/docs"
        | "/openapi.json" => {
            Reply::error(405, "this path takes GET").with_fields("allow: GET, HEAD\r\n")
        }
        "/reload" | "/docs/send" => {
            Reply::error(405, "this path takes POST").with_fields("allow: POST\r\n")
        }
        "/log-level" => {
            Reply::error(405, "this path takes GET and PUT").with_fields("allow: GET, PUT\r\n")
        }
        path => match path.strip_prefix("/v2") {
            Some(rest) => open_inference(rest, request, state),
            None => Reply::error(404, "no such path"),
        },
    };
    Outcome::Reply(reply)
}

fn check(request: &Request, state: &AdminState, intent: Intent) -> Result<(), Refusal> {
    state.access.check(request.credentials())?;
    if intent == Intent::Change && !request.is_json() {
        return Err((415, "the content type has to be application/json"));
    }
    Ok(())
}

fn refuse((status, message): Refusal) -> Reply {
    let reply = Reply::error(status, message);
    if status == 401 { reply.with_fields("www-authenticate: Bearer\r\n") } else { reply }
}

const LOADING: &str = "the models are being loaded for the first time";

/// Name and version of the program, for people and for `/version`.
pub(super) fn version() -> Value {
    json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "architecture": std::env::consts::ARCH,
    })
}

/// Whether a restart would help: 503 when a shard has stood still for long.
fn livez(state: &AdminState) -> Reply {
    let stalled = live::stalled_shards(state);
    let status = if stalled.is_empty() { 200 } else { 503 };
    Reply::json(status, &json!({ "live": stalled.is_empty(), "stalled_shards": stalled }))
}

/// Whether requests should be sent here, and what each part says about it.
fn readyz(state: &AdminState) -> Reply {
    let health = Health::of(state);
    Reply::json(if health.is_ready() { 200 } else { 503 }, &health.to_json())
}

#[expect(clippy::disallowed_methods, reason = "a thread of the admin port, not a shard's")]
fn scrape(request: &Request, state: &AdminState) -> Reply {
    let format = Format::accepted(request.field("accept"));
    let drift = state.drift.lock().unwrap_or_else(PoisonError::into_inner);
    let text = metrics::write(
        format,
        &state.shards,
        &drift,
        &Process {
            log_events_suppressed: state.log.suppressed(),
            journal: state.written.journal.as_deref(),
            writes: state.writing.get().map(|desk| desk.counters()),
            spans: state.written.spans.as_deref(),
            tls_expires_s: state.tls.as_ref().map(|tls| tls.expires_s()),
            is_degraded: Health::of(state).is_degraded(),
        },
    );
    Reply::content(format.content_type(), text)
}

/// Takes the models into service as they are on disk now, on every shard or on none.
fn reload(request: &Request, state: &AdminState) -> Reply {
    if let Err(refusal) = check(request, state, Intent::Change) {
        return refuse(refusal);
    }
    let Some(reloader) = state.serving.get() else {
        return Reply::error(503, LOADING);
    };
    match reloader.reload() {
        Ok(models) => {
            tracing::info!(?models, "reloaded by an operator");
            Reply::json(200, &json!({ "models": models }))
        }
        Err(error) => Reply::error(422, &format!("{error:#}; the old models go on serving")),
    }
}

/// What stands below `/v2`: features are written, and models managed.
fn open_inference(rest: &str, request: &Request, state: &AdminState) -> Reply {
    if let Some(call) = repository_call(rest) {
        return ask_repository(call, request, state);
    }
    match feature_call(&request.method, rest) {
        Some(Ok(call)) => write_features(call, request, state),
        Some(Err(allow)) => {
            Reply::error(405, "this path does not take that method").with_fields(allow)
        }
        None => Reply::error(404, "no such path"),
    }
}

/// Writes or removes rows of the feature store.
fn write_features(call: FeatureCall<&str>, request: &Request, state: &AdminState) -> Reply {
    if let Err(refusal) = state.access.check(request.credentials()) {
        return refuse(refusal);
    }
    // A page of another site cannot have a browser send these without asking first.
    let is_binary = request.field("inference-header-content-length").is_some();
    if !call.is_removal && !request.is_json() && !request.is_json_lines() && !is_binary {
        return Reply::error(
            415,
            "the content type has to be application/json or application/x-ndjson",
        );
    }
    let Some(desk) = state.writing.get() else { return Reply::error(503, LOADING) };
    let key = request.field("idempotency-key").map(|key| key.as_bytes().to_vec());
    let json_bytes = request.field("inference-header-content-length");
    let json_bytes = json_bytes.and_then(|length| length.parse().ok());
    let reply = desk.ask(call, request.body.clone(), json_bytes, key);
    Reply::document(reply_status(reply.kind), reply.body)
}

/// Which models there are, and changes of what is served.
fn ask_repository(call: RepositoryCall<&str>, request: &Request, state: &AdminState) -> Reply {
    if request.method != "POST" {
        return Reply::error(405, "this path takes POST").with_fields("allow: POST\r\n");
    }
    let intent = match call {
        RepositoryCall::Index => Intent::See,
        RepositoryCall::Load { .. } | RepositoryCall::Unload { .. } => Intent::Change,
    };
    if let Err(refusal) = check(request, state, intent) {
        return refuse(refusal);
    }
    let Some(reloader) = state.serving.get() else { return Reply::error(503, LOADING) };
    let (kind, body) = repository::answer(reloader, call, &request.body);
    Reply::json(reply_status(kind), &body)
}

/// `{"filter": "info,shards=debug"}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLevel {
    filter: String,
}

fn log_level(request: &Request, state: &AdminState) -> Reply {
    let intent = if request.method == "PUT" { Intent::Change } else { Intent::See };
    if let Err(refusal) = check(request, state, intent) {
        return refuse(refusal);
    }
    if intent == Intent::Change {
        let wanted: LogLevel = match serde_json::from_slice(&request.body) {
            Ok(wanted) => wanted,
            Err(error) => {
                return Reply::error(400, &format!("expected {{\"filter\": …}}: {error}"));
            }
        };
        if let Err(error) = state.log.set_filter(&wanted.filter) {
            return Reply::error(422, &error.to_string());
        }
        tracing::warn!(filter = wanted.filter, "log filter changed by an operator");
    }
    Reply::json(200, &json!({ "filter": state.log.filter() }))
}
