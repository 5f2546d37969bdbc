//! The models that the feature store does not fit, as the admin port says it.

use serde::Serialize;
use shards::facts::Role;

use super::AdminState;

/// A version of a model that the store does not fit on some shard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct UnfitModel {
    model: String,
    version: u64,
    #[serde(skip)]
    answers: bool,
    reason: String,
}

impl UnfitModel {
    /// Whether clients get its answers: then they get 503.
    pub(super) fn answers(&self) -> bool {
        self.answers
    }
}

/// The versions that the store does not fit, each once, whatever the number of its shards.
pub(super) fn unfit_models(state: &AdminState) -> Vec<UnfitModel> {
    let mut unfit = Vec::new();
    for shard in &state.shards {
        for lane in shard.shared.telemetry.lanes() {
            if let Some(reason) = lane.fit.reason().filter(|_| !lane.is_retired()) {
                unfit.push(UnfitModel {
                    model: lane.facts.model.clone(),
                    version: lane.facts.version,
                    answers: lane.facts.role != Role::Shadow,
                    reason: reason.to_string(),
                });
            }
        }
    }
    unfit.sort();
    unfit.dedup();
    unfit
}
