//! The model-repository extension of the Open Inference Protocol: which models there are, and
//! loading and unloading them. The same for the admin port and the serving port.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shards::api::{AdminReplyKind, RepositoryCall};
use shards::escape::{Escaped, escaped};
use shards::facts::Role;
use shards::model::repository::{ModelDirectory, RepositoryError};
use shards::tensors::wire::null_is_none_given;

use super::reload::{Reloader, Served};

/// The body of a request; all of it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RepositoryBody {
    /// Whether the index has only versions that are served.
    #[serde(deserialize_with = "null_is_none_given")]
    ready: bool,
    /// A configuration and files to load instead of those on disk, which is not supported; or
    /// whether dependent models go too, of which there are none.
    #[serde(deserialize_with = "null_is_none_given")]
    parameters: serde_json::Map<String, Value>,
}

/// A version of a model in the index.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Entry {
    name: String,
    /// Empty where it is not known which versions there are.
    version: String,
    state: &'static str,
    /// Why it is not served, or its role where that is not `stable`.
    reason: String,
}

const READY: &str = "READY";
const UNAVAILABLE: &str = "UNAVAILABLE";

/// Does a call; returns whether it was done, and the document. May take as long as loading
/// takes.
pub(crate) fn answer(
    reloader: &Reloader,
    call: RepositoryCall<&str>,
    body: &[u8],
) -> (AdminReplyKind, Value) {
    let body = match body {
        [] => Ok(RepositoryBody::default()),
        body => serde_json::from_slice(body),
    };
    let body: RepositoryBody = match body {
        Ok(body) => body,
        Err(error) => return failed(&format!("the request's JSON cannot be read: {error}")),
    };
    match call {
        RepositoryCall::Index => match index(reloader, body.ready) {
            Ok(entries) => (AdminReplyKind::Done, json!(entries)),
            Err(error) => failed(&error.to_string()),
        },
        RepositoryCall::Load { name } => load(reloader, name, &body),
        RepositoryCall::Unload { name } => unload(reloader, name),
    }
}

fn failed(message: &str) -> (AdminReplyKind, Value) {
    (AdminReplyKind::Failed, json!({ "error": escaped(message) }))
}

fn load(reloader: &Reloader, name: &str, body: &RepositoryBody) -> (AdminReplyKind, Value) {
    let is_override = |key: &&String| *key == "config" || key.starts_with("file:");
    if let Some(key) = body.parameters.keys().find(is_override) {
        return failed(&format!(
            "failed to load `{name}`: parameter `{key}` is not supported, put the model's files \
             into the repository"
        ));
    }
    match reloader.load(name) {
        Ok(models) => {
            tracing::info!(?models, "loaded by request");
            (AdminReplyKind::Done, json!({ "models": models }))
        }
        Err(error) => {
            tracing::warn!(name, %error, "not loaded: what was served before goes on serving");
            failed(&format!("failed to load `{name}`: {error}"))
        }
    }
}

fn unload(reloader: &Reloader, name: &str) -> (AdminReplyKind, Value) {
    match reloader.unload(name) {
        Ok(()) => {
            tracing::info!(name, "unloaded by request");
            (AdminReplyKind::Done, json!({}))
        }
        Err(error) => failed(&format!("failed to unload `{name}`: {error}")),
    }
}

/// Every version of every model, on disk or served, in order.
fn index(reloader: &Reloader, ready_only: bool) -> Result<Vec<Entry>, RepositoryError> {
    let served = reloader.served();
    let mut names: BTreeSet<String> = reloader.repository().names()?.into_iter().collect();
    names.extend(served.directories.iter().map(|directory| directory.name.clone()));
    let mut entries = Vec::new();
    for name in names {
        let on_disk = reloader.repository().versions(&name);
        entries.extend(entries_of(&served, name, on_disk));
    }
    entries.retain(|entry| !ready_only || entry.state == READY);
    Ok(entries)
}

fn entries_of(
    served: &Served,
    name: String,
    on_disk: Result<Vec<u64>, RepositoryError>,
) -> Vec<Entry> {
    let is_its = |directory: &&ModelDirectory| directory.name == name;
    let ready: Vec<_> = served.directories.iter().filter(is_its).collect();
    let mut versions: BTreeSet<u64> = ready.iter().map(|directory| directory.version).collect();
    let mut entries = Vec::new();
    let unknown = match on_disk {
        Ok(found) => {
            versions.extend(found);
            None
        }
        Err(error) => Some(Escaped(error).to_string()),
    };
    for version in versions {
        let (state, reason) = match ready.iter().find(|directory| directory.version == version) {
            Some(directory) => match directory.role() {
                Role::Stable => (READY, String::new()),
                Role::Canary => (READY, Role::Canary.as_str().to_owned()),
                // It is loaded, and yet no call may name it.
                Role::Shadow => (UNAVAILABLE, Role::Shadow.as_str().to_owned()),
            },
            None => (UNAVAILABLE, why_not(served, &name, version)),
        };
        entries.push(Entry { name: name.clone(), version: version.to_string(), state, reason });
    }
    if let Some(reason) = unknown {
        entries.push(Entry { name, version: String::new(), state: UNAVAILABLE, reason });
    }
    entries
}

fn why_not(served: &Served, name: &str, version: u64) -> String {
    if let Some(failure) = served.failures.get(name)
        && failure.version.is_none_or(|tried| tried == version)
    {
        return escaped(&failure.reason).into_owned();
    }
    let reason = if served.unloaded.iter().any(|known| known == name) {
        "unloaded"
    } else if served.directories.iter().any(|directory| directory.name == name) {
        "another version is served"
    } else {
        "not loaded"
    };
    reason.to_owned()
}
