//! What a model asks of the store and of the request: its columns, and what to do when they fail.
//!
//! `model.toml` is read into these types (`model::manifest`); the join obeys them.

use serde::Deserialize;

use super::column::ColumnType;

/// Where a cell comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The feature store, by the column's name.
    #[default]
    Store,
    /// A field of the request's JSON object, by the column's name.
    Request,
}

/// What a cell that is NaN or null means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NanMeaning {
    /// Not known: the column's default takes its place, and the cell counts as defaulted.
    #[default]
    Default,
    /// A value that the model knows how to read: NaN is passed on.
    Missing,
    /// An error: the row is refused.
    Reject,
}

/// One input column of a model, in the order of its tensor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputColumn {
    /// The column's name in the store, or the field's in the request.
    pub name: String,
    /// The declared type.
    #[serde(default, rename = "type")]
    pub column_type: ColumnType,
    /// Where the cell comes from.
    #[serde(default)]
    pub source: Source,
    /// What takes the place of a cell that is not known.
    #[serde(default)]
    pub default: f64,
    /// The allowed range, both ends included; a stored cell outside counts as not known, a
    /// request's cell outside is refused.
    #[serde(default)]
    pub range: Option<(f64, f64)>,
    /// What NaN and null mean.
    #[serde(default)]
    pub nan: NanMeaning,
    /// The column's quantiles in the training data, ascending, evenly spaced in probability and
    /// without the extremes (nine are the deciles): what drift is measured against. Empty: not
    /// known.
    #[serde(default)]
    pub quantiles: Vec<f64>,
}

/// The integers that a column of a model's tensor takes, both ends included.
///
/// They reach the model as 64-bit floats, which hold those of 53 bits exactly: of what is beyond,
/// nobody can tell whether it was rounded on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntegerRange {
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl IntegerRange {
    /// The greatest integer whose neighbours are told apart from it: 2^53 - 1.
    pub const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

    /// From `low` to `high`, as far as they are exact.
    pub fn new(low: f64, high: f64) -> Self {
        Self { low: low.max(-Self::EXACT_MAX), high: high.min(Self::EXACT_MAX) }
    }

    /// Whether `value` is one of them; NaN is none.
    pub fn holds(self, value: f64) -> bool {
        self.low <= value && value <= self.high && value.fract() == 0.0
    }
}

/// What to do with a user whom the store does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMissing {
    /// Score the model's defaults.
    #[default]
    Default,
    /// Refuse (404).
    Reject,
}

/// What to do when the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The last known value where there is one, else the model's defaults.
    #[default]
    Stale,
    /// Score the model's defaults.
    Default,
    /// Refuse (503).
    Reject,
}

/// What to do with a row that is older than `max_age_s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExpired {
    /// Score it all the same.
    #[default]
    Use,
    /// Score the model's defaults.
    Default,
    /// Refuse (503).
    Reject,
}

/// A model's policies for features that are not there, not known or too old.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeaturePolicies {
    /// A user whom the store does not know.
    pub on_missing: OnMissing,
    /// A store that does not answer.
    pub on_error: OnError,
    /// A row older than `max_age_s`.
    pub on_expired: OnExpired,
    /// How old a row may be, by its `last_updated`, before it is expired, in seconds.
    pub max_age_s: Option<u64>,
    /// How many of a stored row's cells may be defaulted before the row is refused (503).
    pub max_defaulted_columns: Option<usize>,
}
