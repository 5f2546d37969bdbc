//! Rows that requests write, as JSON: one object, or one a line.
//!
//! A line names its row by `key` and gives columns beside it, or in an object `columns`, as `shardgate get
//! --json` prints them. `last_updated` says when the row was written, and `"removed": true` that it goes.
//! An object `event` is what happened to the key, for the table's aggregates; its `at` says when.
//!
//! What is *not* here: the log that they are written to (`embedded`), and who may write (the process).

use serde_json::{Map, Value};

use super::aggregates::{Aggregate, Event, EventValue, is_hidden};
use super::column::{CellValue, ColumnType};
use super::embedded::ChangeBatch;
use super::import::written_us;
use super::schema::{LAST_UPDATED, Schema};
use super::strict_json::StrictJson;
use super::texts::TEXT_BYTES_MAX;
pub use super::written_key::check_key;
use super::written_key::key_of;
pub use super::written_row_error::WrittenRowError;

/// The longest part of what was sent that an error quotes, in characters.
pub(super) const SHOWN_MAX: usize = 60;

/// How lines are read.
#[derive(Debug, Clone)]
pub struct LineForm {
    /// The members that hold the key, several for a composite one.
    pub key: Vec<String>,
    /// The columns that are taken, others are left; without a list all of them have to be the table's.
    pub columns: Option<Vec<String>>,
    /// The members that are fields of an event, beside those of an object `event`.
    pub event: Vec<String>,
    /// The member that says when the row was written, and when its event was.
    pub time: String,
}

/// The table that rows are written to.
#[derive(Debug, Clone, Copy)]
pub struct WrittenTable<'a> {
    /// Its columns.
    pub schema: &'a Schema,
    /// Its aggregates.
    pub aggregates: &'a [Aggregate],
    /// How many parts its keys have, where a model says it. What the schema says comes first.
    pub key_parts: Option<usize>,
    /// The clock, in µs since 1970.
    pub now_us: i64,
}

impl WrittenTable<'_> {
    /// How many parts its keys have, where that is known.
    pub(super) fn known_key_parts(self) -> Option<usize> {
        self.schema.key_parts().or(self.key_parts)
    }
}

impl Default for LineForm {
    fn default() -> Self {
        Self {
            key: vec!["key".to_owned()],
            columns: None,
            event: Vec::new(),
            time: LAST_UPDATED.to_owned(),
        }
    }
}

/// Adds the row of `key` to `batch`: `body` is an object of its columns.
///
/// # Errors
/// What is wrong, and in which column.
pub fn put_object(
    table: WrittenTable<'_>,
    key: &[u8],
    body: &[u8],
    batch: &mut ChangeBatch,
) -> Result<(), WrittenRowError> {
    let object = object_of(1, body)?;
    check_key(table, key)?;
    let form = LineForm { key: Vec::new(), ..LineForm::default() };
    put(table, &form, 1, key, &object, batch)
}

/// Adds the row of each line of `body` to `batch`.
///
/// # Errors
/// What is wrong with the first line that is none, by its number.
pub fn put_lines(
    table: WrittenTable<'_>,
    form: &LineForm,
    body: &[u8],
    batch: &mut ChangeBatch,
) -> Result<(), WrittenRowError> {
    let before = batch.rows();
    for (at, text) in body.split(|byte| *byte == b'\n').enumerate() {
        if !text.trim_ascii().is_empty() {
            put_line(table, form, at as u64 + 1, text, batch)?;
        }
    }
    if batch.rows() == before { Err(WrittenRowError::NoRows) } else { Ok(()) }
}

/// Adds the row of one line to `batch`.
///
/// # Errors
/// What is wrong with it.
pub fn put_line(
    table: WrittenTable<'_>,
    form: &LineForm,
    line: u64,
    text: &[u8],
    batch: &mut ChangeBatch,
) -> Result<(), WrittenRowError> {
    let object = object_of(line, text)?;
    let key = key_of(table, line, form, &object)?;
    put(table, form, line, &key, &object, batch)
}

fn object_of(line: u64, text: &[u8]) -> Result<Map<String, Value>, WrittenRowError> {
    match serde_json::from_slice(text).map(|StrictJson(value)| value) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(WrittenRowError::NotAnObject { line, reason: shown(&other) }),
        Err(error) => Err(WrittenRowError::NotAnObject { line, reason: error.to_string() }),
    }
}

