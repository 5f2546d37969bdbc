//! Tables as Feast's Cassandra store writes them: a partition for each entity, a row for each feature.
//!
//! [`key`] is the text by which Feast names an entity, [`value`] what it makes of a feature. The table
//! does not say which features there are, nor their types: `columns` and `join_keys` of the settings do.
//!
//! What is *not* here: how the rows of an answer become a record (`flight`).

mod key;
mod value;

use crate::features::column::ColumnType;
use crate::features::schema::StoreColumn;

use super::error::ScyllaError;
use super::settings::ScyllaSettings;

pub(crate) use key::FeastKey;
pub(super) use value::value_of;

/// The column that names an entity.
pub(super) const ENTITY_KEY: &str = "entity_key";
/// The column that names a feature.
pub(super) const FEATURE_NAME: &str = "feature_name";
/// The column with a feature's value.
pub(super) const VALUE: &str = "value";
/// The column that says when the event was of which a feature tells.
pub(super) const EVENT_TS: &str = "event_ts";

/// The columns that are read, with their types.
pub(super) const COLUMNS: [(&str, &str); 4] =
    [(ENTITY_KEY, "text"), (FEATURE_NAME, "text"), (VALUE, "blob"), (EVENT_TS, "timestamp")];

/// The features that `columns` names, each with its type.
pub(super) fn features(settings: &ScyllaSettings) -> Result<Vec<StoreColumn>, ScyllaError> {
    if settings.columns.is_empty() {
        let reason = format!(
            "the table `{}` of Feast does not say which features it has: name each with its type, as \
             in [\"conv_rate:float\", \"trips:bigint\"]",
            settings.table
        );
        return Err(ScyllaError::Setting { setting: "columns", reason });
    }
    let features = settings.columns.iter().map(|text| {
        let (name, column_type) = typed("columns", text)?;
        let found = column_type.parse().ok().filter(|it| value::is_read_as(*it));
        let column_type: ColumnType = found.ok_or_else(|| ScyllaError::Setting {
            setting: "columns",
            reason: format!(
                "`{text}`: found the type `{column_type}`, expected one that Feast has: {}; lists, \
                 sets and maps are not read",
                value::WORDS
            ),
        })?;
        Ok(StoreColumn { name: name.to_owned(), column_type })
    });
    features.collect()
}

/// A name and its type, as in `driver_id:bigint`.
fn typed<'t>(setting: &'static str, text: &'t str) -> Result<(&'t str, &'t str), ScyllaError> {
    text.rsplit_once(':').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        let reason = format!("`{text}`: expected a name and its type, as in `driver_id:bigint`");
        ScyllaError::Setting { setting, reason }
    })
}
