//! A first request to try, made of a user that the store has and of the fields that the model reads.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use shards::features::StoreSource;
use shards::features::inputs::{InputColumn, Source};
use shards::model::repository::ModelDirectory;

/// The user of a request that no store is asked for.
const ANY_USER: &str = "user-1";

/// A command that gets a score from `model` at `address`; `None` where no user is known that it could
/// be asked for.
pub(super) fn line(
    address: SocketAddr,
    store: &StoreSource,
    model: &ModelDirectory,
) -> Option<String> {
    let columns = model.manifest.columns.as_deref().unwrap_or_default();
    let (sent, stored): (Vec<_>, Vec<_>) =
        columns.iter().partition(|column| column.source == Source::Request);
    // A model without columns reads those of the store.
    let needs_no_store = stored.is_empty() && !sent.is_empty();
    let user = first_user(store).or_else(|| needs_no_store.then(|| ANY_USER.to_owned()))?;
    let mut body = Map::new();
    body.insert("user_id".to_owned(), user.into());
    body.extend(sent.iter().map(|column| (column.name.clone(), value_for(column))));
    // Within single quotes, a single quote is written outside of them.
    let body = Value::Object(body).to_string().replace('\'', "'\\''");
    Some(format!("try: curl -i http://{address}/predict -d '{body}'"))
}

/// The first user of the embedded store. A cluster is not asked for one: that may read all of it.
fn first_user(store: &StoreSource) -> Option<String> {
    match store {
        StoreSource::Embedded(store) => String::from_utf8(store.first_key().ok()??).ok(),
        StoreSource::Cql { .. } => None,
    }
}

/// A value that the column takes: its default, which is inside its range where it has both.
fn value_for(column: &InputColumn) -> Value {
    if column.default.is_nan() { Value::Null } else { json!(column.default) }
}
