//! `[shadow]`: a share of the users is scored by a candidate too, which never answers.

use serde::Deserialize;

use super::canary::place;

/// What tells its users from the canary's.
const PURPOSE: u8 = 1;

/// The table `[shadow]` of `model.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// The version whose scores are compared with those that are answered.
    pub version: u64,
    /// The share of the users whom it scores too, in percent.
    pub percent: f64,
}

impl Shadow {
    /// Whether it scores this user of `model` too: always the same users, as with
    /// [`Canary::takes`](super::canary::Canary::takes), and others than a canary's.
    pub fn copies(&self, model: &str, user: &str) -> bool {
        place(model, PURPOSE, user) * 100.0 < self.percent
    }
}
