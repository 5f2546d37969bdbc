//! Why a row has no score, with the status that each reason is answered with.

use thiserror::Error;

use crate::features::join::Refusal;

/// Why one row of a request was not scored. The others of its batch are not touched by it.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum RowFailure {
    /// The member of the request was not usable.
    #[error("{0}")]
    Malformed(&'static str),
    /// A request field that a model column reads has the wrong type or is out of its range.
    #[error("a request field that the model reads is not a number within its range")]
    Field {
        /// The position of the field among the model's request fields.
        index: usize,
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
    pub const REASONS: [&str; 16] = [
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
    ];

    /// The index of its word in [`RowFailure::REASONS`].
    pub const fn reason_index(self) -> usize {
        match self {
            Self::Malformed(_) | Self::Field { .. } => 0,
            Self::Refused(Refusal::UnknownUser) => 1,
            Self::Refused(Refusal::StoreUnavailable) => 2,
            Self::Refused(Refusal::Expired) => 3,
            Self::Refused(Refusal::TooManyDefaulted { .. }) => 4,
            Self::Refused(Refusal::StoredNotANumber { .. } | Refusal::StoredNotInteger { .. }) => 5,
            Self::Refused(Refusal::RequestFieldMissing { .. }) => 6,
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
        }
    }

    /// The HTTP status of an answer that is this failure.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Field { .. } => 400,
            Self::Refused(refusal) => refusal_status(refusal),
            Self::NotFinite | Self::ModelFailed | Self::Panicked => 500,
            Self::RemoteUnavailable => 503,
            Self::DeadlineExceeded | Self::DeadlineUnreachable { .. } => 504,
            Self::Overloaded => 429,
        }
    }
}

const fn refusal_status(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::UnknownUser => 404,
        Refusal::StoreUnavailable
        | Refusal::StoreUnfit
        | Refusal::Expired
        | Refusal::TooManyDefaulted { .. }
        | Refusal::StoredNotANumber { .. }
        | Refusal::StoredNotInteger { .. } => 503,
        Refusal::RequestNotInteger { .. } => 400,
        Refusal::RequestFieldMissing { .. }
        | Refusal::RequestOutOfRange { .. }
        | Refusal::RequestNotOfType { .. } => 422,
    }
}
