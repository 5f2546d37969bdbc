//! What a model asks of the store and of the request: its columns, and what to do when they fail.
//!
//! `model.toml` is read into these types (`model::manifest`); the join obeys them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Categories;
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
    /// Its expression.
    #[serde(skip)]
    Expression,
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

/// What a text means that is none of a model's categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownText {
    /// What it means to the model's library: an encoder's code for what training never saw.
    #[default]
    Model,
    /// What a missing value means to the model's library.
    Missing,
    /// An error: the row is refused.
    Reject,
}

impl UnknownText {
    /// The code that the model reads for a text that is none of `known`; `None` where the row has no
    /// score then.
    pub fn code(self, known: &Categories) -> Option<f64> {
        match self {
            Self::Model => known.unknown(),
            Self::Missing => known.missing(),
            Self::Reject => None,
        }
    }
}

/// What becomes of a request's number outside of its column's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutOfRange {
    /// The row is refused.
    #[default]
    Reject,
    /// The nearest number of the range takes its place.
    Clip,
    /// The column's default takes its place.
    Default,
}

/// What a column of text reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextInput {
    /// The text that takes the place of one that is not known; without one the model reads a missing
    /// value.
    pub default: Option<String>,
    /// What a text means that is none of the categories.
    pub unknown: UnknownText,
    /// The categories of a model whose own file has none: the code of each is its position.
    pub categories: Option<Vec<String>>,
    /// The shares that texts have of the training data: what drift is measured against. What they
    /// leave of 1 is the share of all other cells. Empty: not known.
    pub shares: BTreeMap<String, f64>,
}

impl TextInput {
    /// The code of what takes the place of a text that is not known; `None` where the row has no score
    /// then, or the default is none of the categories.
    pub fn default_code(&self, known: &Categories) -> Option<f64> {
        match &self.default {
            Some(text) => known.code(text.as_bytes()),
            None => known.missing(),
        }
    }
}

/// One input column of a model, in the order of its tensor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "RawColumn")]
pub struct InputColumn {
    /// Its name: the store's column, or the field of the request, unless `column` says another.
    pub name: String,
    /// The entity whose table has it; the user where none is named.
    pub entity: Option<String>,
    /// The store's column, where its name is another: two entities of one table have one for each.
    pub column: Option<String>,
    /// The declared type.
    pub column_type: ColumnType,
    /// Where the cell comes from.
    pub source: Source,
    /// What computes it; `None` where nothing has to.
    pub expr: Option<String>,
    /// What takes the place of a number that is not known.
    pub default: f64,
    /// Whether `model.toml` says it: expressions then read it too, and null without.
    pub has_default: bool,
    /// The allowed range, both ends included; a stored cell outside counts as not known.
    pub range: Option<(f64, f64)>,
    /// What becomes of a request's cell outside of the range.
    pub out_of_range: OutOfRange,
    /// Whether a request has to give the field.
    pub required: bool,
    /// What NaN and null mean.
    pub nan: NanMeaning,
    /// The column's quantiles in the training data, ascending, evenly spaced in probability and
    /// without the extremes (nine are the deciles): what drift is measured against. Empty: not
    /// known.
    pub quantiles: Vec<f64>,
    /// What it reads, where it is of text.
    pub text: TextInput,
}

impl InputColumn {
    /// The name that the store has for it.
    pub fn stored_name(&self) -> &str {
        self.column.as_deref().unwrap_or(&self.name)
    }
}

/// How far beyond 1 shares may add up to, as they are rounded.
const SHARES_ERROR_MAX: f64 = 1e-6;

/// A default as `model.toml` writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawDefault {
    Number(f64),
    Text(String),
}

/// A column as `model.toml` writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumn {
    name: String,
    entity: Option<String>,
    column: Option<String>,
    #[serde(default, rename = "type")]
    column_type: ColumnType,
    source: Option<Source>,
    expr: Option<String>,
    default: Option<RawDefault>,
    range: Option<(f64, f64)>,
    out_of_range: Option<OutOfRange>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    nan: NanMeaning,
    #[serde(default)]
    quantiles: Vec<f64>,
    unknown: Option<UnknownText>,
    categories: Option<Vec<String>>,
    #[serde(default)]
    shares: BTreeMap<String, f64>,
}

