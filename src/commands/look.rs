//! `shardgate schema` and `shardgate get`: what is in a store.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::{Map, Value, json};
use shards::escape::escaped;
use shards::features::aggregates::is_hidden;
use shards::features::stored::StoredRow;

use super::entity::{EntityArguments, key_of};
use super::store::StoreArguments;
use crate::output::{complain, say};

/// Show the columns of a feature store and their types.
#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Show what a feature store has of a key; exits with 1 where it has nothing of one of them.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The keys: of users, or of --entity.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    entity: EntityArguments,
    #[command(flatten)]
    store: StoreArguments,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Prints a line for each column.
pub(crate) fn schema(arguments: &SchemaArguments) -> anyhow::Result<ExitCode> {
    let Some(schema) = arguments.store.place()?.schema()? else {
        bail!("{}: no feature store here; `shardgate import` makes one", arguments.store.store);
    };
    if arguments.json {
        let columns: Vec<_> = schema
            .columns()
            .iter()
            .filter(|column| !is_hidden(&column.name))
            .map(|column| json!({"name": column.name, "type": column.column_type.as_str()}))
            .collect();
        let unread = schema.unread().iter();
        let unread: Vec<_> =
            unread.map(|column| json!({"name": column.name, "type": column.found})).collect();
        say!("{}", json!({"columns": columns, "unread": unread}));
        return Ok(ExitCode::SUCCESS);
    }
    for column in schema.columns().iter().filter(|column| !is_hidden(&column.name)) {
        say!("{:<32} {}", escaped(&column.name), column.column_type);
    }
    for column in schema.unread() {
        say!("{:<32} {} (not read)", escaped(&column.name), escaped(&column.found));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints each key's row.
pub(crate) fn get(arguments: &GetArguments) -> anyhow::Result<ExitCode> {
    let entity = arguments.entity.find()?;
    let place = arguments.store.place_of(entity.as_ref())?;
    let mut code = ExitCode::SUCCESS;
    for (at, key) in arguments.keys.iter().enumerate() {
        let looked_up = match &entity {
            Some(entity) => key_of(entity, key)?,
            None => key.clone(),
        };
        let Some(row) = place.row(&looked_up)? else {
            complain!("`{}`: the store has no such key", escaped(key));
            code = ExitCode::FAILURE;
            continue;
        };
        if arguments.json {
            say!("{}", object(key, row));
            continue;
        }
        if at > 0 {
            say!("");
        }
        say!("{:<32} {}", "key", escaped(key));
        if let Some(last_updated) = &row.last_updated {
            say!("{:<32} {last_updated}", "last_updated");
        }
        for (name, value) in &row.cells {
            say!("{:<32} {}", escaped(name), escaped(&text(value)));
        }
    }
    Ok(code)
}

fn object(key: &str, row: StoredRow) -> Value {
    let cells: Map<String, Value> = row.cells.into_iter().collect();
    json!({"key": key, "last_updated": row.last_updated, "columns": cells})
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
