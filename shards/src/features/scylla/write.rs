//! Writes rows of a cluster's tables by prepared statements, many at a time. For a thread of the process.
//!
//! Each statement says its own time, one after the other, so that of two writes of a cell the later one
//! stays, whichever node had it first.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlTimestamp, CqlValue};
use tokio::task::JoinSet;

use super::describe::{RowChoice, TableDescription};
use super::error::{ScyllaError, said};
use super::session::{connect, prepare, qualified, quoted};
use super::settings::ScyllaSettings;
use super::table_key::KeyColumns;
use super::watch;
use crate::features::embedded::ChangeBatch;
use crate::features::import::now_us;
use crate::features::schema::Schema;

/// How many statements are under way at a time.
const CONCURRENCY: usize = 256;

/// Writes the rows of one table. It blocks.
#[derive(Debug)]
pub struct CqlWriter {
    runtime: tokio::runtime::Runtime,
    session: Arc<Session>,
    settings: ScyllaSettings,
    schema: Schema,
    key: KeyColumns,
    has_last_updated: bool,
    /// By the columns that they write.
    puts: HashMap<Vec<u16>, PreparedStatement>,
    removal: PreparedStatement,
    last_us: i64,
}

impl CqlWriter {
    /// Connects to the table's cluster.
    ///
    /// # Errors
    /// The cluster cannot be reached, or there is no such table.
    pub fn open(settings: ScyllaSettings, addresses: Vec<SocketAddr>) -> Result<Self, ScyllaError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = async {
            let session = connect(&settings, addresses).await?;
            let table = TableDescription::fetch(&session, &settings).await?;
            let key = table.check_key(&settings)?;
            if table.row_choice(&settings)? != RowChoice::Only {
                return Err(ScyllaError::ManyRows { table: settings.table.clone() });
            }
            let has_last_updated = table.check_last_updated(&settings)?;
            let schema = table.features(&settings)?;
            let columns: Vec<_> =
                key.names.iter().map(|it| format!("{} = ?", quoted(it))).collect();
            let removal =
                format!("DELETE FROM {} WHERE {}", qualified(&settings), columns.join(" AND "));
            let removal = prepare(&session, removal).await?;
            Ok::<_, ScyllaError>((session, schema, key, has_last_updated, removal))
        };
        let opened = watch::watched(settings.frame_limit(), || runtime.block_on(work))?;
        let (session, schema, key, has_last_updated, removal) = opened;
        let session = Arc::new(session);
        let (puts, last_us) = (HashMap::new(), 0);
        Ok(Self {
            runtime,
            session,
            settings,
            schema,
            key,
            has_last_updated,
            puts,
            removal,
            last_us,
        })
    }

    /// The table's columns, by which batches are to be made.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Writes the rows of all batches, and says of each that was not written, all of it, why. Each row is
    /// written whole or not at all; a batch that fails may have written some.
    pub fn write(&mut self, batches: &[ChangeBatch]) -> Vec<Result<(), String>> {
        let mut outcomes: Vec<_> = batches.iter().map(|_| Ok(())).collect();
        let mut statements = Vec::new();
        for (at, batch) in batches.iter().enumerate() {
            let before = statements.len();
            if let Err(reason) = self.statements_of(at, batch, &mut statements) {
                statements.truncate(before);
                outcomes[at] = Err(reason);
            }
        }
        let session = Arc::clone(&self.session);
        let run = async {
            let mut pending = JoinSet::new();
            for (at, statement, values) in statements {
                while pending.len() >= CONCURRENCY {
                    note(pending.join_next().await, &mut outcomes);
                }
                let session = Arc::clone(&session);
                pending.spawn(async move {
                    let executed = session.execute_unpaged(&statement, &values).await;
                    (at, executed.map(drop).map_err(|error| said(&error)))
                });
            }
            while !pending.is_empty() {
                note(pending.join_next().await, &mut outcomes);
            }
        };
        let (runtime, limit) = (&self.runtime, self.settings.frame_limit());
        watch::watched(limit, || runtime.block_on(run));
        outcomes
    }

    fn statements_of(
        &mut self,
        at: usize,
        batch: &ChangeBatch,
        statements: &mut Vec<(usize, PreparedStatement, Vec<Option<CqlValue>>)>,
    ) -> Result<(), String> {
        let schema = self.schema.clone();
        for row in batch.written_rows(&schema) {
            let key = String::from_utf8_lossy(row.key);
            let expected = || self.key.key.expected_of(row.key);
            let wrong = || format!("`{key}` is no key of the table, which has {}", expected());
            let key = self.key.key.values(row.key).ok_or_else(wrong)?;
            let mut values: Vec<_> = key.into_iter().map(Some).collect();
            let mut statement = if row.is_removal {
                self.removal.clone()
            } else {
                if self.has_last_updated {
                    let written_us = row.last_updated_us.unwrap_or_else(now_us);
                    let written = CqlTimestamp(written_us.div_euclid(1_000));
                    values.push(Some(CqlValue::Timestamp(written)));
                }
                let columns: Vec<u16> =
                    row.cells.iter().map(|(column, _)| *column as u16).collect();
                values.extend(row.cells.iter().map(|(_, cell)| cell.to_cql()));
                self.put(columns)?
            };
            self.last_us = now_us().max(self.last_us + 1);
            statement.set_timestamp(Some(self.last_us));
            statements.push((at, statement, values));
        }
        Ok(())
    }

    /// The statement that writes these columns.
    fn put(&mut self, columns: Vec<u16>) -> Result<PreparedStatement, String> {
        if let Some(known) = self.puts.get(&columns) {
            return Ok(known.clone());
        }
        let mut names: Vec<_> = self.key.names.iter().collect();
        if self.has_last_updated {
            names.push(&self.settings.last_updated_column);
        }
        names.extend(columns.iter().map(|at| &self.schema.columns()[usize::from(*at)].name));
        let names: Vec<_> = names.into_iter().map(|name| quoted(name)).collect();
        let marks = vec!["?"; names.len()].join(",");
        let table = qualified(&self.settings);
        let insert = format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(","));
        let (session, limit) = (Arc::clone(&self.session), self.settings.frame_limit());
        let preparing = async { prepare(&session, insert).await };
        let prepared = watch::watched(limit, || self.runtime.block_on(preparing));
        let mut prepared = prepared.map_err(|error| error.to_string())?;
        prepared.set_is_idempotent(true);
        self.puts.insert(columns, prepared.clone());
        Ok(prepared)
    }
}

type Executed = Option<Result<(usize, Result<(), String>), tokio::task::JoinError>>;

fn note(executed: Executed, outcomes: &mut [Result<(), String>]) {
    if let Some(Ok((at, Err(reason)))) = executed {
        outcomes[at] = Err(reason);
    }
}
