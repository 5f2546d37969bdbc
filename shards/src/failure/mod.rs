//! Why a row has no score, and what of it is counted.
//!
//! A [`RowFailure`] is one row's; of these a [`Refusal`] is what the join says, by the model's
//! policies. A [`FaultReason`] is why a cluster's statement brought nothing, and [`REMOTE_OUTCOMES`]
//! are what comes of asking a model's server.
//!
//! What is *not* here: statuses of HTTP. A front chooses them.

mod field_fault;
mod refusal;
mod store_fault;

use thiserror::Error;

pub use field_fault::FieldFault;
pub use refusal::Refusal;
pub use store_fault::FaultReason;

/// What comes of asking a model's server, in words for metric labels.
pub const REMOTE_OUTCOMES: [&str; 7] =
    ["scored", "circuit_open", "timeout", "unreached", "broken", "refused", "unreadable"];

/// What is wrong with a field of a request that is a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// It is not there, and its entity's `on_missing` is `reject`.
    #[error("is missing, and is required")]
    Missing,
    /// It is there twice.
    #[error("is there twice")]
    Twice,
    /// It is neither text nor an integer.
    #[error("must be a non-empty string or an integer")]
    NotAKey,
    /// It is longer than a key may be.
    #[error("is longer than 511 bytes")]
    TooLong,
}

/// Why one row of a request was not scored. The others of its batch are not touched by it.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum RowFailure {
    /// The member of the request was not usable.
    #[error("{0}")]
    Malformed(&'static str),
    /// A request field that a model column reads has the wrong type or is out of its range.
    #[error("a request field that the model reads is not of its type")]
    Field {
        /// The position of the field among the model's request fields.
        index: usize,
        /// Its fault.
        fault: FieldFault,
    },
    /// A cell of a row with features of its own is not of its column's type.
    #[error("a cell that the model reads is not of its column's type")]
    Cell {
        /// The model's column, from 0.
        column: u32,
        /// Its fault.
        fault: FieldFault,
    },
    /// A field that names an entity is missing, there twice or no key.
    #[error("a request field that is a key {fault}")]
    Key {
        /// The position of the field among the model's keys.
        field: usize,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// The join refused it, by one of the model's policies.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The score is NaN or infinite.
    #[error("the model gave a score that is not finite")]
    NotFinite,
    /// The model could not be computed.
    #[error("the model failed on this batch")]
    ModelFailed,
    /// The server that computes the model did not answer, or has not lately.
    #[error("the model's server did not answer")]
    RemoteUnavailable,
    /// Computing the batch panicked.
    #[error("the batch panicked")]
    Panicked,
    /// The deadline passed, or could not be met.
    #[error("the deadline passed before the request was scored")]
    DeadlineExceeded,
    /// It would pass before the answer is there, as far as can be told.
    #[error("the answer would take about {predicted_us} µs, longer than the deadline allows")]
    DeadlineUnreachable {
        /// The time that queue, features and model are expected to take, in µs.
        predicted_us: u64,
    },
    /// The queue is full.
    #[error("too many requests are waiting")]
    Overloaded,
}

impl RowFailure {
    /// Why a row has no score, in words for metric labels; see [`RowFailure::reason_index`].
    pub const REASONS: [&str; 17] = [
        "malformed",
        "unknown_user",
        "store_unavailable",
        "expired_features",
        "too_many_defaulted",
        "stored_not_a_number",
        "request_field_missing",
        "request_out_of_range",
        "score_not_finite",
        "model_failed",
        "panicked",
        "deadline",
        "deadline_predicted",
        "queue_full",
        "remote_unavailable",
        "store_unfit",
        "unknown_text",
    ];

    /// The index of its word in [`RowFailure::REASONS`].
    pub const fn reason_index(self) -> usize {
        match self {
            Self::Malformed(_)
            | Self::Field { .. }
            | Self::Cell { .. }
            | Self::Key { .. }
            | Self::Refused(Refusal::KeyNotOfType { .. }) => 0,
            Self::Refused(Refusal::UnknownUser { .. }) => 1,
            Self::Refused(Refusal::StoreUnavailable { .. }) => 2,
            Self::Refused(Refusal::Expired { .. }) => 3,
            Self::Refused(Refusal::TooManyDefaulted { .. }) => 4,
            Self::Refused(Refusal::StoredNotANumber { .. } | Refusal::StoredNotInteger { .. }) => 5,
            Self::Refused(
                Refusal::RequestFieldMissing { .. }
                | Refusal::RequestFieldRequired { .. }
                | Refusal::ExpressionNull { .. },
            ) => 6,
            Self::Refused(
                Refusal::RequestOutOfRange { .. }
                | Refusal::RequestNotOfType { .. }
                | Refusal::RequestNotInteger { .. },
            ) => 7,
            Self::NotFinite => 8,
            Self::ModelFailed => 9,
            Self::Panicked => 10,
            Self::DeadlineExceeded => 11,
            Self::DeadlineUnreachable { .. } => 12,
            Self::Overloaded => 13,
            Self::RemoteUnavailable => 14,
            Self::Refused(Refusal::StoreUnfit) => 15,
            Self::Refused(
                Refusal::StoredUnknownText { .. } | Refusal::RequestUnknownText { .. },
            ) => 16,
        }
    }
}
