//! What only the inside of a log shows: its tail, its damage, and what is remembered.

use super::commit::rotate;
use super::log::{numbers_in, path_of};
use super::{ChangeBatch, ChangeWriter, Committed, Durability, Idempotency};
use crate::features::column::{CellValue, ColumnType};
use crate::features::embedded::{EmbeddedStore, EmbeddedWriter};
use crate::features::schema::{Schema, StoreColumn};

fn table() -> (tempfile::TempDir, EmbeddedStore, Schema) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let column = |name: &str, column_type| StoreColumn { name: name.to_owned(), column_type };
    let columns = vec![column("a", ColumnType::Double), column("b", ColumnType::Text)];
    let schema = Schema::new(columns).unwrap();
    let mut writer = EmbeddedWriter::begin(&store, &schema, true).unwrap();
    let cells = [CellValue::Double(1.0), CellValue::Text("one")];
    writer.put(b"u", 5, &cells).unwrap();
    writer.commit().unwrap();
    (folder, store, schema)
}

fn put(schema: &Schema, key: &str, value: f64) -> ChangeBatch {
    let mut batch = ChangeBatch::new(schema);
    batch.put(schema, key.as_bytes(), None, &[(0, CellValue::Double(value))]);
    batch
}

fn commit(writer: &mut ChangeWriter, batch: ChangeBatch) -> Committed {
    writer.commit(&[batch], Durability::System).unwrap()[0]
}

/// The cells of a key, as CSV has them.
fn cells(folder: &std::path::Path, key: &str) -> Option<Vec<String>> {
    let store = EmbeddedStore::open(folder).unwrap();
    let cells = |_: &Schema, record: crate::features::record::Record<'_>| {
        Some(record.cells().map(|cell| cell.to_string()).collect())
    };
    store.find(key.as_bytes(), cells).unwrap()
}

#[test]
#[cfg_attr(miri, ignore = "it maps files")]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let (folder, store, schema) = table();
    let mut writer = ChangeWriter::open(&store).unwrap();
    commit(&mut writer, put(&schema, "first", 2.0));
    let path = path_of(folder.path(), 0);
    let before = std::fs::read(&path).unwrap();
    commit(&mut writer, put(&schema, "second", 3.0));
    let after = std::fs::read(&path).unwrap();
    drop((writer, store));
    for length in before.len()..=after.len() {
        // As a process leaves it that dies while it writes: the word is the one before.
        let mut torn = after[..length].to_vec();
        torn[..before.len()].copy_from_slice(&before);
        std::fs::write(&path, &torn).unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let mut writer = ChangeWriter::open(&store).unwrap();
        assert_eq!(cells(folder.path(), "first").unwrap()[0], "2");
        // Written whole, it may have been about to be said; torn, it is gone.
        assert_eq!(cells(folder.path(), "second").is_some(), length == after.len(), "{length}");
        commit(&mut writer, put(&schema, "third", 4.0));
        assert_eq!(cells(folder.path(), "third").unwrap()[0], "4");
        assert!(store.for_each(|_, _| ()).unwrap().is_whole());
    }
}

#[test]
#[cfg_attr(miri, ignore = "it maps files")]
fn damage_is_counted_and_the_changes_behind_it_are_read() {
    let (folder, store, schema) = table();
    let mut writer = ChangeWriter::open(&store).unwrap();
    let path = path_of(folder.path(), 0);
    commit(&mut writer, put(&schema, "first", 2.0));
    let at = std::fs::metadata(&path).unwrap().len() as usize - 1;
    commit(&mut writer, put(&schema, "second", 3.0));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(cells(folder.path(), "first"), None);
    assert_eq!(cells(folder.path(), "second").unwrap()[0], "3");
    let store = EmbeddedStore::open(folder.path()).unwrap();
    assert!(store.for_each(|_, _| ()).unwrap().damaged_log_bytes > 0);
    assert!(store.trouble().unwrap().contains("log of changes are damaged"));
}

#[test]
#[cfg_attr(miri, ignore = "it maps files")]
fn a_request_that_comes_again_is_written_once() {
    let (_folder, store, schema) = table();
    let mut writer = ChangeWriter::open(&store).unwrap();
    let once =
        |value, body: &[u8]| put(&schema, "u", value).once(Some(Idempotency::of(b"key-1", body)));
    assert_eq!(commit(&mut writer, once(2.0, b"2")), Committed::Written);
    assert_eq!(commit(&mut writer, put(&schema, "u", 3.0)), Committed::Written);
    assert_eq!(commit(&mut writer, once(2.0, b"2")), Committed::Repeated);
    assert_eq!(commit(&mut writer, once(9.0, b"9")), Committed::OtherRequest);
    // Within one commit too, in another process, after a start, and in the next file of the log.
    let other = put(&schema, "u", 4.0).once(Some(Idempotency::of(b"key-2", b"4")));
    let both = writer.commit(&[other.clone(), other.clone()], Durability::System).unwrap();
    assert_eq!(both, [Committed::Written, Committed::Repeated]);
    let second = EmbeddedStore::open(store.path()).unwrap();
    let mut second = ChangeWriter::open(&second).unwrap();
    assert_eq!(commit(&mut second, once(2.0, b"2")), Committed::Repeated);
    rotate(&store).unwrap();
    EmbeddedWriter::begin(&store, &schema, false).and_then(EmbeddedWriter::commit).unwrap();
    assert_eq!(numbers_in(store.path()).unwrap().len(), 1);
    for writer in [&mut writer, &mut second, &mut ChangeWriter::open(&store).unwrap()] {
        assert_eq!(commit(writer, once(2.0, b"2")), Committed::Repeated);
        assert_eq!(commit(writer, other.clone()), Committed::Repeated);
    }
}
