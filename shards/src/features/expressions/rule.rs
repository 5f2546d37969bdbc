//! `[[rules]]` of `model.toml`.

use serde::Deserialize;

/// A decision that is made where a condition holds, whatever the score would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The condition: an expression that gives true or false.
    pub when: String,
    /// The decision.
    pub decision: String,
    /// Why, for the answer; empty where nothing is said.
    #[serde(default)]
    pub reason: String,
}

impl Rule {
    /// What it is called: its reason, or its place in `model.toml`.
    pub fn name(&self, place: usize) -> String {
        if self.reason.is_empty() { format!("rules[{place}]") } else { self.reason.clone() }
    }
}