impl RawColumn {
    /// Refuses keys that mean nothing beside each other.
    fn ensure_keys_agree(&self) -> Result<(), String> {
        let (name, column_type) = (&self.name, self.column_type);
        let wrong = |key: &str, expected: &str| {
            format!("`{key}` of column `{name}`, which is {column_type}: expected {expected}")
        };
        let source = self.source.unwrap_or_default();
        if self.expr.is_some() {
            for (key, is_there) in [
                ("source", self.source.is_some()),
                ("entity", self.entity.is_some()),
                ("column", self.column.is_some()),
                ("required", self.required),
                ("out_of_range", self.out_of_range.is_some()),
            ] {
                if is_there {
                    return Err(wrong(key, "none beside `expr`"));
                }
            }
        }
        if column_type.is_text() {
            if self.range.is_some() || self.out_of_range.is_some() {
                return Err(wrong("range", "none: texts have no order"));
            }
            if !self.quantiles.is_empty() {
                return Err(wrong("quantiles", "none: texts have no order"));
            }
        } else if self.unknown.is_some() || self.categories.is_some() || !self.shares.is_empty() {
            let key = match (self.unknown, &self.categories) {
                (Some(_), _) => "unknown",
                (None, Some(_)) => "categories",
                (None, None) => "shares",
            };
            return Err(wrong(key, "`type = \"text\"` beside it"));
        }
        if source == Source::Store && (self.required || self.out_of_range.is_some()) {
            let key = if self.required { "required" } else { "out_of_range" };
            return Err(wrong(key, "`source = \"request\"` beside it"));
        }
        if source == Source::Request && (self.entity.is_some() || self.column.is_some()) {
            let key = if self.entity.is_some() { "entity" } else { "column" };
            return Err(wrong(key, "none beside `source = \"request\"`"));
        }
        if self.column.as_deref() == Some("") {
            return Err(wrong("column", "the name of the store's column"));
        }
        if self.out_of_range.is_some() && self.range.is_none() {
            return Err(wrong("out_of_range", "`range` beside it"));
        }
        let are_shares = self.shares.values().all(|share| (0.0..=1.0).contains(share));
        if !are_shares || self.shares.values().sum::<f64>() > 1.0 + SHARES_ERROR_MAX {
            return Err(wrong("shares", "numbers from 0 on that add up to 1 or less"));
        }
        Ok(())
    }
}

impl TryFrom<RawColumn> for InputColumn {
    type Error = String;

    fn try_from(raw: RawColumn) -> Result<Self, String> {
        raw.ensure_keys_agree()?;
        let (name, column_type) = (raw.name, raw.column_type);
        let wrong = |key: &str, expected: &str| {
            format!("`{key}` of column `{name}`, which is {column_type}: expected {expected}")
        };
        let has_default = raw.default.is_some();
        let source = raw.source.unwrap_or_default();
        let (mut default, mut default_text) = (0.0, None);
        match raw.default {
            None => {}
            Some(RawDefault::Number(number)) if !column_type.is_text() => default = number,
            Some(RawDefault::Text(text)) if column_type.is_text() => default_text = Some(text),
            Some(RawDefault::Number(_)) => return Err(wrong("default", "a text")),
            Some(RawDefault::Text(_)) => return Err(wrong("default", "a number")),
        }
        let text = TextInput {
            default: default_text,
            unknown: raw.unknown.unwrap_or_default(),
            categories: raw.categories,
            shares: raw.shares,
        };
        Ok(Self {
            name,
            entity: raw.entity,
            column: raw.column,
            column_type,
            source: if raw.expr.is_some() { Source::Expression } else { source },
            expr: raw.expr,
            default,
            has_default,
            range: raw.range,
            out_of_range: raw.out_of_range.unwrap_or_default(),
            required: raw.required,
            nan: raw.nan,
            quantiles: raw.quantiles,
            text,
        })
    }
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
    /// How many of a row's columns may stand on their defaults before it is refused (503).
    pub max_defaulted_columns: Option<usize>,
}
