//! What spreadsheets, databases and data frames write is read where it is clear, and refused with
//! what was found, its likely cause and what to do where it is not.

use crate::stores::{Heard, column, fetch, import, options, plan_of, row, store_of};
use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::import::{CsvOptions, CsvRows, ImportNote, OnBadRow, import_embedded};
use shards::features::inputs::{FeaturePolicies, NanMeaning};

/// The columns `a` and `b` of a user in a store made of `csv`; NaN is a value that is not known.
fn cells(csv: &[u8], user: &str) -> Vec<f64> {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let fatal = options(OnBadRow::Fatal, false);
    import_embedded(&store, csv, &fatal, &mut Heard::default()).unwrap();
    let reader = EmbeddedReader::new(&store).unwrap();
    let schema = reader.schema();
    let columns = ["a", "b"].map(|name| {
        let mut column = column(name);
        column.column_type = schema.columns()[schema.position(name).unwrap()].column_type;
        column.nan = NanMeaning::Missing;
        column
    });
    let plan = plan_of(&reader, &columns, &FeaturePolicies::default());
    row(&fetch(&reader, &plan, &[user]), 0)
}

fn refused(csv: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let fatal = options(OnBadRow::Fatal, false);
    let error = import_embedded(&store, csv, &fatal, &mut Heard::default()).unwrap_err();
    assert_eq!(store.schema().unwrap(), None);
    error.to_string()
}

#[test]
fn any_of_the_usual_ways_to_write_a_file() {
    for csv in [
        &b"user_id,a,b\nu,1.5,2\n"[..],
        b"user_id;a;b\nu;1.5;2\n",
        b"user_id\ta\tb\nu\t1.5\t2\n",
        b"user_id|a|b\nu|1.5|2\n",
        b"user_id;a;b\nu;1,5;2\n",
        b"user_id;a;b\nu;\"1,5\";2,0\n",
        b"user_id;a,b;a;b\nu;7;1.5;2\n",
        b"'user_id','a','b'\n'u','1.5','2'\n",
        b"\xef\xbb\xbfuser_id,a,b\r\nu,1.5,2\r\n",
        b"\xef\xbb\xbf\"user_id\";\"a\";\"b\"\r\n\"u\";\"1.5\";\"2\"\r\n",
        b"user_id,a,b\ru,1.5,2\r",
        b"\r\n\r\nuser_id , a , b\n\nu, 1.5 , 2",
        b"a,user_id,b\n1.5,u,2\n",
        b"b,a,user_id\n2,1.5,u\n",
        b"user_id,\"a\",b\nu,1.5,2\n",
        b"\"user_id\",a,\"b;c\",b\nu,1.5,7,2\n",
    ] {
        assert_eq!(cells(csv, "u"), [1.5, 2.0], "{:?}", String::from_utf8_lossy(csv));
    }
}

#[test]
fn words_for_values_in_columns_of_numbers() {
    for (a, b, expected_b) in [
        ("NA", "True", 1.0),
        ("null", "False", 0.0),
        ("None", "3.0", 3.0),
        ("NaN", "\\N", f64::NAN),
        ("", "N/A", f64::NAN),
        ("<NA>", "-0", 0.0),
    ] {
        for column_type in ["", ":int", ":bigint", ":double"] {
            let csv = format!("user_id,a{column_type},b{column_type}\nu,{a},{b}\n");
            let found = cells(csv.as_bytes(), "u");
            assert!(found[0].is_nan(), "{csv:?}: {found:?}");
            let same = (found[1] - expected_b).abs() < f64::EPSILON
                || (found[1].is_nan() && expected_b.is_nan());
            assert!(same, "{csv:?}: {found:?}");
        }
    }
    assert_eq!(cells(b"user_id,a:boolean,b:boolean\nu,1.0,False\n", "u"), [1.0, 0.0]);
}

#[test]
fn the_key_is_the_column_called_user_id_or_the_first_one_and_that_is_said() {
    let key = |csv: &str, asked: Option<&str>| {
        let options = CsvOptions {
            key_columns: asked.map(str::to_owned).into_iter().collect(),
            last_updated_us: 0,
            ..CsvOptions::default()
        };
        let rows = CsvRows::open(csv.as_bytes(), &options, None).unwrap();
        (rows.key_column().clone(), rows.header_notes())
    };
    assert_eq!(key("a,user_id\n", None), ("user_id".to_owned(), vec![]));
    assert_eq!(key("a,user_id\n", Some("a")), ("a".to_owned(), vec![]));
    let (name, notes) = key("id;a\n", None);
    assert_eq!(name, "id");
    let expected =
        [ImportNote::KeyColumn { name: "id".to_owned() }, ImportNote::Delimiter { found: ';' }];
    assert_eq!(notes, expected);
    assert!(notes[0].to_string().contains("--key "), "{}", notes[0]);
    let options = CsvOptions {
        key_columns: vec!["x".to_owned()],
        last_updated_us: 0,
        ..CsvOptions::default()
    };
    let error = CsvRows::open(&b"id,a\n"[..], &options, None).unwrap_err().to_string();
    assert_eq!(error, "line 1: there is no key column `x`; there is: id, a");
}

