//! A row that can be sent: the first of the golden file, with the fields that requests give.

use std::path::Path;

use csv::StringRecord;
use serde_json::{Map, Value, json};

use super::{Described, USER_ID};
use crate::features::column::ColumnType;
use crate::features::join::RequestField;
use crate::model::golden_rows::FEATURES_FILE;

/// The user of an example where no file names one.
const NOBODY: &str = "user-001";
/// How many records of a file of features are looked at for the example's user.
const RECORDS_MAX: usize = 1_000;

/// The row. Where no file has one, it is made of the columns' defaults.
pub(super) fn of(described: &Described<'_>) -> Value {
    let golden = described.directory.golden_file();
    let golden = golden.as_deref().and_then(|path| Some((path, first(path, |_| true)?)));
    let user = golden.as_ref().and_then(|(_, record)| record.cell(USER_ID)).map(str::to_owned);
    let stored = golden.as_ref().zip(user.as_ref()).and_then(|((path, _), user)| {
        let beside = path.with_file_name(FEATURES_FILE);
        let of_model = described.directory.path.join(FEATURES_FILE);
        let is_theirs = |record: &NamedRecord| record.cell(USER_ID) == Some(user);
        first(&beside, is_theirs).or_else(|| first(&of_model, is_theirs))
    });
    let mut row = Map::new();
    if described.has_store {
        row.insert(USER_ID.to_owned(), json!(user.as_deref().unwrap_or(NOBODY)));
    }
    for field in described.fields {
        let records = [golden.as_ref().map(|(_, record)| record), stored.as_ref()];
        let cell = records.into_iter().flatten().find_map(|record| record.cell(&field.name));
        let value = cell.and_then(|text| value_of(field, text));
        row.insert(field.name.clone(), value.unwrap_or_else(|| default_of(described, field)));
    }
    Value::Object(row)
}

/// A cell of a file as a request gives it; `None` where it is empty or of another type.
fn value_of(field: &RequestField, cell: &str) -> Option<Value> {
    if cell.is_empty() {
        return None;
    }
    if field.categories.is_some() || field.is_kept || cell.parse::<f64>().is_err() {
        return field.text(cell).is_ok().then(|| json!(cell));
    }
    number(cell.parse().ok()?)
}

/// A number, whole where it is.
fn number(value: f64) -> Option<Value> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT_MAX {
        return Some(json!(value as i64));
    }
    value.is_finite().then(|| json!(value))
}

fn default_of(described: &Described<'_>, field: &RequestField) -> Value {
    let column = described.column(field);
    if let Some(known) = &field.categories {
        let default = column.and_then(|column| column.text.default.as_deref());
        let texts = known.texts();
        let first = texts.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(text, _)| *text);
        return json!(default.or(first));
    }
    if field.is_kept {
        return json!(column.and_then(|column| column.text.default.as_deref()));
    }
    let inside = |number: f64| match column.and_then(|column| column.range) {
        Some((low, high)) => number.clamp(low, high),
        None => number,
    };
    number(inside(column.map_or(0.0, |column| column.default))).unwrap_or(Value::Null)
}

/// A record of a CSV file, whose cells have names.
struct NamedRecord {
    header: StringRecord,
    record: StringRecord,
}

impl NamedRecord {
    /// The cell of this name, whose header may say a type too: `purpose:text`.
    fn cell(&self, name: &str) -> Option<&str> {
        let is_it = |header: &str| {
            header == name
                || header.rsplit_once(':').is_some_and(|(known, word)| {
                    known == name && word.parse::<ColumnType>().is_ok()
                })
        };
        self.record.get(self.header.iter().position(is_it)?).map(str::trim)
    }
}

/// The first record of a file that `is_it` holds for; `None` where there is none, or no such file.
fn first(path: &Path, is_it: impl Fn(&NamedRecord) -> bool) -> Option<NamedRecord> {
    let mut reader = csv::Reader::from_path(path).ok()?;
    let header = reader.headers().ok()?.clone();
    let records = reader.into_records().take(RECORDS_MAX).map_while(Result::ok);
    records.map(|record| NamedRecord { header: header.clone(), record }).find(is_it)
}
