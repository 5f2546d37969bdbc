//! What a store has of one key, for people who look.
//!
//! What is *not* here: how a batch reads (`join`), which makes numbers of all that it reads.

use std::net::SocketAddr;

use serde_json::Value;

use super::aggregates::is_hidden;
use super::column::CellValue;
use super::embedded::{EmbeddedError, EmbeddedStore};
use super::import::shown_time;
use super::scylla::{ScyllaError, ScyllaSettings, read_row};

/// A row of a store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow {
    /// When it was written, by RFC 3339; `None` where that is not known.
    pub last_updated: Option<String>,
    /// The columns with their values, in the store's order: numbers as numbers where JSON has them,
    /// else as text, and null for what is not known.
    pub cells: Vec<(String, Value)>,
}

impl StoredRow {
    /// The row of a key in an embedded store; `None` where it has none.
    pub fn embedded(store: &EmbeddedStore, key: &str) -> Result<Option<Self>, EmbeddedError> {
        store.find(key.as_bytes(), |schema, record| {
            let names = schema.columns().iter().map(|column| column.name.clone());
            let cells = names.zip(record.checked_cells());
            let cells = cells.filter(|(name, _)| !is_hidden(name));
            let cells = cells.map(|(name, cell)| Some((name, shown(cell?))));
            let last_updated = Some(shown_time(record.last_updated_us()));
            Some(Self { last_updated, cells: cells.collect::<Option<_>>()? })
        })
    }

    /// The row of a key in the table of a cluster; `None` where it has none. It blocks.
    pub fn in_table(
        settings: &ScyllaSettings,
        addresses: Vec<SocketAddr>,
        key: &str,
    ) -> Result<Option<Self>, ScyllaError> {
        let Some((last_updated_us, cells)) = read_row(settings, addresses, key, shown)? else {
            return Ok(None);
        };
        Ok(Some(Self { last_updated: last_updated_us.map(shown_time), cells }))
    }
}

/// A cell as JSON has it: a number that it has not, like NaN, is text.
fn shown(cell: CellValue<'_>) -> Value {
    let float = |number: f64, text: String| {
        serde_json::Number::from_f64(number).map_or(Value::String(text), Value::Number)
    };
    match cell {
        CellValue::Null => Value::Null,
        CellValue::Boolean(value) => value.into(),
        CellValue::Tinyint(value) => value.into(),
        CellValue::Smallint(value) => value.into(),
        CellValue::Int(value) => value.into(),
        CellValue::Bigint(value) | CellValue::Varint(value) => value.into(),
        CellValue::Double(value) | CellValue::Decimal(value) => float(value, value.to_string()),
        // Its own shortest digits, not those of the double that it is widened to.
        CellValue::Float(value) => {
            let text = value.to_string();
            text.parse().map_or(Value::Null, |number| float(number, text))
        }
        CellValue::Text(text) => text.into(),
        CellValue::Timestamp(us) => shown_time(us).into(),
        CellValue::Date(_) | CellValue::Uuid(_) => cell.to_string().into(),
    }
}
