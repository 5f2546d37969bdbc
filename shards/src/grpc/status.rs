//! The statuses of gRPC, and which one each failure has: the one table of them.

use super::framing::FramingError;
use crate::api::{AdminReplyKind, CallFault};
use crate::failure::{Refusal, RowFailure};
use crate::keys::KeyRefusal;

/// When a client that was refused because of load may come back, in ms.
const RETRY_MS: u32 = 1_000;

/// The codes that are given here, by gRPC's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The call was done.
    Ok = 0,
    /// The request is wrong, whatever the state of the server.
    InvalidArgument = 3,
    /// The deadline passed, or would.
    DeadlineExceeded = 4,
    /// No such model, version or user.
    NotFound = 5,
    /// The caller may not do that.
    PermissionDenied = 7,
    /// Too much load, too large a message, or too many requests of a key.
    ResourceExhausted = 8,
    /// What the request needs is not as it has to be; asking again changes nothing.
    FailedPrecondition = 9,
    /// No such method, or a message coding that is not read.
    Unimplemented = 12,
    /// A fault of the server.
    Internal = 13,
    /// Something is not there for now; the same request may succeed later.
    Unavailable = 14,
    /// The caller has no usable key.
    Unauthenticated = 16,
}

impl Code {
    /// The status of HTTP that says the same, by which metrics count.
    pub(crate) fn http_status(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::InvalidArgument => 400,
            Self::DeadlineExceeded => 504,
            Self::NotFound => 404,
            Self::PermissionDenied => 403,
            Self::ResourceExhausted => 429,
            Self::Unimplemented => 501,
            Self::Internal => 500,
            Self::FailedPrecondition | Self::Unavailable => 503,
            Self::Unauthenticated => 401,
        }
    }
}

/// How a call ends that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its code.
    pub code: Code,
    /// The message for a person.
    pub message: String,
    /// When to ask again, in ms, where that helps: `grpc-retry-pushback-ms`.
    pub retry_ms: Option<u32>,
}

impl Status {
    /// A status without a word on asking again.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_ms: None }
    }

    /// That of too much load.
    pub(crate) fn overloaded(message: impl Into<String>) -> Self {
        let retry_ms = Some(RETRY_MS);
        Self { retry_ms, ..Self::new(Code::ResourceExhausted, message) }
    }

    /// That of a message which cannot be read.
    pub(crate) fn undecodable(error: &prost::DecodeError) -> Self {
        Self::new(Code::InvalidArgument, format!("the message cannot be read: {error}"))
    }

    /// That of bytes which are no message.
    pub(crate) fn of_framing(error: FramingError) -> Self {
        let code = match error {
            FramingError::Compressed => Code::Unimplemented,
            FramingError::TooLarge { .. } => Code::ResourceExhausted,
            FramingError::Flag(_) | FramingError::Cut => Code::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }

    /// That of a row without a score.
    pub(crate) fn of_row(failure: RowFailure, message: String) -> Self {
        let retry_ms = (failure == RowFailure::Overloaded).then_some(RETRY_MS);
        Self { code: code_of(failure), message, retry_ms }
    }

    /// That of a call which cannot be done.
    pub(crate) fn of_fault(fault: CallFault, message: String) -> Self {
        match fault {
            CallFault::Invalid | CallFault::NoBody => Self::new(Code::InvalidArgument, message),
            CallFault::TooLarge => Self::new(Code::ResourceExhausted, message),
            CallFault::NotFound => Self::new(Code::NotFound, message),
            CallFault::Forbidden => Self::new(Code::PermissionDenied, message),
            CallFault::Busy => Self::overloaded(message),
            CallFault::NotReady => Self::new(Code::Unavailable, message),
        }
    }

    /// That of a caller whose key doesn't let it in.
    pub(crate) fn of_key(refusal: KeyRefusal) -> Self {
        let message = refusal.message();
        match refusal {
            KeyRefusal::Missing | KeyRefusal::Unknown => Self::new(Code::Unauthenticated, message),
            KeyRefusal::OtherModel | KeyRefusal::NotAllowed => {
                Self::new(Code::PermissionDenied, message)
            }
            KeyRefusal::TooMany => Self::overloaded(message),
        }
    }

    /// That of a request which the process has not done.
    pub(crate) fn of_reply(kind: AdminReplyKind, message: String) -> Self {
        let code = match kind {
            AdminReplyKind::Done => Code::Ok,
            AdminReplyKind::Failed | AdminReplyKind::Conflict => Code::FailedPrecondition,
            AdminReplyKind::Unauthenticated => Code::Unauthenticated,
            AdminReplyKind::Forbidden => Code::PermissionDenied,
            AdminReplyKind::NotFound => Code::NotFound,
            AdminReplyKind::Unavailable => Code::Unavailable,
        };
        Self::new(code, message)
    }
}

/// The code of a row without a score.
pub(crate) const fn code_of(failure: RowFailure) -> Code {
    match failure {
        RowFailure::Malformed(_)
        | RowFailure::Field { .. }
        | RowFailure::Cell { .. }
        | RowFailure::Key { .. } => Code::InvalidArgument,
        RowFailure::Refused(refusal) => refusal_code(refusal),
        RowFailure::NotFinite | RowFailure::ModelFailed | RowFailure::Panicked => Code::Internal,
        RowFailure::RemoteUnavailable => Code::Unavailable,
        RowFailure::DeadlineExceeded | RowFailure::DeadlineUnreachable { .. } => {
            Code::DeadlineExceeded
        }
        RowFailure::Overloaded => Code::ResourceExhausted,
    }
}

const fn refusal_code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::UnknownUser { .. } => Code::NotFound,
        Refusal::StoreUnavailable { .. } | Refusal::StoreUnfit => Code::Unavailable,
        // What is stored has to change first.
        Refusal::Expired { .. }
        | Refusal::TooManyDefaulted { .. }
        | Refusal::StoredNotANumber { .. }
        | Refusal::StoredNotInteger { .. }
        | Refusal::StoredUnknownText { .. } => Code::FailedPrecondition,
        Refusal::KeyNotOfType { .. }
        | Refusal::RequestNotInteger { .. }
        | Refusal::RequestFieldRequired { .. }
        | Refusal::RequestFieldMissing { .. }
        | Refusal::ExpressionNull { .. }
        | Refusal::RequestUnknownText { .. }
        | Refusal::RequestOutOfRange { .. }
        | Refusal::RequestNotOfType { .. } => Code::InvalidArgument,
    }
}
