//! A row's failure as a message, and its provenance.

use crate::batch::Lane;
use crate::failure::{Refusal, RowFailure};
use crate::provenance::{EntityStatuses, FeatureStatus};

/// The provenance of a failed row's features, where its failure is about them.
pub(crate) const fn provenance(failure: RowFailure) -> Option<FeatureStatus> {
    match of_entity(failure) {
        Some((_, status)) => Some(status),
        None => None,
    }
}

/// The entity whose features a failure is about, and what they stood on.
const fn of_entity(failure: RowFailure) -> Option<(u8, FeatureStatus)> {
    match failure {
        RowFailure::Refused(Refusal::UnknownUser { entity }) => {
            Some((entity, FeatureStatus::Missing))
        }
        RowFailure::Refused(Refusal::StoreUnavailable { entity }) => {
            Some((entity, FeatureStatus::Error))
        }
        RowFailure::Refused(Refusal::StoreUnfit) => Some((0, FeatureStatus::Error)),
        RowFailure::Refused(Refusal::Expired { entity }) => Some((entity, FeatureStatus::Expired)),
        _ => None,
    }
}

/// The same by entity, of a model with several; empty of any other.
pub(crate) fn statuses(lane: &Lane, failure: RowFailure) -> EntityStatuses {
    let mut statuses = EntityStatuses::EMPTY;
    if lane.settings.keys.entities.len() > 1
        && let Some((entity, status)) = of_entity(failure)
    {
        statuses.set(usize::from(entity), status);
    }
    statuses
}

/// The message of a failure, naming the request field where the failure is about one.
pub(crate) fn message(lane: &Lane, failure: RowFailure) -> String {
    match failure {
        RowFailure::Field { index, fault } => {
            let field = lane.settings.request_fields.get(index);
            field.map_or_else(|| failure.to_string(), |field| field.say(fault))
        }
        RowFailure::Cell { column, fault } => {
            let field = lane.settings.signature.fields.get(column as usize);
            field.map_or_else(|| failure.to_string(), |field| field.say(fault))
        }
        RowFailure::Key { field, fault } => {
            let name = lane.settings.keys.fields.get(field).map_or("?", String::as_str);
            format!("`{name}` {fault}")
        }
        RowFailure::Refused(
            Refusal::UnknownUser { entity }
            | Refusal::StoreUnavailable { entity }
            | Refusal::Expired { entity }
            | Refusal::KeyNotOfType { entity, .. },
        ) if !lane.settings.keys.is_user_alone() => entity_message(lane, failure, entity),
        RowFailure::Refused(Refusal::TooManyDefaulted { entity: Some(entity), found, allowed }) => {
            let keys = &lane.settings.keys;
            let name = if keys.is_user_alone() { "user" } else { keys.entity_name(entity) };
            format!("{found} of the {name}'s features stand on defaults, at most {allowed} may")
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
        RowFailure::Refused(Refusal::ExpressionNull { column }) => {
            format!("the expression of `{}` gives null", lane.column_name(column))
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

/// The message of a failure that is about an entity of a model that names its entities.
fn entity_message(lane: &Lane, failure: RowFailure, entity: u8) -> String {
    let keys = &lane.settings.keys;
    let name = keys.entity_name(entity);
    match failure {
        RowFailure::Refused(Refusal::UnknownUser { .. }) => format!("the {name} is not known"),
        RowFailure::Refused(Refusal::Expired { .. }) => {
            format!("the features of the {name} are too old")
        }
        RowFailure::Refused(Refusal::KeyNotOfType { expected, .. }) => {
            let fields = keys.entities.get(usize::from(entity)).map_or(&[][..], |it| &*it.fields);
            let fields = fields.iter().filter_map(|field| keys.fields.get(*field));
            let fields: Vec<_> = fields.map(|field| format!("`{field}`")).collect();
            let fields = fields.join(", ");
            format!("{fields} is no key of the {name}'s table, which has {expected}")
        }
        _ => format!("the feature store did not answer for the {name}"),
    }
}