#[test]
fn what_is_unclear_is_refused_with_its_likely_cause() {
    for (csv, said) in [
        (
            &b"user_id,a\nu,\"1,5\"\n"[..],
            "line 2, column 2 (`a`): `1,5` is not of type float: a comma",
        ),
        (
            b"user_id;a\nu;1,234\n",
            "line 2, column 2 (`a`): `1,234` is not of type float: the numbers of this file have a point",
        ),
        (
            b"user_id;a;b\nu;1.5;2,5\n",
            "line 2, column 3 (`b`): `2,5` is not of type float: the numbers of this file have a point",
        ),
        (
            b"user_id;a\nu;1,5\nv;1.234\n",
            "line 3, column 2 (`a`): `1.234` is not of type float: the numbers of this file have a comma",
        ),
        (
            b"user_id,a\nu,Berlin\n",
            "line 2, column 2 (`a`): `Berlin` is not of type float: a number is",
        ),
        (
            b"user_id,a\nu,2026-01-31\n",
            "line 2, column 2 (`a`): `2026-01-31` is not of type float: it",
        ),
        (b"user_id,a\nu,5 EUR\n", "line 2, column 2 (`a`): `5 EUR` is not of type float: write"),
        (
            b"user_id,a:int\nu,3.5\n",
            "line 2, column 2 (`a`): `3.5` is not of type int: it has a frac",
        ),
        (
            b"user_id,a\nu,1e39\n",
            "line 2, column 2 (`a`): `1e39` is not of type float: give the col",
        ),
        (
            b"user_id,a\nu,M\xfc\n",
            "line 2, column 2 (`a`): `M\u{fffd}` is not of type float: it is no",
        ),
        (b"user_id,a;b\nu,1;2\n", "line 1: the header has `,` and `;`"),
        (b"user_id a b\nu 1 2\n", "line 1: the header is one column, `user_id a b`: what"),
        (b"user_id,stra\xdfe\nu,1\n", "line 1, column 2: the header is not UTF-8 (byte 0xDF)"),
        (b",user_id,a\n0,u,1\n", "line 1: the first column has no name: pandas"),
        (b"user_id,a,user_id\nu,1,u\n", "line 1: there is more than one column `user_id`"),
        (b"\xff\xfeu\0s\0\x01", "reading failed: byte 5 (0x01) is no UTF-16"),
        (b"u\0s\0e\0r\0", "the file is not CSV, it is binary"),
        (b"\x1f\x8b\x08\0\0\0", "reading failed: the gzip file is cut or damaged"),
        (b"\x28\xb5\x2f\xfd\0", "reading failed: the zstd file is cut or damaged"),
        (b"PAR1\x15\x04", "the file is not CSV, it is Parquet"),
        (b"PK\x03\x04\x14\0", "the file is not CSV, it is a zip archive"),
    ] {
        let error = refused(csv);
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn keys_that_are_no_utf8_are_refused_with_line_and_byte() {
    let error = refused(b"user_id,a\nx,0\nJos\xe9,1\nJos\xe8,2\n");
    let said =
        "line 3, column 1 (`user_id`): the key `Jos\u{fffd}` is not UTF-8: its byte 4 is 0xE9";
    assert!(error.starts_with(said), "{error}");
    assert!(error.contains("--encoding windows-1252"), "{error}");
    let (_folder, store) = store_of("user_id,a\nx,0\n");
    let mut heard = Heard::default();
    let skip = options(OnBadRow::Skip, false);
    let csv = b"user_id,a\nJos\xe9,1\nJos\xe8,2\nJos\xc3\xa9,3\n";
    let progress = import_embedded(&store, &csv[..], &skip, &mut heard).unwrap();
    assert_eq!((progress.rows, progress.skipped, heard.skipped.len()), (1, 2, 2));
    assert!(import(&store, "user_id,a\ny,1\n").is_ok());
}
