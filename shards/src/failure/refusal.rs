//! Why a row must not be scored.

/// Why a row must not be scored; each policy that can refuse has its variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The store has no such user and `on_missing = "reject"` (404).
    #[error("the user is not known")]
    UnknownUser {
        /// The place of the entity whose key it is, from 0.
        entity: u8,
    },
    /// The user's name is no key of the store's type (400).
    #[error("`user_id` is no key of the feature store, which has {expected}")]
    KeyNotOfType {
        /// The place of the entity whose key it is, from 0.
        entity: u8,
        /// What a key has to be.
        expected: &'static str,
    },
    /// The store did not answer and `on_error = "reject"` (503).
    #[error("the feature store did not answer")]
    StoreUnavailable {
        /// The place of the entity whose table it is, from 0.
        entity: u8,
    },
    /// The store's columns do not fit the model any more (503).
    #[error("the feature store's columns do not fit the model")]
    StoreUnfit,
    /// The row is older than `max_age_s` and `on_expired = "reject"` (503).
    #[error("the user's features are too old")]
    Expired {
        /// The place of the entity that they are of, from 0.
        entity: u8,
    },
    /// More columns than `max_defaulted_columns` stand on their defaults (503).
    #[error("{found} of the row's features stand on defaults, at most {allowed} may")]
    TooManyDefaulted {
        /// The place of the entity whose columns they are; `None` where they are of several, or of
        /// requests.
        entity: Option<u8>,
        /// How many columns stand on their defaults.
        found: u32,
        /// `max_defaulted_columns`.
        allowed: u32,
    },
    /// A stored cell is null or NaN and its column says `nan = "reject"` (503).
    #[error("feature column {column} of the user is not a number")]
    StoredNotANumber {
        /// The model's column, from 0.
        column: u32,
    },
    /// A stored cell is null, or no integer of those that its tensor holds exactly (503).
    #[error("feature column {column} of the user is no integer that the model holds exactly")]
    StoredNotInteger {
        /// The model's column, from 0.
        column: u32,
    },
    /// The request gives no integer, or none that its tensor holds exactly (400).
    #[error("the request's field for feature column {column} is no integer that the model holds")]
    RequestNotInteger {
        /// The model's column, from 0.
        column: u32,
    },
    /// A stored text is none that the model knows and its column says `unknown = "reject"` (503).
    #[error("feature column {column} of the user is a text that the model does not know")]
    StoredUnknownText {
        /// The model's column, from 0.
        column: u32,
    },
    /// The request gives a text that the model does not know and its column says
    /// `unknown = "reject"` (422).
    #[error(
        "the request's field for feature column {column} is a text that the model does not know"
    )]
    RequestUnknownText {
        /// The model's column, from 0.
        column: u32,
    },
    /// An expression gives null, and its column says `nan = "reject"` (422).
    #[error("the expression of feature column {column} gives null")]
    ExpressionNull {
        /// The model's column, from 0.
        column: u32,
    },
    /// The request does not give a field whose column says `required = true` (400).
    #[error("the request lacks the field of feature column {column}, which is required")]
    RequestFieldRequired {
        /// The model's column, from 0.
        column: u32,
    },
    /// The request does not give a field whose column says `nan = "reject"` (422).
    #[error("the request lacks the field of feature column {column}")]
    RequestFieldMissing {
        /// The model's column, from 0.
        column: u32,
    },
    /// The request gives a value outside of its column's range (422).
    #[error("the request's field for feature column {column} is out of range")]
    RequestOutOfRange {
        /// The model's column, from 0.
        column: u32,
    },
    /// The request gives a value that its column's type does not have (422).
    #[error("the request's field for feature column {column} is not of type {expected}")]
    RequestNotOfType {
        /// The model's column, from 0.
        column: u32,
        /// Its declared type.
        expected: &'static str,
    },
}
