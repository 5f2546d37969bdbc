//! Why statements bring nothing, told apart as an operator acts on them; and which of them are new.

use std::cell::Cell;
use std::time::{Duration, Instant};

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};

/// A reason is said again where none of its faults was seen for this long.
const QUIET: Duration = Duration::from_mins(1);

/// Why a statement brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultReason {
    /// No answer came in time.
    Timeout,
    /// The connection broke, or there is none.
    Connection,
    /// Too few replicas are alive, says the node that was asked.
    Unavailable,
    /// Too few replicas answered that node in time.
    ReplicaTimeout,
    /// Replicas failed on the read.
    ReplicaFailure,
    /// The node has too much to do, or is only starting.
    Overloaded,
    /// The user may not read the table.
    Unauthorized,
    /// The node does not take the statement: the table or a column is gone, or the statement asks
    /// for more keys than the cluster allows.
    Invalid,
    /// The answer's columns are of other types than the table's were.
    TableChanged,
    /// Anything else.
    Other,
}

impl FaultReason {
    /// Every reason; the position is the index of its counter.
    pub const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Connection,
        Self::Unavailable,
        Self::ReplicaTimeout,
        Self::ReplicaFailure,
        Self::Overloaded,
        Self::Unauthorized,
        Self::Invalid,
        Self::TableChanged,
        Self::Other,
    ];

    /// The word used in metric labels, in the log, and in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Unavailable => "unavailable",
            Self::ReplicaTimeout => "replica_timeout",
            Self::ReplicaFailure => "replica_failure",
            Self::Overloaded => "overloaded",
            Self::Unauthorized => "unauthorized",
            Self::Invalid => "invalid",
            Self::TableChanged => "table_changed",
            Self::Other => "other",
        }
    }

    /// Whether the node said nothing: then another one may.
    pub(super) const fn is_silence(self) -> bool {
        matches!(self, Self::Timeout | Self::Connection)
    }

    /// Whether the table may not be what it was when the statement was prepared.
    pub(super) const fn doubts_table(self) -> bool {
        matches!(self, Self::Invalid | Self::TableChanged)
    }
}

/// A statement that brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: FaultReason,
    /// What was said, for people.
    pub(super) said: String,
}

impl Fault {
    pub(super) fn new(reason: FaultReason, said: impl Into<String>) -> Self {
        Self { reason, said: said.into() }
    }

    /// The driver's future was dropped.
    pub(super) fn ended() -> Self {
        Self::new(FaultReason::Connection, "the driver ended")
    }

    pub(super) fn of(error: &ExecutionError) -> Self {
        match error {
            ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, said)) => {
                let said = if said.is_empty() { error.to_string() } else { said.clone() };
                Self::new(reason_of(error), said)
            }
            ExecutionError::RequestTimeout(_) => Self::new(FaultReason::Timeout, error.to_string()),
            _ => Self::new(FaultReason::Connection, error.to_string()),
        }
    }
}

fn reason_of(error: &DbError) -> FaultReason {
    match error {
        DbError::Unauthorized => FaultReason::Unauthorized,
        DbError::Invalid | DbError::SyntaxError | DbError::ConfigError => FaultReason::Invalid,
        DbError::Unavailable { .. } => FaultReason::Unavailable,
        DbError::ReadTimeout { .. } => FaultReason::ReplicaTimeout,
        DbError::ReadFailure { .. } => FaultReason::ReplicaFailure,
        DbError::Overloaded | DbError::IsBootstrapping | DbError::RateLimitReached { .. } => {
            FaultReason::Overloaded
        }
        _ => FaultReason::Other,
    }
}

/// When each reason was seen last.
#[derive(Debug, Default)]
pub(super) struct FaultsSeen([Cell<Option<Instant>>; FaultReason::ALL.len()]);

impl FaultsSeen {
    /// Notes a fault at `now`; whether its reason is new, or was not seen for long.
    pub(super) fn is_first(&self, reason: FaultReason, now: Instant) -> bool {
        let last = self.0[reason as usize].replace(Some(now));
        last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_of_a_reason_is_its_number() {
        for (position, reason) in FaultReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position, "{reason:?}");
        }
    }

    #[test]
    fn a_reason_is_new_once_and_again_after_quiet() {
        let (seen, start) = (FaultsSeen::default(), Instant::now());
        assert!(seen.is_first(FaultReason::Timeout, start));
        assert!(seen.is_first(FaultReason::Invalid, start));
        let mut now = start;
        for _ in 0..100 {
            now += QUIET / 2;
            assert!(!seen.is_first(FaultReason::Timeout, now), "it goes on");
        }
        assert!(seen.is_first(FaultReason::Timeout, now + QUIET));
    }
}
