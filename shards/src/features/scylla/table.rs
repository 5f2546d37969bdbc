//! A connection for tools: to make, describe and fill the table that shards read.

use std::net::SocketAddr;

use scylla::client::session::Session;
use scylla::deserialize::row::ColumnIterator;
use scylla::statement::prepared::PreparedStatement;

use super::decode::{Malformed, cell_of};
use super::describe::TableDescription;
use super::error::{ScyllaError, said};
use super::keys::KeyType;
use super::session::{block_on, connect, prepare, qualified, quoted};
use super::settings::ScyllaSettings;
use crate::features::column::{CellValue, ColumnType};
use crate::features::schema::{Schema, StoreColumn};

/// A session of a tool, with the settings of the table that it is about. It works on the tokio
/// runtime that made it.
#[derive(Debug)]
pub(crate) struct TableSession<'a> {
    session: Session,
    settings: &'a ScyllaSettings,
}

impl<'a> TableSession<'a> {
    pub(crate) async fn connect(
        settings: &'a ScyllaSettings,
        addresses: Vec<SocketAddr>,
    ) -> Result<Self, ScyllaError> {
        Ok(Self { session: connect(settings, addresses).await?, settings })
    }

    /// The table's feature columns, and the type of its key.
    pub(crate) async fn describe(&self) -> Result<(Schema, KeyType), ScyllaError> {
        let table = TableDescription::fetch(&self.session, self.settings).await?;
        let key_type = table.check_key(self.settings)?;
        table.check_last_updated(self.settings)?;
        Ok((table.features(self.settings)?, key_type))
    }

    /// Makes the keyspace, replicated as CQL's `replication` says, and the table, where they are
    /// not there.
    pub(crate) async fn create(
        &self,
        schema: &Schema,
        replication: &str,
    ) -> Result<(), ScyllaError> {
        let settings = self.settings;
        let column = |name: &str, cql_type: &str| format!("{} {cql_type}", quoted(name));
        let mut columns = vec![column(&settings.key_column, "text PRIMARY KEY")];
        let features = schema.columns().iter();
        columns.extend(features.map(|feature| column(&feature.name, feature.column_type.as_str())));
        columns.push(column(&settings.last_updated_column, "timestamp"));
        self.change([
            format!(
                "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {replication}",
                quoted(&settings.keyspace)
            ),
            format!("CREATE TABLE IF NOT EXISTS {} ({})", qualified(settings), columns.join(", ")),
        ])
        .await
    }

    /// Adds columns to the table.
    pub(crate) async fn add_columns(&self, columns: &[&StoreColumn]) -> Result<(), ScyllaError> {
        let column = |it: &&StoreColumn| format!("{} {}", quoted(&it.name), it.column_type);
        let columns: Vec<_> = columns.iter().map(column).collect();
        let table = qualified(self.settings);
        self.change([format!("ALTER TABLE {table} ADD ({})", columns.join(", "))]).await
    }

    /// Changes the schema, and waits until every node knows it.
    async fn change(
        &self,
        statements: impl IntoIterator<Item = String>,
    ) -> Result<(), ScyllaError> {
        for statement in statements {
            self.session
                .query_unpaged(statement.as_str(), ())
                .await
                .map_err(|error| ScyllaError::Statement { statement, reason: said(&error) })?;
        }
        let refused = |reason: String| ScyllaError::Statement {
            statement: "await schema agreement".to_owned(),
            reason,
        };
        self.session.await_schema_agreement().await.map_err(|error| refused(said(&error)))?;
        self.session.refresh_metadata().await.map_err(|error| refused(said(&error)))
    }

    /// Writes a key, its `last_updated` and the cells of `schema`'s columns.
    pub(crate) async fn prepare_insert(
        &self,
        schema: &Schema,
    ) -> Result<PreparedStatement, ScyllaError> {
        let special = [&self.settings.key_column, &self.settings.last_updated_column];
        let features = schema.columns().iter().map(|column| &column.name);
        let names: Vec<_> = special.into_iter().chain(features).map(|name| quoted(name)).collect();
        let marks = vec!["?"; names.len()].join(",");
        let insert = format!(
            "INSERT INTO {} ({}) VALUES ({marks})",
            qualified(self.settings),
            names.join(",")
        );
        let mut insert = prepare(&self.session, insert).await?;
        insert.set_is_idempotent(true);
        Ok(insert)
    }

    pub(crate) fn into_session(self) -> Session {
        self.session
    }
}

/// The feature columns of the table; `None` where there is none. It blocks.
pub fn find_table(
    settings: &ScyllaSettings,
    addresses: Vec<SocketAddr>,
) -> Result<Option<Schema>, ScyllaError> {
    let work = async {
        match TableSession::connect(settings, addresses).await?.describe().await {
            Err(ScyllaError::NoKeyspace { .. } | ScyllaError::NoTable { .. }) => Ok(None),
            described => described.map(|(schema, _)| Some(schema)),
        }
    };
    block_on(settings, work)?
}

/// When a row was written, in µs since 1970, and its feature columns with what is shown of them.
pub(crate) type FoundRow<T> = (Option<i64>, Vec<(String, T)>);

/// The table's row of a key, its cells as `show` has them; `None` where there is none. It blocks.
pub(crate) fn read_row<T: Send>(
    settings: &ScyllaSettings,
    addresses: Vec<SocketAddr>,
    key: &str,
    show: fn(CellValue<'_>) -> T,
) -> Result<Option<FoundRow<T>>, ScyllaError> {
    let work = async {
        let table = TableSession::connect(settings, addresses).await?;
        let (schema, key_type) = table.describe().await?;
        // A key of another type is none of the table's.
        let Some(key) = key_type.value(key.as_bytes()) else { return Ok(None) };
        let features = schema.columns().iter().map(|column| &column.name);
        let names: Vec<_> = features.clone().chain([&settings.last_updated_column]).collect();
        let named: Vec<_> = names.iter().map(|name| quoted(name)).collect();
        let statement = format!(
            "SELECT {} FROM {} WHERE {} = ?",
            named.join(","),
            qualified(settings),
            quoted(&settings.key_column)
        );
        let refused = |reason| ScyllaError::Statement { statement: statement.clone(), reason };
        let prepared = prepare(&table.session, statement.clone()).await?;
        let answer = table.session.execute_unpaged(&prepared, (key,)).await;
        let answer = answer.map_err(|error| refused(said(&error)))?;
        let rows = answer.into_rows_result().map_err(|error| refused(error.to_string()))?;
        let row = rows.maybe_first_row::<ColumnIterator<'_, '_>>();
        let Some(mut row) = row.map_err(|error| refused(error.to_string()))? else {
            return Ok(None);
        };
        let types = schema.columns().iter().map(|column| column.column_type);
        let mut cells = types.chain([ColumnType::Timestamp]).map(|column_type| {
            let column = row.next().and_then(Result::ok).ok_or(Malformed)?;
            cell_of(column_type, column.slice.map(|slice| slice.as_slice()))
        });
        let mut shown = Vec::with_capacity(schema.columns().len());
        let malformed = |Malformed| refused("a row is cut short".to_owned());
        for (name, cell) in features.zip(&mut cells) {
            shown.push((name.clone(), show(cell.map_err(malformed)?.unwrap_or(CellValue::Null))));
        }
        let last_updated_us = match cells.next().transpose().map_err(malformed)?.flatten() {
            Some(CellValue::Timestamp(us)) => Some(us),
            _ => None,
        };
        Ok(Some((last_updated_us, shown)))
    };
    block_on(settings, work)?
}
