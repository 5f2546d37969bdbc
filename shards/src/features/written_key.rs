//! The key of a row that a request or a file gives: read, and held to the shape of its table's keys.

use serde_json::{Map, Value};

use super::composite::{parts_of, push_part};
use super::requests::KEY_BYTES_MAX;
use super::written_row_error::WrittenRowError;
use super::written_rows::{LineForm, SHOWN_MAX, WrittenTable, shown};

/// The key of a line, as a store has it.
pub(super) fn key_of(
    table: WrittenTable<'_>,
    line: u64,
    form: &LineForm,
    object: &Map<String, Value>,
) -> Result<Vec<u8>, WrittenRowError> {
    let mut key = Vec::new();
    for member in &form.key {
        let value = object.get(member).unwrap_or(&Value::Null);
        let wrong = || WrittenRowError::Key { line, member: member.clone(), found: shown(value) };
        let parts: Vec<String> = match value {
            Value::Array(parts) => parts.iter().filter_map(key_text).collect(),
            value => key_text(value).into_iter().collect(),
        };
        let expected = value.as_array().map_or(1, Vec::len);
        if parts.len() != expected || parts.iter().any(String::is_empty) || parts.is_empty() {
            return Err(wrong());
        }
        let is_one = form.key.len() == 1 && !value.is_array();
        if let Some(expected) =
            table.known_key_parts().filter(|it| !is_one && parts.len().max(form.key.len()) != *it)
        {
            let found = format!("an array of {}", parts.len().max(form.key.len()));
            return Err(WrittenRowError::KeyShape { line, found, expected });
        }
        if form.key.len() == 1 && parts.len() == 1 {
            key.extend_from_slice(parts[0].as_bytes());
        } else {
            for part in &parts {
                push_part(&mut key, part.as_bytes());
            }
        }
        ensure_key(line, member, &key)?;
    }
    ensure_shape(table, line, &key)?;
    Ok(key)
}

/// How many parts the table's keys have, where this one, as it is stored, has another number.
pub(super) fn other_shape(table: WrittenTable<'_>, key: &[u8]) -> Option<usize> {
    table.known_key_parts().filter(|count| parts_of(key, *count).is_none())
}

fn ensure_shape(table: WrittenTable<'_>, line: u64, key: &[u8]) -> Result<(), WrittenRowError> {
    let Some(expected) = other_shape(table, key) else { return Ok(()) };
    let text = String::from_utf8_lossy(key);
    let found = format!("`{}`", text.chars().take(SHOWN_MAX).collect::<String>());
    Err(WrittenRowError::KeyShape { line, found, expected })
}

/// Checks a key that a path names.
///
/// # Errors
/// It can be no key of the table.
pub fn check_key(table: WrittenTable<'_>, key: &[u8]) -> Result<(), WrittenRowError> {
    ensure_key(1, "key", key)?;
    ensure_shape(table, 1, key)
}

fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// Whether bytes can be a key, as they are stored.
pub(super) fn is_key(bytes: &[u8]) -> bool {
    (1..=KEY_BYTES_MAX).contains(&bytes.len()) && !bytes.contains(&b'\n')
}

/// Checks that bytes can be a key.
///
/// # Errors
/// They are too many, or none, or have a line's end.
fn ensure_key(line: u64, member: &str, key: &[u8]) -> Result<(), WrittenRowError> {
    if is_key(key) {
        return Ok(());
    }
    let found = format!("{} bytes", key.len());
    Err(WrittenRowError::Key { line, member: member.to_owned(), found })
}
