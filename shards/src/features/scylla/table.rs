//! A connection for tools: to make, describe and fill the table that shards read.

use std::net::SocketAddr;

use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;

use super::describe::TableDescription;
use super::error::{ScyllaError, said};
use super::keys::KeyType;
use super::session::{connect, prepare, qualified, quoted};
use super::settings::ScyllaSettings;
use crate::features::schema::Schema;

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
        for statement in [
            format!(
                "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {replication}",
                quoted(&settings.keyspace)
            ),
            format!("CREATE TABLE IF NOT EXISTS {} ({})", qualified(settings), columns.join(", ")),
        ] {
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
