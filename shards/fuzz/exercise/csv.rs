//! A CSV file to import: its header, its rows, and records made of them.

use shards::features::import::{CsvError, CsvOptions, CsvRows};

/// Reads every row; a row that is no row leaves the ones after it readable.
pub(crate) fn run(bytes: &[u8]) {
    let options = CsvOptions::default();
    let Ok(mut rows) = CsvRows::open(bytes, &options, None) else { return };
    let columns = rows.schema().columns().len();
    // Each row or error takes at least a byte, so this ends.
    for _ in 0..=bytes.len() {
        match rows.read() {
            Ok(Some(row)) => assert_eq!(row.cells.len(), columns),
            Err(CsvError::Row(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
    panic!("more rows than bytes");
}
