//! A quote that is not closed, or is closed by another row's, joins lines: that ends the import at
//! the line of the quote, also where bad rows are skipped, and no shortened file is imported.

use std::io::Read;

use crate::stores::{Heard, import, options, store_of};
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{CsvError, CsvOptions, CsvRows, OnBadRow, import_embedded};

/// What an import that skips bad rows says of `csv`; it must not have imported anything.
fn refused(csv: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let skip = options(OnBadRow::Skip, false);
    let mut heard = Heard::default();
    let error = import_embedded(&store, csv.as_bytes(), &skip, &mut heard).unwrap_err();
    assert_eq!(store.schema().unwrap(), None, "{csv:?} was imported in part");
    assert!(heard.skipped.is_empty(), "{csv:?}: {:?}", heard.skipped);
    assert_eq!(import(&store, csv).unwrap_err().to_string(), error.to_string());
    error.to_string()
}

#[test]
fn a_quote_that_is_not_closed_is_named_by_its_line() {
    for (csv, said) in [
        ("user_id,a\nu0,0\n\"u1,1\nu2,2\nu3,3\n", "line 3, column 1: a quote (\")"),
        ("user_id,a,b\nu0,0,0\nu1,\"1,2\nu2,2,3\nu3,3,4\n", "line 3, column 2: a quote (\")"),
        ("user_id,a\nu0,0\nu1,\"1", "line 3, column 2: a quote (\")"),
        ("user_id,a\nu0,0\n\n\nu1,\"1\n", "line 5, column 2: a quote (\")"),
        ("user_id,a\r\nu0,0\r\n\"u1\"\",1\r\nu2,2\r\n", "line 3, column 1: a quote (\")"),
        ("\"user_id,a\nu0,0\n", "line 1, column 1: a quote (\")"),
    ] {
        let error = refused(csv);
        assert!(error.starts_with(said), "{csv:?}: {error}");
    }
    let error = refused("user_id,a\n\"u1,1\nu2,2\nu3,3\n");
    assert!(error.contains("the 2 lines after it"), "{error}");
}

#[test]
fn a_quote_that_a_later_row_closes_is_named_too() {
    for (csv, said) in [
        // The key is made of three rows, and the cells are right.
        ("user_id,a\nu0,0\n\"u1,1\nu2,2\nu3\",3\nu4,4\n", "line 3, column 1 (`user_id`)"),
        // The lines that are joined make too few cells, too many, or a cell that is no number.
        ("user_id,a,b\nu1,1,\"1\nu2,2,2\nu3,3,3\"\nu4,4,4\n", "line 2, column 3 (`b`)"),
        ("user_id,a\n\"u1,1\nu2\"u,2\nu3,3\n", "line 2, column 1 (`user_id`)"),
        ("user_id,a,b\n\"u1,1\nu2\",2\nu3,3,3\n", "line 2, column 3 (`b`)"),
    ] {
        let error = refused(csv);
        assert!(error.starts_with(said), "{csv:?}: {error}");
        assert!(error.contains("joins the lines 2 to") || error.contains("joins the lines 3 to 5"));
    }
}

#[test]
fn quotes_within_a_line_concern_that_line_alone() {
    let (_folder, store) = store_of("user_id,a\n\"u,1\",\"1\"\n\"v\"\"w\" ,2\nx\"y,3\n");
    assert_eq!(store.rows().unwrap(), 3);
    let mut heard = Heard::default();
    let csv = "user_id,a\n\"O\"Brien,1\nv,2\n";
    let skip = options(OnBadRow::Skip, false);
    let progress = import_embedded(&store, csv.as_bytes(), &skip, &mut heard).unwrap();
    assert_eq!((progress.rows, progress.skipped), (1, 1));
    let said = "line 2, column 1 (`user_id`): `OBrien`: there is text after the closing quote";
    assert!(heard.skipped[0].to_string().starts_with(said), "{}", heard.skipped[0]);
}

/// Gives `head`, then a line over and over, and counts what was taken of it.
struct Endless {
    head: &'static [u8],
    given: usize,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let line = b"u2,2\n";
        for (place, byte) in into.iter_mut().enumerate() {
            let at = self.given + place;
            *byte = match self.head.get(at) {
                Some(byte) => *byte,
                None => line[(at - self.head.len()) % line.len()],
            };
        }
        self.given += into.len();
        Ok(into.len())
    }
}

#[test]
fn a_quote_that_is_never_closed_is_not_read_for_ever() {
    let input = Endless { head: b"user_id,a\nu0,0\n\"u1,1\n", given: 0 };
    let mut rows = CsvRows::open(input, &CsvOptions::default(), None).unwrap();
    assert!(rows.read().unwrap().is_some());
    let error = rows.read().unwrap_err();
    assert!(matches!(error, CsvError::Record(_)), "{error}");
    assert!(error.to_string().starts_with("line 3, column 1: a quote"), "{error}");
    let input = Endless { head: b"user_id,a\nu0,0\n", given: 0 };
    let mut rows = CsvRows::open(NoLines(input), &CsvOptions::default(), None).unwrap();
    let error = loop {
        match rows.read() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it has no end"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.starts_with("line 3 is longer than"), "{error}");
}

/// Takes line ends out of all but the first bytes.
struct NoLines(Endless);

impl Read for NoLines {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let before = self.0.given;
        let count = self.0.read(into)?;
        for (place, byte) in into[..count].iter_mut().enumerate() {
            if before + place >= self.0.head.len() && *byte == b'\n' {
                *byte = b' ';
            }
        }
        Ok(count)
    }
}
