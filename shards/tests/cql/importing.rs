//! Filling a table of a real cluster through the importer.

#![allow(dead_code, reason = "each test uses some of it")]

use shards::features::import::{
    CqlImportError, CqlImportOptions, OnBadRow, Replication, import_cql,
};
use shards::features::scylla::ScyllaSettings;

use crate::cql::{node, on_tokio, plain_session};
use crate::stores::{Heard, options};

/// Imports `csv` into the table that the settings name; a bad line is fatal.
pub(crate) fn import(
    settings: &ScyllaSettings,
    csv: &str,
    cql: &CqlImportOptions,
) -> Result<u64, CqlImportError> {
    let addresses = settings.resolve().unwrap();
    let fatal = options(OnBadRow::Fatal, false);
    let mut heard = Heard::default();
    let imported = import_cql(settings, addresses, csv.as_bytes(), &fatal, cql, &mut heard)?;
    Ok(imported.rows)
}

/// As a first import does: it makes keyspace and table.
pub(crate) fn creating() -> CqlImportOptions {
    let create = Some(Replication::Single);
    CqlImportOptions { create, concurrency: 64, stored: None, resume: None }
}

/// Leaves nothing of an earlier run.
pub(crate) fn drop_keyspace(name: &str) {
    on_tokio(async {
        let session = plain_session(node()).await;
        let statement = format!("DROP KEYSPACE IF EXISTS {name}");
        session.query_unpaged(statement, ()).await.unwrap();
    });
}