fn put(
    table: WrittenTable<'_>,
    form: &LineForm,
    line: u64,
    key: &[u8],
    object: &Map<String, Value>,
    batch: &mut ChangeBatch,
) -> Result<(), WrittenRowError> {
    let schema = table.schema;
    let nested = object.get("columns").and_then(Value::as_object);
    let is_special = |name: &String| {
        *name == form.time
            || ["removed", "event"].contains(&name.as_str())
            || form.key.contains(name)
            || form.event.contains(name)
    };
    let is_asked = |name: &String| form.columns.as_ref().is_none_or(|it| it.contains(name));
    let is_beside = |name: &&String| nested.is_some() && *name != "columns" && !is_special(name);
    if let Some(name) = object.keys().filter(is_beside).find(|name| is_asked(name)) {
        return Err(WrittenRowError::Beside { line, name: name.clone() });
    }
    if is_removed(line, object)? {
        let is_written = |name: &&String| *name == "event" || !is_special(name) && is_asked(name);
        if let Some(name) = object.keys().find(is_written) {
            return Err(WrittenRowError::RemovedAndWritten { line, name: name.clone() });
        }
        batch.remove(key);
        return Ok(());
    }
    let last_updated_us = time_us(table, line, &form.time, object.get(&form.time))?;
    let has_event = put_event(table, form, line, key, object, last_updated_us, batch)?;
    let mut texts = Vec::new();
    for (name, value) in nested.unwrap_or(object) {
        let is_taken = nested.is_some() || !is_special(name);
        if !is_taken || !is_asked(name) {
            continue;
        }
        if is_hidden(name) || table.aggregates.iter().any(|it| it.name == *name) {
            return Err(WrittenRowError::Computed { line, name: name.clone() });
        }
        let Some(position) = schema.position(name) else {
            let has = schema.columns().iter().map(|it| &*it.name).filter(|it| !is_hidden(it));
            let has = has.collect::<Vec<_>>().join(", ");
            return Err(WrittenRowError::UnknownColumn { line, name: name.clone(), has });
        };
        texts.push((position, name, value, number_text(value)));
    }
    let mut cells = Vec::with_capacity(texts.len());
    for (position, name, value, text) in &texts {
        let expected = schema.columns()[*position].column_type;
        let cell = cell_of(expected, value, text);
        let cell = cell.ok_or_else(|| WrittenRowError::NotOfType {
            line,
            name: (*name).clone(),
            found: shown(value),
            expected,
        })?;
        cells.push((*position, cell));
    }
    // An event alone does not say that anything else is known of the key.
    if !cells.is_empty() || !has_event {
        batch.put(schema, key, last_updated_us, &cells);
    }
    Ok(())
}

/// Whether a line says that its row goes.
fn is_removed(line: u64, object: &Map<String, Value>) -> Result<bool, WrittenRowError> {
    match object.get("removed") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(is_removed)) => Ok(*is_removed),
        Some(other) => Err(WrittenRowError::NotOfType {
            line,
            name: "removed".to_owned(),
            found: shown(other),
            expected: ColumnType::Boolean,
        }),
    }
}

fn time_us(
    table: WrittenTable<'_>,
    line: u64,
    member: &str,
    value: Option<&Value>,
) -> Result<Option<i64>, WrittenRowError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let wrong = |cause| WrittenRowError::NotATime {
        line,
        member: member.to_owned(),
        found: shown(value),
        cause,
    };
    written_us(&text, table.now_us).map_err(wrong).map(Some)
}

/// Adds the event of a line, if it has one; says whether it has.
fn put_event(
    table: WrittenTable<'_>,
    form: &LineForm,
    line: u64,
    key: &[u8],
    object: &Map<String, Value>,
    last_updated_us: Option<i64>,
    batch: &mut ChangeBatch,
) -> Result<bool, WrittenRowError> {
    let nested = match object.get("event") {
        Some(Value::Object(event)) => Some(event),
        None => None,
        Some(other) => return Err(WrittenRowError::NotAnObject { line, reason: shown(other) }),
    };
    if nested.is_none() && !form.event.iter().any(|name| object.contains_key(name)) {
        return Ok(false);
    }
    let at = nested.and_then(|event| event.get("at"));
    let at_us = time_us(table, line, "at", at)?.or(last_updated_us);
    let flat = object.iter().filter(|(name, _)| form.event.contains(name));
    let fields: Vec<_> = nested
        .into_iter()
        .flatten()
        .chain(flat)
        .filter(|(name, _)| *name != "at" || nested.is_none())
        .map(|(name, value)| (name.as_str(), event_value(value)))
        .collect();
    let event = Event { at_us: at_us.unwrap_or(table.now_us), fields: &fields };
    let put = event.put(table.schema, table.aggregates, key, table.now_us, batch);
    put.map_err(|error| WrittenRowError::Event { line, error })?;
    Ok(true)
}

fn event_value(value: &Value) -> EventValue<'_> {
    match value {
        Value::Number(number) => number.as_f64().map_or(EventValue::Other, EventValue::Number),
        Value::String(text) => EventValue::Text(text),
        Value::Bool(truth) => EventValue::Number(f64::from(u8::from(*truth))),
        Value::Null => EventValue::Null,
        Value::Array(_) | Value::Object(_) => EventValue::Other,
    }
}

