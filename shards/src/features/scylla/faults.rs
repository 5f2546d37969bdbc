//! Why statements bring nothing, told apart as an operator acts on them; and which of them are new.

use std::cell::Cell;
use std::time::{Duration, Instant};

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};

use crate::failure::FaultReason;

/// A reason is said again where none of its faults was seen for this long.
const QUIET: Duration = Duration::from_mins(1);

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
