//! A connection for tools: to make, describe and fill the table that shards read.

use std::net::SocketAddr;

use scylla::client::session::Session;
use scylla::deserialize::row::ColumnIterator;
use scylla::statement::prepared::PreparedStatement;

use super::decode::{FeatureRow, Malformed, Packing};
use super::describe::{RowChoice, TableDescription};
use super::error::{ScyllaError, said};
use super::session::{FoundTable, block_on, connect, prepare, qualified, quoted};
use super::settings::ScyllaSettings;
use super::table_key::KeyColumns;
use crate::features::column::CellValue;
use crate::features::record::last_updated_us;
use crate::features::schema::{Schema, StoreColumn};
use crate::features::texts::Interner;

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

    /// The table's feature columns, and those of its key. A table where a key has many rows is none
    /// that a tool writes.
    pub(crate) async fn describe(&self) -> Result<(Schema, KeyColumns), ScyllaError> {
        let table = TableDescription::fetch(&self.session, self.settings).await?;
        let key = table.check_key(self.settings)?;
        if table.row_choice(self.settings)? == RowChoice::All {
            return Err(ScyllaError::FeastReadOnly { table: self.settings.table.clone() });
        }
        table.check_last_updated(self.settings)?;
        Ok((table.features(self.settings)?, key))
    }

    /// The table as shards read it.
    async fn find(&self) -> Result<FoundTable, ScyllaError> {
        let description = TableDescription::fetch(&self.session, self.settings).await?;
        FoundTable::of(&description, self.settings)
    }

    /// Makes the keyspace, replicated as CQL's `replication` says, and the table, with a partition key
    /// of these columns, where they are not there.
    pub(crate) async fn create(
        &self,
        schema: &Schema,
        key: &[String],
        replication: &str,
    ) -> Result<(), ScyllaError> {
        let settings = self.settings;
        let column = |name: &str, cql_type: &str| format!("{} {cql_type}", quoted(name));
        let mut columns: Vec<_> = key.iter().map(|name| column(name, "text")).collect();
        let features = schema.columns().iter();
        columns.extend(features.map(|feature| column(&feature.name, feature.column_type.as_str())));
        columns.push(column(&settings.last_updated_column, "timestamp"));
        let key: Vec<_> = key.iter().map(|name| quoted(name)).collect();
        columns.push(format!("PRIMARY KEY (({}))", key.join(",")));
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

    /// Writes a key of these columns, its `last_updated` and the cells of `schema`'s columns.
    pub(crate) async fn prepare_insert(
        &self,
        schema: &Schema,
        key: &[String],
    ) -> Result<PreparedStatement, ScyllaError> {
        let special = key.iter().chain([&self.settings.last_updated_column]);
        let features = schema.columns().iter().map(|column| &column.name);
        let names: Vec<_> = special.chain(features).map(|name| quoted(name)).collect();
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
        match TableSession::connect(settings, addresses).await?.find().await {
            Err(ScyllaError::NoKeyspace { .. } | ScyllaError::NoTable { .. }) => Ok(None),
            found => found.map(|found| Some(Schema::clone(&found.schema))),
        }
    };
    block_on(settings, work)?
}

/// When a row was written that does not say it.
const UNKNOWN_US: i64 = i64::MIN;

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
        let found = table.find().await?;
        // A key of another type is none of the table's.
        let Some(key) = found.shape.key.values(key.as_bytes()) else { return Ok(None) };
        let statement = found.select_one(settings);
        let refused = |reason| ScyllaError::Statement { statement: statement.clone(), reason };
        let prepared = prepare(&table.session, statement.clone()).await?;
        let answer = table.session.execute_unpaged(&prepared, key).await;
        let answer = answer.map_err(|error| refused(said(&error)))?;
        let rows = answer.into_rows_result().map_err(|error| refused(error.to_string()))?;
        let mut texts = Interner::default();
        let mut packing = Packing { now_us: UNKNOWN_US, texts: &mut texts, cells_lost: 0 };
        let mut record = vec![0; found.shape.layout.length()];
        found.shape.begin(&mut packing, &mut record);
        let mut is_there = false;
        let rows = rows.rows::<ColumnIterator<'_, '_>>();
        for row in rows.map_err(|error| refused(error.to_string()))? {
            let row = row.map_err(|error| refused(error.to_string()))?;
            let malformed = |Malformed| refused("a row is cut short".to_owned());
            if found.shape.features.is_none() {
                found.shape.pack(row, &mut packing, &mut record).map_err(malformed)?;
                is_there = true;
                break;
            }
            let row = FeatureRow::read(row).map_err(malformed)?;
            is_there |= row.put(&found.shape, &mut packing, &mut record).map_err(refused)?;
        }
        if !is_there {
            return Ok(None);
        }
        let shown =
            found.shape.layout.read(&record, &texts).map_err(|error| refused(error.to_string()))?;
        let names = found.schema.columns().iter().map(|column| column.name.clone());
        let cells = names.zip(shown.cells()).map(|(name, cell)| (name, show(cell))).collect();
        let last_updated_us = Some(last_updated_us(&record)).filter(|us| *us != UNKNOWN_US);
        Ok(Some((last_updated_us, cells)))
    };
    block_on(settings, work)?
}
