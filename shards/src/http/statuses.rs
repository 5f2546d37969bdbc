//! The HTTP status of each failure of a row, each fault of a call and each admin reply.

use crate::api::{AdminReplyKind, Call, CallFault, StatusOf};
use crate::failure::{Refusal, RowFailure};

/// The status of a response that is this failure.
pub const fn status_of(failure: RowFailure) -> u16 {
    match failure {
        RowFailure::Malformed(_)
        | RowFailure::Field { .. }
        | RowFailure::Cell { .. }
        | RowFailure::Key { .. } => 400,
        RowFailure::Refused(refusal) => refusal_status(refusal),
        RowFailure::NotFinite | RowFailure::ModelFailed | RowFailure::Panicked => 500,
        RowFailure::RemoteUnavailable => 503,
        RowFailure::DeadlineExceeded | RowFailure::DeadlineUnreachable { .. } => 504,
        RowFailure::Overloaded => 429,
    }
}

const fn refusal_status(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::UnknownUser { .. } => 404,
        Refusal::StoreUnavailable { .. }
        | Refusal::StoreUnfit
        | Refusal::Expired { .. }
        | Refusal::TooManyDefaulted { .. }
        | Refusal::StoredNotANumber { .. }
        | Refusal::StoredNotInteger { .. }
        | Refusal::StoredUnknownText { .. } => 503,
        Refusal::KeyNotOfType { .. }
        | Refusal::RequestNotInteger { .. }
        | Refusal::RequestFieldRequired { .. } => 400,
        Refusal::RequestFieldMissing { .. }
        | Refusal::ExpressionNull { .. }
        | Refusal::RequestUnknownText { .. }
        | Refusal::RequestOutOfRange { .. }
        | Refusal::RequestNotOfType { .. } => 422,
    }
}

/// The same by the Open Inference Protocol, as Triton has it: unavailable is 503, and a bad
/// argument 400.
const fn oip_status_of(failure: RowFailure) -> u16 {
    match status_of(failure) {
        429 | 504 => 503,
        422 => 400,
        other => other,
    }
}

/// The statuses of a call's rows.
pub(super) fn status_of_rows(call: &Call<'_>) -> StatusOf {
    match call {
        Call::Infer(_) => oip_status_of,
        _ => status_of,
    }
}

/// The status of a call that cannot be done.
pub(super) const fn fault_status(fault: CallFault) -> u16 {
    match fault {
        CallFault::Invalid => 400,
        CallFault::Forbidden => 403,
        CallFault::NotFound => 404,
        CallFault::NoBody => 411,
        CallFault::TooLarge => 413,
        CallFault::Busy | CallFault::NotReady => 503,
    }
}

/// The status of an admin reply. Triton's of a request that cannot be done is 400, whatever the
/// cause.
pub const fn reply_status(kind: AdminReplyKind) -> u16 {
    match kind {
        AdminReplyKind::Done => 200,
        AdminReplyKind::Failed => 400,
        AdminReplyKind::Unauthenticated => 401,
        AdminReplyKind::Forbidden => 403,
        AdminReplyKind::NotFound => 404,
        AdminReplyKind::Conflict => 409,
        AdminReplyKind::Unavailable => 503,
    }
}
