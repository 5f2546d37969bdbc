//! `[explain]` in `model.toml`: whether and how scores are explained.

use serde::Deserialize;

/// How scores are explained; a model without it is not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainSettings {
    /// How many reasons a row has where its request does not say.
    #[serde(rename = "max_reasons")]
    pub reasons_max: usize,
    /// Whether every row is explained; else those whose request asks for it, and those of `when`.
    pub always: bool,
    /// Which rows are explained though nobody asks: `score > 0.6`, `decision == "decline"`.
    pub when: Option<String>,
    /// Rows that stand for the average row, as a CSV file in the version's directory or beside
    /// `model.toml`; without it the covers of the trees do.
    pub background: Option<String>,
    /// Whether a model that cannot be explained is served without: of a file that is served by itself,
    /// for which nobody has said anything.
    #[serde(skip)]
    pub where_possible: bool,
    /// How reasons are named, and which columns speak as one.
    #[serde(rename = "reasons")]
    pub named: Vec<NamedReason>,
}

impl Default for ExplainSettings {
    fn default() -> Self {
        Self {
            reasons_max: 4,
            always: false,
            when: None,
            background: None,
            where_possible: false,
            named: Vec::new(),
        }
    }
}

/// A reason of one column, or of several that speak as one.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedReason {
    /// Columns of `model.toml`; the contribution is the sum of theirs.
    pub columns: Vec<String>,
    /// What a machine knows it by; the first column's name where it is not given.
    #[serde(default)]
    pub code: Option<String>,
    /// What a person is told.
    #[serde(default)]
    pub text: Option<String>,
}
