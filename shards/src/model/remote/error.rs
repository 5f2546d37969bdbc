//! Why a remote server gave no scores.

use thiserror::Error;

use super::message::AnswerError;
use crate::failure::RowFailure;
use crate::http1::head::HeadError;

/// Why what a server sent is no answer of HTTP/1.1 that can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HttpFault {
    /// It is not HTTP, or two readers could understand it differently.
    #[error("{0}")]
    Malformed(&'static str),
    /// Its head does not end within the limit, or has more than 64 fields.
    #[error("its head is larger than {limit} bytes, or has more than 64 fields")]
    HeadTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Its body is announced, or goes on, beyond the limit.
    #[error("its body is larger than {limit} bytes")]
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Its body is coded in another way than by chunks.
    #[error("its transfer coding is not supported, only chunked is")]
    TransferCoding,
    /// Interim answers (1xx) come, and no answer does.
    #[error("more than {limit} interim answers (1xx) came before it")]
    Interim {
        /// The limit.
        limit: usize,
    },
    /// The server would speak another protocol, which it was not asked to.
    #[error("101, and no other protocol was asked for")]
    Upgrade,
}

impl From<HeadError> for HttpFault {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(reason) => Self::Malformed(reason),
            HeadError::HeadTooLarge { limit } | HeadError::TargetTooLong { limit } => {
                Self::HeadTooLarge { limit }
            }
            HeadError::BodyTooLarge { limit } => Self::BodyTooLarge { limit },
            HeadError::TransferCoding => Self::TransferCoding,
            HeadError::Version => Self::Malformed("its HTTP version is not 1.0 or 1.1"),
        }
    }
}

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
    NotHttp(#[from] HttpFault),
    /// On a connection that had been used before came an answer that does not say which request it
    /// is for: it may be one to another.
    #[error("an answer without the request's id came on a connection that was used before")]
    Unclaimed,
    /// It refused.
    #[error("it answered {status}: {text}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The start of the body, escaped.
        text: String,
    },
    /// Its answer does not hold the scores.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl RemoteError {
    /// The index in [`REMOTE_OUTCOMES`](crate::failure::REMOTE_OUTCOMES) of what came of asking.
    pub const fn outcome_index(outcome: &Result<(), Self>) -> usize {
        match outcome {
            Ok(()) => 0,
            Err(Self::LeftAlone) => 1,
            Err(Self::Timeout { .. }) => 2,
            Err(Self::Unresolved { .. } | Self::Unreached(_)) => 3,
            Err(Self::Broken(_)) => 4,
            Err(Self::Refused { .. }) => 5,
            Err(Self::NotHttp(_) | Self::Answer(_) | Self::Unclaimed) => 6,
        }
    }

    /// Whether the same request may be sent again, on a new connection. Nothing of an answer to it
    /// has arrived, and there is no reason to think that the server is too slow: the connection
    /// failed first, or, where it `was_kept`, held something that belongs to an earlier time.
    pub(super) const fn is_safe_to_retry(&self, was_kept: bool) -> bool {
        match self {
            Self::Unreached(_) => true,
            // 408 is what a server says of a connection that was idle for too long for it.
            Self::Refused { status: 408, .. }
            | Self::Unclaimed
            | Self::Answer(AnswerError::OtherId { .. }) => was_kept,
            _ => false,
        }
    }

    /// Whether the server answered that it cannot compute what it was sent: another row may do.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if !matches!(*status, 408 | 429 | 503))
    }

    /// Whether the server is at fault, rather than what it was asked.
    pub(super) const fn is_outage(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == 408 || *status >= 500,
            Self::Answer(AnswerError::OtherId { .. }) => true,
            Self::Answer(_) => false,
            _ => true,
        }
    }

    /// What becomes of the batch's rows.
    pub(crate) const fn failure(&self) -> RowFailure {
        match self {
            Self::Timeout { .. } => RowFailure::DeadlineExceeded,
            Self::Answer(AnswerError::OtherId { .. }) => RowFailure::RemoteUnavailable,
            Self::Answer(_) => RowFailure::ModelFailed,
            _ if self.is_refusal() => RowFailure::ModelFailed,
            _ => RowFailure::RemoteUnavailable,
        }
    }
}
