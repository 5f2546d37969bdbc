//! A store that an earlier version made, an LMDB environment without checksums, is written anew with
//! all that it has, and stays as it is for that version.

use std::fs;
use std::path::Path;

use crate::stores::{Heard, column, fetch, import, options, plan_of, row};
use heed::types::Bytes;
use heed::{CommitOrAbort, EnvOpenOptions};
use shards::features::FeatureStatus;
use shards::features::embedded::{Converted, EmbeddedError, EmbeddedReader, EmbeddedStore};
use shards::features::import::{OnBadRow, import_embedded};
use shards::features::inputs::{ColumnType, FeaturePolicies};
use shards::features::record::{CellValue, RecordLayout};
use shards::features::schema::{Schema, StoreColumn};

const USERS: u32 = 2_000;

/// What the version before this one wrote.
fn earlier_store(folder: &Path, format: u32) {
    let column = |name: &str, column_type| StoreColumn { name: name.to_owned(), column_type };
    let columns = vec![column("a", ColumnType::Float), column("b", ColumnType::Bigint)];
    let schema = Schema::new(columns).unwrap();
    let layout = RecordLayout::new(&schema);
    // SAFETY: nobody else has the file.
    let environment =
        unsafe { EnvOpenOptions::new().map_size(1 << 30).max_dbs(2).open(folder).unwrap() };
    let write = environment.write_txn().unwrap();
    let made: Result<_, heed::Error> =
        environment.create_databases_and_commit(write, |opener, write| {
            let rows = opener.create_database::<Bytes, Bytes>(write, Some("rows"))?;
            let meta = opener.create_database::<Bytes, Bytes>(write, Some("meta"))?;
            Ok(CommitOrAbort::<_, ()>::Commit((rows, meta)))
        });
    let (rows, meta) = made.unwrap().unwrap_commit();
    let mut write = environment.write_txn().unwrap();
    meta.put(&mut write, b"format", &format.to_le_bytes()).unwrap();
    meta.put(&mut write, b"schema", &serde_json::to_vec(&schema).unwrap()).unwrap();
    meta.put(&mut write, b"generation", &1_u64.to_le_bytes()).unwrap();
    let mut record = Vec::new();
    for user in 0..USERS {
        let cells = [CellValue::Float(user as f32), CellValue::Null];
        layout.encode(i64::from(user), &cells, &mut record).unwrap();
        rows.put(&mut write, format!("user-{user}").as_bytes(), &record).unwrap();
    }
    write.commit().unwrap();
}

#[test]
fn all_that_it_has_is_there() {
    let folder = tempfile::tempdir().unwrap();
    earlier_store(folder.path(), 1);
    let before = fs::read(folder.path().join("data.mdb")).unwrap();
    let opened = EmbeddedStore::open(folder.path());
    assert!(matches!(opened, Err(EmbeddedError::EarlierFormat { .. })), "{opened:?}");
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    assert_eq!(store.earlier_schema().unwrap().columns()[1].name, "b");
    assert_eq!(store.convert().unwrap(), Some(Converted { rows: u64::from(USERS) }));
    assert_eq!(store.convert().unwrap(), None, "once");
    assert_eq!(store.rows().unwrap(), u64::from(USERS));
    let mut seen = 0;
    let checked = store.for_each(|key, record| {
        let user = record.last_updated_us();
        assert_eq!(key, format!("user-{user}").as_bytes());
        let cells: Vec<_> = record.cells().collect();
        assert_eq!(cells, [CellValue::Float(user as f32), CellValue::Null]);
        seen += 1;
    });
    assert!(checked.unwrap().is_whole() && seen == USERS);
    let after = fs::read(folder.path().join("data.mdb")).unwrap();
    assert!(before == after, "the earlier version can go back to it");
}

#[test]
fn an_import_converts_it_first_unless_it_replaces_all() {
    for replace in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        earlier_store(folder.path(), 1);
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        let csv = "user_id,a,b:bigint\nuser-1,77,3\n";
        let options = options(OnBadRow::Fatal, replace);
        import_embedded(&store, csv.as_bytes(), &options, &mut Heard::default()).unwrap();
        let reader = EmbeddedReader::new(&store).unwrap();
        let plan = plan_of(&reader, &[column("a")], &FeaturePolicies::default());
        let joined = fetch(&reader, &plan, &["user-1", "user-2"]);
        assert_eq!(row(&joined, 0), [77.0]);
        let kept = joined.outcomes[1].status == FeatureStatus::Stored;
        assert_eq!(kept, !replace);
    }
}

#[test]
fn other_columns_are_refused_as_those_of_any_store() {
    let folder = tempfile::tempdir().unwrap();
    earlier_store(folder.path(), 1);
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let error = import(&store, "user_id,a,c\nuser-1,77,3\n").unwrap_err();
    assert!(error.to_string().contains("column 2 is `b` in the store and `c`"), "{error}");
}

#[test]
fn one_that_was_cut_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    earlier_store(folder.path(), 1);
    let data = folder.path().join("data.mdb");
    let whole = fs::read(&data).unwrap();
    for length in [0, 100, 4_096, 8_192, whole.len() / 2 / 4_096 * 4_096, whole.len() - 4_096] {
        fs::write(&data, &whole[..length]).unwrap();
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        let error = store.convert().unwrap_err();
        assert!(error.to_string().contains(&format!("has {length} bytes")), "{length}: {error}");
        assert!(EmbeddedStore::open(folder.path()).is_err());
    }
    fs::write(&data, vec![7; 16_384]).unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    assert!(store.convert().unwrap_err().to_string().contains("not one of LMDB's"));
}

#[test]
fn one_of_another_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    earlier_store(folder.path(), 9);
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let error = store.convert().unwrap_err();
    assert!(error.to_string().contains("its format is [9, 0, 0, 0]"), "{error}");
}
