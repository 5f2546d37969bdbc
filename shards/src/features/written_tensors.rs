//! Rows that requests write as tensors, by the Open Inference Protocol's form: one tensor `key`, one for
//! each column that is written, each with an element a row; binary data behind the JSON where it says so.

use std::borrow::Cow;

use serde::Deserialize;

use super::aggregates::is_hidden;
use super::column::{CellValue, ColumnType};
use super::embedded::ChangeBatch;
use super::requests::KEY_BYTES_MAX;
use super::schema::Schema;
use super::written_key::{is_key, other_shape};
use super::written_rows::WrittenTable;
use crate::tensors::wire::WireTensor;
use crate::tensors::{Tensor, TensorData, TensorError, split};

/// The tensor that names rows.
const KEY: &str = "key";
/// How far into a body its tensors are looked for.
const LOOK_BYTES: usize = 256;

/// Why tensors are not written.
#[derive(Debug, thiserror::Error)]
pub enum WrittenTensorError {
    /// The JSON is none, or has no tensors.
    #[error("expected an object with `inputs`, an array of tensors: {0}")]
    Json(#[from] serde_json::Error),
    /// A tensor is wrong by itself.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// There is no tensor of keys.
    #[error("there is no tensor `key`")]
    NoKeys,
    /// A tensor has not as many elements as there are keys.
    #[error("tensor `{name}`: {found} elements for {expected} keys")]
    Length {
        /// The tensor.
        name: String,
        /// How many elements it has.
        found: usize,
        /// How many keys there are.
        expected: usize,
    },
    /// A key that can be none.
    #[error("tensor `key`, element {row}: expected 1 to {KEY_BYTES_MAX} bytes")]
    Key {
        /// The element, from 0.
        row: usize,
    },
    /// A key of another shape than the table's.
    #[error("tensor `key`, element {row}: keys of the table have {expected} parts")]
    KeyShape {
        /// The element, from 0.
        row: usize,
        /// How many parts they have.
        expected: usize,
    },
    /// No column that can be written.
    #[error("tensor `{name}`: the table has no such column, or it is computed of events")]
    Column {
        /// The tensor.
        name: String,
    },
    /// An element that is none of its column's type.
    #[error("tensor `{name}`, element {row}: is not of type {expected}")]
    NotOfType {
        /// The tensor.
        name: String,
        /// The element, from 0.
        row: usize,
        /// The column's type.
        expected: ColumnType,
    },
    /// There is no row at all.
    #[error("there is no row: the tensor `key` is empty")]
    NoRows,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    inputs: Vec<WireTensor<'a>>,
}

/// Whether a body that names no row by its path has tensors.
pub fn has_tensors(body: &[u8], json_bytes: Option<usize>) -> bool {
    let start = &body[..body.len().min(LOOK_BYTES)];
    json_bytes.is_some()
        || start.windows(8).any(|bytes| bytes == b"\"inputs\"")
            && serde_json::from_slice::<Body<'_>>(body).is_ok()
}

/// Adds a row for each key to `batch`; the JSON of `body` ends after `json_bytes`, or with it.
///
/// # Errors
/// What is wrong, and in which tensor.
pub fn put_tensors(
    table: WrittenTable<'_>,
    body: &[u8],
    json_bytes: Option<usize>,
    batch: &mut ChangeBatch,
) -> Result<(), WrittenTensorError> {
    let (json, mut binary) = split(body, json_bytes)?;
    let Body { inputs } = serde_json::from_slice(json)?;
    let (mut keys, mut columns) = (None, Vec::with_capacity(inputs.len()));
    for input in inputs {
        // Integers are spelled out: each is exact.
        let tensor = input.finish_keys(&mut binary)?;
        if tensor.name == KEY {
            keys = Some(tensor);
        } else {
            columns.push((column_of(table, &tensor)?, tensor));
        }
    }
    let keys = keys.ok_or(WrittenTensorError::NoKeys)?;
    let TensorData::Strings(keys) = keys.data else { return Err(WrittenTensorError::NoKeys) };
    if keys.is_empty() {
        return Err(WrittenTensorError::NoRows);
    }
    for (_, tensor) in &columns {
        let (found, expected) = (tensor.data.len(), keys.len());
        if found != expected {
            let name = tensor.name.clone().into_owned();
            return Err(WrittenTensorError::Length { name, found, expected });
        }
    }
    let mut texts = Vec::new();
    for (row, key) in keys.iter().enumerate() {
        if !is_key(key) {
            return Err(WrittenTensorError::Key { row });
        }
        if let Some(expected) = other_shape(table, key) {
            return Err(WrittenTensorError::KeyShape { row, expected });
        }
        texts.clear();
        texts.extend(columns.iter().map(|(_, tensor)| text_of(tensor, row)));
        let mut cells = Vec::with_capacity(columns.len());
        for ((position, tensor), text) in columns.iter().zip(&texts) {
            let expected = table.schema.columns()[*position].column_type;
            let cell = cell_of(expected, text.as_deref()).ok_or_else(|| {
                let name = tensor.name.clone().into_owned();
                WrittenTensorError::NotOfType { name, row, expected }
            })?;
            cells.push((*position, cell));
        }
        batch.put(table.schema, key, None, &cells);
    }
    Ok(())
}

fn column_of(table: WrittenTable<'_>, tensor: &Tensor<'_>) -> Result<usize, WrittenTensorError> {
    let name = &*tensor.name;
    let is_computed = is_hidden(name) || table.aggregates.iter().any(|it| it.name == name);
    let position = Schema::position(table.schema, name).filter(|_| !is_computed);
    position.ok_or_else(|| WrittenTensorError::Column { name: name.to_owned() })
}

/// An element as text; `None` for a null or NaN.
fn text_of<'t>(tensor: &'t Tensor<'_>, row: usize) -> Option<Cow<'t, str>> {
    match &tensor.data {
        TensorData::Numbers(numbers) => {
            let number = numbers[row];
            (!number.is_nan()).then(|| Cow::Owned(number.to_string()))
        }
        TensorData::Strings(_) if tensor.nulls.binary_search(&row).is_ok() => None,
        // What is no text is of no type.
        TensorData::Strings(texts) => {
            Some(std::str::from_utf8(&texts[row]).map_or(Cow::Borrowed("\u{fffd}"), Cow::Borrowed))
        }
    }
}

fn cell_of(expected: ColumnType, text: Option<&str>) -> Option<CellValue<'_>> {
    match (expected, text) {
        (_, None) => Some(CellValue::Null),
        (ColumnType::Boolean, Some("0" | "1")) => expected.of_truth(text == Some("1")),
        (_, Some(text)) => expected.parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::{has_tensors, put_tensors};
    use crate::features::column::ColumnType;
    use crate::features::embedded::ChangeBatch;
    use crate::features::schema::{Schema, StoreColumn};
    use crate::features::written_rows::WrittenTable;

    fn put(body: &[u8], json_bytes: Option<usize>) -> Result<String, String> {
        let column =
            |(name, column_type): (&str, _)| StoreColumn { name: name.to_owned(), column_type };
        let columns =
            [("a", ColumnType::Float), ("n", ColumnType::Bigint), ("t", ColumnType::Text)];
        let schema = Schema::new(columns.map(column).to_vec()).unwrap();
        let table = WrittenTable { schema: &schema, aggregates: &[], key_parts: None, now_us: 0 };
        let mut batch = ChangeBatch::new(&schema);
        put_tensors(table, body, json_bytes, &mut batch).map_err(|error| error.to_string())?;
        let rows = batch.written_rows(&schema).map(|row| {
            let cells: Vec<_> = row.cells.iter().map(|(at, cell)| format!("{at}={cell}")).collect();
            format!("{}:{}", String::from_utf8_lossy(row.key), cells.join(","))
        });
        Ok(rows.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn tensors_are_rows_or_say_what_is_wrong() {
        let json = br#"{"inputs": [
            {"name": "key", "shape": [2], "datatype": "INT64", "data": [7, 9007199254740993]},
            {"name": "n", "shape": [2], "datatype": "INT64", "data": [9007199254740993, -1]},
            {"name": "t", "shape": [2], "datatype": "BYTES", "data": ["x", ""]},
            {"name": "a", "shape": [2], "datatype": "FP32", "data": [1.5, 0.1]}]}"#;
        let expected = "7:1=9007199254740993,2=x,0=1.5 9007199254740993:1=-1,2=,0=0.1";
        assert_eq!(put(json, None).as_deref(), Ok(expected));
        assert!(has_tensors(json, None) && !has_tensors(b"{\"key\":\"u\",\"inputs\":1}", None));
        let head = br#"{"inputs":[{"name":"key","shape":[1],"datatype":"BYTES","data":["u"]},{"name":"a","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":8}}]}"#;
        let body = [&head[..], &2.5_f64.to_le_bytes()].concat();
        assert_eq!(put(&body, Some(head.len())).as_deref(), Ok("u:0=2.5"));
        for (inputs, expected) in [
            (r#"{"name":"a","shape":[1],"datatype":"FP32","data":[1]}"#, "no tensor `key`"),
            (r#"{"name":"key","shape":[0],"datatype":"BYTES","data":[]}"#, "there is no row"),
            (r#"{"name":"key","shape":[1],"datatype":"BYTES","data":[""]}"#, "element 0"),
            (
                r#"{"name":"key","shape":[1],"datatype":"BYTES","data":["u"]},{"name":"b","shape":[1],"datatype":"FP32","data":[1]}"#,
                "tensor `b`: the table has no such column",
            ),
            (
                r#"{"name":"key","shape":[1],"datatype":"BYTES","data":["u"]},{"name":"n","shape":[1],"datatype":"FP32","data":[1.5]}"#,
                "tensor `n`, element 0: is not of type bigint",
            ),
            (
                r#"{"name":"key","shape":[1],"datatype":"BYTES","data":["u"]},{"name":"n","shape":[2],"datatype":"INT32","data":[1,2]}"#,
                "2 elements for 1 keys",
            ),
        ] {
            let body = format!("{{\"inputs\":[{inputs}]}}");
            let error = put(body.as_bytes(), None).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
