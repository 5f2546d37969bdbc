//! Says in the log when the columns of the feature store change under the models: once for each
//! change and model, however many shards there are and whenever each of them notices.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shard_thread::ShardHandle;

/// What was said of each version of a model.
#[derive(Debug, Default)]
pub(super) struct FitWatch {
    /// The changes that each shard has counted, over all of its models.
    counted: Vec<u64>,
    said: BTreeMap<(String, u64), Fit>,
}

/// How a version of a model stands with the store, over all shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Fit {
    /// The most changes that a shard has seen.
    changes: u64,
    reason: Option<Arc<str>>,
}

impl FitWatch {
    /// Looks at the shards, and logs what is new.
    pub(super) fn look(&mut self, shards: &[ShardHandle]) {
        let counted: Vec<u64> =
            shards.iter().map(|shard| shard.shared.telemetry.counters.fit_changes.get()).collect();
        // Models by the hundred are looked at only when there is something to see.
        if counted == self.counted || counted.iter().all(|count| *count == 0) {
            return;
        }
        self.counted = counted;
        let mut found: BTreeMap<(String, u64), Fit> = BTreeMap::new();
        for lane in shards.iter().flat_map(|shard| shard.shared.telemetry.lanes()) {
            if !lane.is_retired() {
                let fit = found.entry((lane.facts.model.clone(), lane.facts.version)).or_default();
                fit.changes = fit.changes.max(lane.fit.changes());
                fit.reason = fit.reason.take().or_else(|| lane.fit.reason());
            }
        }
        for ((model, version), fit) in &found {
            let before = self.said.get(&(model.clone(), *version)).cloned().unwrap_or_default();
            say(model, *version, &before, fit);
        }
        self.said = found;
    }
}

fn say(model: &str, version: u64, before: &Fit, now: &Fit) {
    match (&before.reason, &now.reason) {
        (before, Some(reason)) if before.as_ref() != Some(reason) => {
            tracing::error!(model, version, %reason, "answered with 503 until the store fits");
        }
        (Some(_), None) => tracing::info!(model, version, "the store fits the model again"),
        (None, None) if now.changes > before.changes => {
            tracing::info!(model, version, "the store's columns changed: bound to them again");
        }
        _ => {}
    }
}
