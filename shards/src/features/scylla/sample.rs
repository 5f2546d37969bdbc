//! Some rows of a table that Feast wrote, before anybody waits for one: whether its features are of the
//! types that the settings say, which the table itself does not.

use super::error::{ScyllaError, said};
use super::feast;
use super::session::{CqlSession, prepare, qualified, quoted};
use super::settings::ScyllaSettings;

/// How many rows are looked at, each of which has one feature.
const ROWS: usize = 512;

/// Refuses a table with a feature of another type.
pub(super) async fn check(
    session: &CqlSession,
    settings: &ScyllaSettings,
) -> Result<(), ScyllaError> {
    let Some(features) = &session.table.shape.features else { return Ok(()) };
    let statement = format!(
        "SELECT {},{} FROM {} LIMIT {ROWS}",
        quoted(feast::FEATURE_NAME),
        quoted(feast::VALUE),
        qualified(settings)
    );
    let refused = |reason| ScyllaError::Statement { statement: statement.clone(), reason };
    let prepared = prepare(&session.session, statement.clone()).await?;
    let answer = session.session.execute_unpaged(&prepared, ()).await;
    let answer = answer.map_err(|error| refused(said(&error)))?;
    let rows = answer.into_rows_result().map_err(|error| refused(error.to_string()))?;
    let rows = rows.rows::<(String, Option<Vec<u8>>)>();
    for row in rows.map_err(|error| refused(error.to_string()))? {
        let (feature, value) = row.map_err(|error| refused(error.to_string()))?;
        let Some(at) = features.find(feature.as_bytes()) else { continue };
        let expected = session.table.schema.columns()[at].column_type;
        let wrong = feast::value_of(expected, &value.unwrap_or_default()).err();
        if let Some(found) = wrong {
            let (table, found) = (settings.table.clone(), found.to_string());
            return Err(ScyllaError::FeastValue { table, feature, found, expected });
        }
    }
    Ok(())
}
