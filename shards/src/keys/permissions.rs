//! What a key lets its client do.

use serde::Deserialize;

/// A thing that a key may let its client do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Permission {
    /// Ask for scores, and for descriptions of models.
    Predict,
    /// Have scores explained, by reasons and contributions.
    Explain,
    /// Write features.
    Write,
}

/// What a key lets its client do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permissions {
    /// Ask for scores, and for descriptions of models.
    pub(crate) may_predict: bool,
    /// Have scores explained.
    pub(crate) may_explain: bool,
    /// Write features.
    pub(crate) may_write: bool,
}

impl Permissions {
    /// Where no keys are needed.
    pub(crate) const ALL: Self = Self { may_predict: true, may_explain: true, may_write: true };
    /// Of a key that does not say.
    pub(super) const UNSAID: Self = Self { may_predict: true, may_explain: true, may_write: false };

    /// Of a key that says these; `None` where they make no sense.
    pub(super) fn of(said: &[Permission]) -> Option<Self> {
        let has = |one| said.contains(&one);
        let all = Self {
            may_predict: has(Permission::Predict),
            may_explain: has(Permission::Explain),
            may_write: has(Permission::Write),
        };
        // Reasons come with scores.
        let makes_sense = all.may_predict || (all.may_write && !all.may_explain);
        makes_sense.then_some(all)
    }
}
