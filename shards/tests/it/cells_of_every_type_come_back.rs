//! A cell of any type comes back from the store as it was imported, up to the ends of its type.

use std::fmt::Write as _;

use proptest::prelude::*;
use shards::features::column::{CellValue, ColumnType};
use shards::features::embedded::EmbeddedStore;
use shards::features::import::ImportError;

use crate::stores::{import, store_of};

/// A column of each type, and the header that names them by their types.
fn header() -> String {
    let mut header = "user_id".to_owned();
    for column_type in ColumnType::ALL {
        write!(header, ",{column_type}_column:{column_type}").unwrap();
    }
    header
}

/// What the store has, each row as CSV has it.
fn stored(store: &EmbeddedStore) -> Vec<(String, Vec<String>)> {
    let mut rows = Vec::new();
    let checked = store.for_each(|key, record| {
        let cells = record.cells().map(|cell| cell.to_string()).collect();
        rows.push((String::from_utf8(key.to_vec()).unwrap(), cells));
    });
    assert!(checked.unwrap().is_whole());
    rows.sort();
    rows
}

fn csv_of(rows: &[(String, Vec<String>)]) -> String {
    let mut csv = header();
    for (key, cells) in rows {
        write!(csv, "\n{key}").unwrap();
        for cell in cells {
            write!(csv, ",\"{}\"", cell.replace('"', "\"\"")).unwrap();
        }
    }
    csv + "\n"
}

/// The cells as the store has them after they were imported.
fn imported(cells: &[String]) -> Vec<String> {
    let (_folder, store) = store_of(&csv_of(&[("u".to_owned(), cells.to_vec())]));
    stored(&store).remove(0).1
}

#[test]
fn the_ends_of_each_type_come_back() {
    // In the order of ColumnType::ALL.
    let rows = [
        [
            "-3.4028235e38",
            "-1.7976931348623157e308",
            "-2147483648",
            "-9223372036854775808",
            "-32768",
            "-128",
            "0.1",
            "-9223372036854775808",
            "false",
            "é\"\n,;",
            "-290308-12-21T19:59:05.224192Z",
            "-5877641-06-23",
            "00000000-0000-0000-0000-000000000000",
        ],
        [
            "3.4028235e38",
            "5e-324",
            "2147483647",
            "9223372036854775807",
            "32767",
            "127",
            "123456789.012345",
            "9223372036854775807",
            "true",
            " spaces stay ",
            "+294247-01-10T04:00:54.775807Z",
            "+5881580-07-11",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
    ];
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| (*cell).to_owned()).collect();
        let once = imported(&cells);
        let texts_at = 9;
        assert_eq!(once[texts_at..], cells[texts_at..], "as it was written");
        assert_eq!(once[2..6], cells[2..6]);
        assert_eq!(imported(&once), once);
        let number =
            |at: usize| -> (f64, f64) { (cells[at].parse().unwrap(), once[at].parse().unwrap()) };
        for at in [1, 6] {
            let (written, read) = number(at);
            assert_eq!(written.to_bits(), read.to_bits(), "{}", cells[at]);
        }
    }
    // Null of each type, and a text as long as may be.
    let nothing = vec![String::new(); ColumnType::ALL.len()];
    assert_eq!(imported(&nothing), nothing);
    let mut long = nothing;
    long[9] = "x".repeat(65_536);
    assert_eq!(imported(&long), long);
}

#[test]
fn what_a_type_does_not_hold_is_refused_at_its_line() {
    for (column_type, cell, said) in [
        ("smallint", "32768", "type int"),
        ("tinyint", "128", "type smallint"),
        ("decimal", "0.12345678901234567890", "does not tell so many digits apart"),
        ("varint", "9223372036854775808", "type double"),
        ("timestamp", "yesterday", "2026-01-31T12:00:00Z"),
        ("timestamp", "true", "2026-01-31T12:00:00Z"),
        ("date", "2026-02-30", "2026-01-31"),
        ("date", "+5881580-07-12", "2026-01-31"),
        ("uuid", "1234", "01234567-89ab-cdef-0123-456789abcdef"),
        ("text", &"x".repeat(65_537), "at most 65536 bytes"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        let csv = format!("user_id,a:{column_type}\nu,\nv,{cell}\n");
        let error = import(&store, &csv).unwrap_err();
        assert!(matches!(error, ImportError::Csv(_)), "{error}");
        let error = error.to_string();
        assert!(error.contains("line 3, column 2 (`a`)") && error.contains(said), "{error}");
    }
}

fn cells() -> impl Strategy<Value = Vec<CellValue<'static>>> {
    let numbers = (any::<f32>(), any::<f64>(), any::<i32>(), any::<i64>(), any::<i16>());
    let others = (any::<i8>(), any::<i64>(), any::<bool>(), any::<i64>(), any::<i32>());
    (numbers, others, any::<[u8; 16]>(), any::<f64>()).prop_map(
        |((float, double, int, bigint, small), (tiny, var, boolean, time, date), uuid, decimal)| {
            use CellValue as Cell;
            vec![
                Cell::Float(float),
                Cell::Double(double),
                Cell::Int(int),
                Cell::Bigint(bigint),
                Cell::Smallint(small),
                Cell::Tinyint(tiny),
                // A decimal has one zero.
                Cell::Decimal(if decimal.is_finite() { decimal + 0.0 } else { 0.5 }),
                Cell::Varint(var),
                Cell::Boolean(boolean),
                Cell::Text("text"),
                Cell::Timestamp(time),
                Cell::Date(date),
                Cell::Uuid(uuid),
            ]
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_again(cells in cells(), text in "\\PC{0,12}") {
        let mut cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
        cells[9] = text;
        // The words for null are not texts.
        prop_assume!(!["NA", "nan", "nil"].contains(&cells[9].as_str()));
        prop_assert_eq!(imported(&cells), cells);
    }
}
