//! An import says which keys occur twice and which row counts, which numbers a float does not hold,
//! and which words it took for a value; of a plain file it says nothing.

use crate::stores::{Heard, column, fetch, options, plan_of, row};
use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::import::{ImportNote, OnBadRow, RoundedCell, import_embedded};
use shards::features::inputs::FeaturePolicies;

fn store() -> (tempfile::TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    (folder, store)
}

/// What an import of `csv` into `store` says.
fn notes(store: &EmbeddedStore, csv: &str) -> Vec<ImportNote> {
    let mut heard = Heard::default();
    let fatal = options(OnBadRow::Fatal, false);
    import_embedded(store, csv.as_bytes(), &fatal, &mut heard).unwrap();
    heard.notes
}

#[test]
fn of_a_plain_file_nothing_is_said() {
    let (_folder, store) = store();
    let csv = "user_id,a,b:int\nu,0.1,16777217\nv,1234.5,\nw,,0\n";
    assert!(notes(&store, csv).is_empty());
    assert!(notes(&store, csv).is_empty(), "keys that the store had before are no repetition");
}

#[test]
fn keys_that_occur_twice_are_counted_and_the_last_row_counts() {
    let (_folder, store) = store();
    let said = notes(&store, "user_id,a\nu,1\nv,2\nu,3\nw,4\nv,5\nu,6\n");
    let key = "u".to_owned();
    let expected = ImportNote::Repeated { rows: 3, line: 4, key, is_partial: false };
    assert_eq!(said, [expected]);
    let text = said[0].to_string();
    assert_eq!(
        text,
        "3 rows have a key that an earlier row has (first: line 4, `u`): of each key the last row \
         counts"
    );
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_of(&reader, &[column("a")], &FeaturePolicies::default());
    let joined = fetch(&reader, &plan, &["u", "v", "w"]);
    assert_eq!([row(&joined, 0), row(&joined, 1), row(&joined, 2)], [[6.0], [5.0], [4.0]]);
}

#[test]
fn numbers_that_float_rounds_are_counted_and_the_first_is_shown() {
    let (_folder, store) = store();
    let csv = "user_id,a,b,c:double,d:bigint\nu,0.1,0.25,16777217,16777217\n\
               v,0.1,16777217,1,1\nw,0.123456789012,16777219,1,1\n";
    let said = notes(&store, csv);
    let first = RoundedCell {
        line: 3,
        column: "b".to_owned(),
        text: "16777217".to_owned(),
        kept: "16777216".to_owned(),
    };
    let columns = vec![("a".to_owned(), 1), ("b".to_owned(), 2)];
    assert_eq!(said, [ImportNote::Rounded { columns, first }]);
    let text = said[0].to_string();
    for part in
        ["3 numbers", "`a` 1, `b` 2", "line 3, `b`, 16777217 is kept as 16777216", ":double"]
    {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[test]
fn words_are_counted_with_what_they_were_taken_for() {
    let (_folder, store) = store();
    let said = notes(&store, "user_id,a,b:int\nu,NA,True\nv,NA,False\nw,1,null\n");
    let text = said.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    assert_eq!(said.len(), 1, "{text}");
    for part in [
        "`NA` for a value that is not known in 2 cells (first: line 2, `a`)",
        "`True` for 1 in 1 cells (first: line 2, `b`)",
        "`False` for 0 in 1 cells",
        "`null` for a value that is not known in 1 cells (first: line 4, `b`)",
    ] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}