/// The digits of a number, as CSV has them.
fn number_text(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn cell_of<'a>(expected: ColumnType, value: &'a Value, number: &'a str) -> Option<CellValue<'a>> {
    match value {
        Value::Null => Some(CellValue::Null),
        Value::Bool(truth) => expected.of_truth(*truth),
        Value::Number(_) if expected.is_text() => None,
        Value::Number(_) => expected.parse(number),
        Value::String(text) if expected == ColumnType::Text => {
            (text.len() <= TEXT_BYTES_MAX).then_some(CellValue::Text(text))
        }
        Value::String(text) => expected.parse(text.trim()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// What an error quotes of a value.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{LineForm, WrittenTable, put_lines, put_object};
    use crate::features::column::ColumnType;
    use crate::features::embedded::ChangeBatch;
    use crate::features::schema::{Schema, StoreColumn};

    fn schema() -> Schema {
        let column =
            |(name, column_type): (&str, _)| StoreColumn { name: name.to_owned(), column_type };
        let columns = [
            ("a", ColumnType::Float),
            ("n", ColumnType::Bigint),
            ("t", ColumnType::Text),
            ("at", ColumnType::Timestamp),
            ("is", ColumnType::Boolean),
        ];
        Schema::new(columns.map(column).to_vec()).unwrap()
    }

    fn lines(text: &str) -> Result<u32, String> {
        let mut batch = ChangeBatch::new(&schema());
        let schema = schema();
        let table = WrittenTable { schema: &schema, aggregates: &[], key_parts: None, now_us: 0 };
        let put = put_lines(table, &LineForm::default(), text.as_bytes(), &mut batch);
        put.map(|()| batch.rows()).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_are_rows_or_say_what_is_wrong() {
        let text = r#"{"key": "u", "a": 1.5, "n": 3, "t": "x", "at": "2026-01-01", "is": true}

            {"key": 7, "columns": {"a": null}, "last_updated": "1970-01-01T00:00:00Z"}
            {"key": ["DE", 4111], "removed": true}"#;
        assert_eq!(lines(text), Ok(3));
        for (text, expected) in [
            ("", "there is no row"),
            ("[1]", "line 1: expected a JSON object: [1]"),
            ("{\"key\":\"u\"}\n{", "line 2: expected a JSON object: EOF"),
            ("{\"a\":1}", "line 1: `key`: found null"),
            ("{\"key\":1.5}", "line 1: `key`: found 1.5"),
            ("{\"key\":[]}", "line 1: `key`: found []"),
            ("{\"key\":\"u\",\"b\":1}", "line 1: the table has no column `b`; it has: a, n, t"),
            ("{\"key\":\"u\",\"n\":1.5}", "`n`: 1.5 is not of type bigint"),
            ("{\"key\":\"u\",\"t\":5}", "`t`: 5 is not of type text"),
            ("{\"key\":\"u\",\"a\":\"x\"}", "`a`: \"x\" is not of type float"),
            ("{\"key\":\"u\",\"last_updated\":\"x\"}", "`last_updated`: \"x\" is neither"),
            ("{\"key\":\"u\",\"last_updated\":301000}", "is 301 s ahead"),
            ("{\"key\":\"u\",\"last_updated\":-1}", "is before 1970: a number is milliseconds"),
            ("{\"key\":\"u\",\"n\":1,\"n\":1}", "`n` is given twice"),
            ("{\"key\":\"u\",\"columns\":{\"n\":1},\"n\":1}", "`n` is beside `columns`"),
            ("{\"key\":\"u\",\"removed\":true,\"n\":1}", "`removed` is true, and `n` beside it"),
            ("{\"key\":\"u\",\"removed\":1}", "`removed`: 1 is not of type boolean"),
            ("{\"key\":\"u\",\"a#0\":1}", "`a#0` is computed of events"),
            ("{\"key\":\"u\",\"event\":{}}", "the table has no aggregates"),
            ("{\"key\":\"u\",\"event\":1}", "expected a JSON object: 1"),
        ] {
            let error = lines(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let schema = schema();
        let table = WrittenTable { schema: &schema, aggregates: &[], key_parts: None, now_us: 0 };
        let mut batch = ChangeBatch::new(&schema);
        let long = "k".repeat(512);
        let put = put_object(table, long.as_bytes(), b"{\"a\": 1}", &mut batch).unwrap_err();
        assert!(put.to_string().contains("found 512 bytes"), "{put}");
        put_object(table, b"k", b"{\"a\": 1}", &mut batch).unwrap();
        assert_eq!(batch.rows(), 1);
    }

    #[test]
    fn a_key_has_the_shape_of_its_table() {
        let schema = schema();
        let put = |key_parts, text: &str| {
            let mut batch = ChangeBatch::new(&schema);
            let table = WrittenTable { schema: &schema, aggregates: &[], key_parts, now_us: 0 };
            let put = put_lines(table, &LineForm::default(), text.as_bytes(), &mut batch);
            put.map_err(|error| error.to_string())
        };
        let (one, two, text) =
            ("{\"key\":[\"a\"]}", "{\"key\":[\"a\",\"b\"]}", "{\"key\":\"1:a1:b\"}");
        for (key_parts, text) in
            [(None, two), (Some(1), one), (Some(1), text), (Some(2), two), (Some(2), text)]
        {
            assert_eq!(put(key_parts, text), Ok(()), "{key_parts:?} {text}");
        }
        let error = put(Some(1), two).unwrap_err();
        assert!(
            error.contains("found an array of 2, but keys of the table have one part"),
            "{error}"
        );
        let error = put(Some(2), "{\"key\":\"a\"}").unwrap_err();
        assert!(error.contains("found `a`, but keys of the table have 2 parts"), "{error}");
    }
}
