//! The HTTP status of each failure of a row.

use crate::failure::{Refusal, RowFailure};

/// The status of an answer that is this failure.
pub const fn status_of(failure: RowFailure) -> u16 {
    match failure {
        RowFailure::Malformed(_) | RowFailure::Field { .. } => 400,
        RowFailure::Refused(refusal) => refusal_status(refusal),
        RowFailure::NotFinite | RowFailure::ModelFailed | RowFailure::Panicked => 500,
        RowFailure::RemoteUnavailable => 503,
        RowFailure::DeadlineExceeded | RowFailure::DeadlineUnreachable { .. } => 504,
        RowFailure::Overloaded => 429,
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
        | Refusal::StoredNotInteger { .. }
        | Refusal::StoredUnknownText { .. } => 503,
        Refusal::KeyNotOfType { .. }
        | Refusal::RequestNotInteger { .. }
        | Refusal::RequestFieldRequired { .. } => 400,
        Refusal::RequestFieldMissing { .. }
        | Refusal::RequestUnknownText { .. }
        | Refusal::RequestOutOfRange { .. }
        | Refusal::RequestNotOfType { .. } => 422,
    }
}

/// The same by the Open Inference Protocol, as Triton has it: what it calls unavailable is 503, and a
/// bad argument 400.
pub(super) const fn oip_status_of(failure: RowFailure) -> u16 {
    match status_of(failure) {
        429 | 504 => 503,
        422 => 400,
        other => other,
    }
}
