//! A first request to try, made of a user that the store has and of the fields that the model reads.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use shards::features::StoreSource;
use shards::features::inputs::{InputColumn, Source};

/// The user of a request that no store is asked for.
const ANY_USER: &str = "user-1";

/// How many fields that may be left out a request has, and how long it may be, in bytes.
const OPTIONAL_MAX: usize = 8;
const BODY_BYTES_MAX: usize = 2_000;

/// A command that gets a score at `address` from a model of these columns; `None` where no user is known that it could
/// be asked for, or where it would be too long to read.
pub(super) fn line(
    (scheme, address): (&str, SocketAddr),
    store: &StoreSource,
    columns: &[InputColumn],
) -> Option<String> {
    // What is computed is not sent.
    let read = columns.iter().filter(|column| column.source != Source::Expression);
    let (sent, stored): (Vec<_>, Vec<_>) =
        read.partition(|column| column.source == Source::Request);
    let mut body = Map::new();
    if !matches!(store, StoreSource::RequestsAlone) {
        // A model without columns reads those of the store.
        let needs_no_store = stored.is_empty() && !sent.is_empty();
        let user = first_user(store).or_else(|| needs_no_store.then(|| ANY_USER.to_owned()))?;
        body.insert("user_id".to_owned(), user.into());
    }
    let mut optional = 0;
    for column in sent {
        optional += usize::from(!column.required);
        if column.required || optional <= OPTIONAL_MAX {
            body.insert(column.name.clone(), value_for(column));
        }
    }
    // Within single quotes, a single quote is written outside of them.
    let body = Value::Object(body).to_string().replace('\'', "'\\''");
    let line = format!("try: curl -i {scheme}://{address}/predict -d '{body}'");
    (body.len() <= BODY_BYTES_MAX).then_some(line)
}

/// The first user of the embedded store. A cluster is not asked for one: that may read all of it.
fn first_user(store: &StoreSource) -> Option<String> {
    match store {
        StoreSource::Embedded(store) | StoreSource::Simulated { store, .. } => {
            String::from_utf8(store.first_key().ok()??).ok()
        }
        StoreSource::Cql { .. } | StoreSource::RequestsAlone => None,
    }
}

/// A value that the column takes: its default, which is inside its range where it has both.
fn value_for(column: &InputColumn) -> Value {
    match &column.text.default {
        Some(text) => json!(text),
        // Any text may be sent; the default of a column of text is one of the texts above.
        None if column.column_type.is_text() && !column.required => Value::Null,
        None if column.default.is_finite() => json!(column.default),
        // A field that has to be given is not given as null.
        None if column.required && column.column_type.is_text() => json!("a text"),
        None if column.required => json!(0),
        None => Value::Null,
    }
}
