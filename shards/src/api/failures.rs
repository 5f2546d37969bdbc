//! A row's failure as a message, and its provenance.

use crate::batch::Lane;
use crate::failure::{Refusal, RowFailure};
use crate::provenance::FeatureStatus;

/// The provenance of a failed row's features, where its failure is about them.
pub(crate) const fn provenance(failure: RowFailure) -> Option<FeatureStatus> {
    match failure {
        RowFailure::Refused(Refusal::UnknownUser) => Some(FeatureStatus::Missing),
        RowFailure::Refused(Refusal::StoreUnavailable | Refusal::StoreUnfit) => {
            Some(FeatureStatus::Error)
        }
        RowFailure::Refused(Refusal::Expired) => Some(FeatureStatus::Expired),
        _ => None,
    }
}

/// The message of a failure, naming the request field where the failure is about one.
pub(crate) fn message(lane: &Lane, failure: RowFailure) -> String {
    match failure {
        RowFailure::Field { index } => {
            let field = lane.settings.request_fields.get(index);
            let name = field.map_or("?", |field| field.name.as_str());
            if field.is_some_and(|field| field.column_type.is_text()) {
                return format!("`{name}` must be a text");
            }
            format!("`{name}` must be a number within the range that the model allows")
        }
        RowFailure::Refused(Refusal::RequestFieldRequired { column }) => {
            format!("`{}` is missing, and is required", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::RequestUnknownText { column }) => {
            format!("`{}` is a text that the model does not know", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::StoredUnknownText { column }) => format!(
            "the user's stored `{}` is a text that the model does not know",
            lane.column_name(column)
        ),
        RowFailure::Refused(Refusal::RequestFieldMissing { column }) => {
            format!("`{}` is missing, and the model needs it", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::RequestOutOfRange { column }) => {
            format!("`{}` is outside of the range that the model allows", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::RequestNotOfType { column, expected }) => {
            format!("`{}` is not of type {expected}", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::StoredNotANumber { column }) => {
            format!("the user's stored `{}` is not a number", lane.column_name(column))
        }
        RowFailure::Refused(Refusal::RequestNotInteger { column }) => format!(
            "`{}` must be a whole number that the model's tensor holds, at most 2^53 - 1",
            lane.column_name(column)
        ),
        RowFailure::Refused(Refusal::StoredNotInteger { column }) => format!(
            "the user's stored `{}` is no whole number that the model's tensor holds, at most \
             2^53 - 1",
            lane.column_name(column)
        ),
        RowFailure::Refused(Refusal::StoreUnfit) => {
            lane.unfit().map_or_else(|| failure.to_string(), |reason| reason.to_string())
        }
        other => other.to_string(),
    }
}
