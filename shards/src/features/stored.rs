//! What a store has of one key, for people who look.
//!
//! What is *not* here: how a batch reads (`join`), which makes numbers of all that it reads.

use std::net::SocketAddr;

use scylla::value::CqlValue;
use serde_json::Value;

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
        let names = store.schema()?;
        let names = names.iter().flat_map(super::schema::Schema::columns);
        let names = names.map(|column| column.name.clone());
        store.find(key.as_bytes(), |record| Self {
            last_updated: Some(shown_time(record.last_updated_us())),
            cells: names.zip(record.cells().map(shown_cell)).collect(),
        })
    }

    /// The row of a key in the table of a cluster; `None` where it has none. It blocks.
    pub fn in_table(
        settings: &ScyllaSettings,
        addresses: Vec<SocketAddr>,
        key: &str,
    ) -> Result<Option<Self>, ScyllaError> {
        let Some((last_updated, cells)) = read_row(settings, addresses, key)? else {
            return Ok(None);
        };
        let last_updated = last_updated.map(|time| shown_time(time.0.saturating_mul(1000)));
        let cells = cells.into_iter().map(|(name, value)| (name, shown(value))).collect();
        Ok(Some(Self { last_updated, cells }))
    }
}

/// A cell as JSON has it.
fn shown_cell(cell: CellValue<'_>) -> Value {
    match cell {
        CellValue::Varint(value) => value.into(),
        CellValue::Decimal(value) => shown(Some(CqlValue::Double(value))),
        // By milliseconds CQL has less of it.
        CellValue::Timestamp(us) => shown_time(us).into(),
        CellValue::Date(_) | CellValue::Uuid(_) => cell.to_string().into(),
        cell => shown(cell.to_cql()),
    }
}

/// A value as JSON has it: a number that it has not, like NaN, is text.
fn shown(value: Option<CqlValue>) -> Value {
    let float = |number: f64, text: String| {
        serde_json::Number::from_f64(number).map_or(Value::String(text), Value::Number)
    };
    match value {
        None | Some(CqlValue::Empty) => Value::Null,
        Some(CqlValue::Boolean(value)) => value.into(),
        Some(CqlValue::TinyInt(value)) => value.into(),
        Some(CqlValue::SmallInt(value)) => value.into(),
        Some(CqlValue::Int(value)) => value.into(),
        Some(CqlValue::BigInt(value)) => value.into(),
        Some(CqlValue::Double(value)) => float(value, value.to_string()),
        // Its own shortest digits, not those of the double that it is widened to.
        Some(CqlValue::Float(value)) => {
            let text = value.to_string();
            text.parse().map_or(Value::Null, |number| float(number, text))
        }
        Some(CqlValue::Text(text) | CqlValue::Ascii(text)) => text.into(),
        Some(CqlValue::Timestamp(time)) => shown_time(time.0.saturating_mul(1000)).into(),
        Some(value) => value.to_string().into(),
    }
}
