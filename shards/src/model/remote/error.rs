//! Why a remote server gave no scores.

use thiserror::Error;

use super::message::AnswerError;
use crate::batch::RowFailure;

/// Why a remote server gave no scores for a batch.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// It failed too often lately, and was not asked.
    #[error("the server has not answered lately and is left alone for now")]
    LeftAlone,
    /// It did not answer in time.
    #[error("no answer within {limit_ms} ms")]
    Timeout {
        /// How long it was waited for, in ms.
        limit_ms: u64,
    },
    /// Its name has no address.
    #[error("no address for {authority}: {reason}")]
    Unresolved {
        /// The host and port of its URL.
        authority: String,
        /// What the resolver said.
        reason: String,
    },
    /// The connection failed before anything of an answer had arrived.
    #[error("not connected: {0}")]
    Unreached(std::io::Error),
    /// The connection failed in the middle of an answer.
    #[error("the connection failed within an answer: {0}")]
    Broken(std::io::Error),
    /// What arrived is not HTTP/1.1, or too large.
    #[error("not an answer: {0}")]
    NotHttp(&'static str),
    /// It refused.
    #[error("it answered {status}: {text}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The start of the body.
        text: String,
    },
    /// Its answer does not hold the scores.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl RemoteError {
    /// What comes of asking, in words for metric labels; see [`RemoteError::outcome_index`].
    pub const OUTCOMES: [&str; 7] =
        ["scored", "left_alone", "timeout", "unreached", "broken", "refused", "unreadable"];

    /// The index in [`RemoteError::OUTCOMES`] of what came of asking.
    pub const fn outcome_index(outcome: &Result<(), Self>) -> usize {
        match outcome {
            Ok(()) => 0,
            Err(Self::LeftAlone) => 1,
            Err(Self::Timeout { .. }) => 2,
            Err(Self::Unresolved { .. } | Self::Unreached(_)) => 3,
            Err(Self::Broken(_)) => 4,
            Err(Self::Refused { .. }) => 5,
            Err(Self::NotHttp(_) | Self::Answer(_)) => 6,
        }
    }

    /// Whether the same request may be sent again: nothing of an answer has arrived, and there is
    /// no reason to think that the server is too slow.
    pub(super) const fn is_safe_to_retry(&self) -> bool {
        matches!(self, Self::Unreached(_))
    }

    /// Whether the server answered that it cannot compute what it was sent: another row may do.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status != 503 && *status != 429)
    }

    /// Whether the server is at fault, rather than what it was asked.
    pub(super) const fn is_outage(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500,
            Self::Answer(_) => false,
            _ => true,
        }
    }

    /// What becomes of the batch's rows.
    pub(crate) const fn failure(&self) -> RowFailure {
        match self {
            Self::Timeout { .. } => RowFailure::DeadlineExceeded,
            Self::Answer(_) => RowFailure::ModelFailed,
            _ if self.is_refusal() => RowFailure::ModelFailed,
            _ => RowFailure::RemoteUnavailable,
        }
    }
}
