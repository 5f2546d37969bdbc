//! The rows of the table, encoded as answers carry them.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use shards::features::column::CellValue;
use shards::features::import::{CsvOptions, CsvRows, now_us};
use shards::features::schema::Schema;

/// Every user's row: the key, `last_updated`, and the features in the order of the schema.
#[derive(Debug)]
pub(super) struct Users {
    schema: Schema,
    rows: Vec<u8>,
    by_key: HashMap<Box<[u8]>, Range<usize>>,
}

impl Users {
    /// Encodes the rows of the CSV at `path`, which are as old as this call.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
        let options = CsvOptions {
            key_columns: Vec::new(),
            last_updated_us: now_us(),
            ..CsvOptions::default()
        };
        let mut csv = CsvRows::open(file, &options, None)?;
        let schema = csv.schema().clone();
        let (mut rows, mut by_key) = (Vec::new(), HashMap::new());
        while let Some(row) = csv.read().with_context(|| path.display().to_string())? {
            let start = rows.len();
            put_bytes(&mut rows, row.key);
            put_bytes(&mut rows, &row.last_updated_us.div_euclid(1000).to_be_bytes());
            for cell in row.cells {
                put_cell(&mut rows, cell)?;
            }
            by_key.insert(row.key.into(), start..rows.len());
        }
        Ok(Self { schema, rows, by_key })
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// A user's row, if there is one.
    pub(super) fn row(&self, key: &[u8]) -> Option<&[u8]> {
        self.by_key.get(key).map(|span| &self.rows[span.clone()])
    }
}

/// Appends a `[bytes]`.
pub(super) fn put_bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend((bytes.len() as i32).to_be_bytes());
    into.extend(bytes);
}

fn put_cell(into: &mut Vec<u8>, cell: CellValue<'_>) -> Result<()> {
    match cell {
        CellValue::Null => into.extend((-1_i32).to_be_bytes()),
        CellValue::Float(value) => put_bytes(into, &value.to_be_bytes()),
        CellValue::Double(value) => put_bytes(into, &value.to_be_bytes()),
        CellValue::Int(value) => put_bytes(into, &value.to_be_bytes()),
        CellValue::Bigint(value) | CellValue::Varint(value) => {
            put_bytes(into, &value.to_be_bytes());
        }
        CellValue::Boolean(value) => put_bytes(into, &[u8::from(value)]),
        CellValue::Text(text) => put_bytes(into, text.as_bytes()),
        CellValue::Smallint(value) => put_bytes(into, &value.to_be_bytes()),
        CellValue::Tinyint(value) => put_bytes(into, &value.to_be_bytes()),
        CellValue::Timestamp(us) => put_bytes(into, &us.div_euclid(1000).to_be_bytes()),
        CellValue::Uuid(value) => put_bytes(into, &value),
        other => bail!("`{other}`: the stub does not send cells of its type"),
    }
    Ok(())
}
