//! Rows that are written one by one: the next batch has them, whole, over the table's file, in every
//! process that reads it; imports and merges lose none of them; a removed row is missing.

use proptest::prelude::*;
use shards::features::column::{CellValue, ColumnType};
use shards::features::embedded::{
    ChangeBatch, ChangeWriter, Committed, Durability, EmbeddedReader, EmbeddedStore, EmbeddedWriter,
};
use shards::features::inputs::{FeaturePolicies, InputColumn};
use shards::features::join::JoinPlan;
use shards::provenance::FeatureStatus;

use crate::stores::{fetch, import, plan_of, row, store_of};

/// A column of doubles with default 0.
fn column(name: &str) -> InputColumn {
    let column_type = ColumnType::Double;
    InputColumn { name: name.to_owned(), column_type, ..InputColumn::default() }
}

fn put(store: &EmbeddedStore, writer: &mut ChangeWriter, key: &str, cells: &[(&str, f64)]) {
    let schema = store.schema().unwrap().unwrap();
    let mut batch = ChangeBatch::new(&schema);
    let cells: Vec<_> = cells
        .iter()
        .map(|(name, value)| (schema.position(name).unwrap(), CellValue::Double(*value)))
        .collect();
    batch.put(&schema, key.as_bytes(), None, &cells);
    let written = writer.commit(&[batch], Durability::System).unwrap();
    assert_eq!(written, [Committed::Written]);
}

fn remove(store: &EmbeddedStore, writer: &mut ChangeWriter, key: &str) {
    let mut batch = ChangeBatch::new(&store.schema().unwrap().unwrap());
    batch.remove(key.as_bytes());
    writer.commit(&[batch], Durability::System).unwrap();
}

fn read(reader: &EmbeddedReader, plan: &JoinPlan, key: &str) -> (FeatureStatus, Vec<f64>) {
    let joined = fetch(reader, plan, &[key]);
    (joined.outcomes[0].status, row(&joined, 0))
}

/// Merges the log into the table's file, as an import of nothing.
fn merge(store: &EmbeddedStore) {
    let schema = store.schema().unwrap().unwrap();
    EmbeddedWriter::begin(store, &schema, false).and_then(EmbeddedWriter::commit).unwrap();
}

const CSV: &str = "user_id,a:double,b:double\nu,1,2\nv,3,4\n";

#[test]
fn the_next_batch_has_what_was_written() {
    use FeatureStatus::{Missing, Stored};
    let (folder, store) = store_of(CSV);
    let reader = EmbeddedReader::new(&store).unwrap();
    // Another process on the same folder.
    let elsewhere = EmbeddedReader::new(&EmbeddedStore::open(folder.path()).unwrap()).unwrap();
    let plan = plan_of(&reader, &[column("a"), column("b")], &FeaturePolicies::default());
    let mut writer = ChangeWriter::open(&store).unwrap();
    let expect = |key, expected| {
        for reader in [&reader, &elsewhere, &EmbeddedReader::new(&store).unwrap()] {
            assert_eq!(read(reader, &plan, key), expected, "{key}");
        }
    };
    put(&store, &mut writer, "u", &[("a", 10.0)]);
    expect("u", (Stored, vec![10.0, 2.0]));
    put(&store, &mut writer, "new", &[("b", 5.0)]);
    expect("new", (Stored, vec![0.0, 5.0]));
    remove(&store, &mut writer, "v");
    expect("v", (Missing, vec![0.0, 0.0]));
    put(&store, &mut writer, "v", &[("b", 6.0)]);
    expect("v", (Stored, vec![0.0, 6.0]));
    assert_eq!(store.rows().unwrap(), 3);
    for _ in 0..3 {
        merge(&store);
        expect("u", (Stored, vec![10.0, 2.0]));
        expect("v", (Stored, vec![0.0, 6.0]));
        put(&store, &mut writer, "u", &[("b", 2.0)]);
        remove(&store, &mut writer, "new");
        expect("new", (Missing, vec![0.0, 0.0]));
    }
    assert_eq!(store.rows().unwrap(), 2);
}

#[test]
fn an_import_takes_older_changes_and_leaves_newer_ones_over_it() {
    let (_folder, store) = store_of(CSV);
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_of(&reader, &[column("a"), column("b")], &FeaturePolicies::default());
    let mut writer = ChangeWriter::open(&store).unwrap();
    put(&store, &mut writer, "u", &[("a", 10.0), ("b", 20.0)]);
    put(&store, &mut writer, "w", &[("a", 30.0)]);
    // The import's rows are newer than what was written before it.
    import(&store, "user_id,a:double\nu,11\n").unwrap();
    assert_eq!(read(&reader, &plan, "u").1, [11.0, 20.0]);
    assert_eq!(read(&reader, &plan, "w").1, [30.0, 0.0]);
    // A change while an import is under way is newer than its rows.
    let schema = store.schema().unwrap().unwrap();
    let mut under_way = EmbeddedWriter::begin(&store, &schema, false).unwrap();
    put(&store, &mut writer, "u", &[("b", 21.0)]);
    remove(&store, &mut writer, "w");
    let cells = [CellValue::Double(12.0), CellValue::Double(22.0)];
    under_way.put(b"u", 0, &cells).unwrap();
    under_way.put(b"w", 0, &cells).unwrap();
    assert_eq!(read(&reader, &plan, "u").1, [11.0, 21.0]);
    under_way.commit().unwrap();
    assert_eq!(read(&reader, &plan, "u").1, [12.0, 21.0]);
    assert_eq!(read(&reader, &plan, "w").0, FeatureStatus::Missing);
    merge(&store);
    assert_eq!(read(&reader, &plan, "u").1, [12.0, 21.0]);
}

#[test]
fn columns_that_an_import_adds_can_be_written_from_then_on() {
    let (_folder, store) = store_of(CSV);
    let mut writer = ChangeWriter::open(&store).unwrap();
    put(&store, &mut writer, "u", &[("a", 10.0)]);
    let old = store.schema().unwrap().unwrap();
    import(&store, "user_id,c:double\nu,7\n").unwrap();
    let mut late = ChangeBatch::new(&old);
    late.put(&old, b"u", None, &[(0, CellValue::Double(1.0))]);
    let answer = writer.commit(&[late], Durability::System).unwrap();
    assert_eq!(answer, [Committed::OtherColumns]);
    put(&store, &mut writer, "u", &[("c", 8.0)]);
    let reader = EmbeddedReader::new(&store).unwrap();
    let columns = [column("a"), column("b"), column("c")];
    let plan = plan_of(&reader, &columns, &FeaturePolicies::default());
    assert_eq!(read(&reader, &plan, "u").1, [10.0, 2.0, 8.0]);
    import(&store, "user_id,c:double\nv,9\n").unwrap();
    assert_eq!(read(&reader, &plan, "u").1, [10.0, 2.0, 8.0]);
}

#[test]
fn texts_are_written_and_merged() {
    let (_folder, store) = store_of("user_id,city:text,a:double\nu,Paris,1\n");
    let mut writer = ChangeWriter::open(&store).unwrap();
    let schema = store.schema().unwrap().unwrap();
    let shown = || {
        let mut rows = Vec::new();
        let visit = |key: &[u8], record: shards::features::record::Record<'_>| {
            let cells: Vec<_> = record.cells().map(|cell| cell.to_string()).collect();
            rows.push((String::from_utf8_lossy(key).into_owned(), cells.join(",")));
        };
        assert!(store.for_each(visit).unwrap().is_whole());
        rows.sort();
        rows
    };
    let expected = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
        rows.iter().map(|(key, cells)| ((*key).to_owned(), (*cells).to_owned())).collect()
    };
    for (key, city) in [("v", "Oslo"), ("w", "Paris"), ("v", "Bergen")] {
        let mut batch = ChangeBatch::new(&schema);
        batch.put(&schema, key.as_bytes(), None, &[(0, CellValue::Text(city))]);
        writer.commit(&[batch], Durability::System).unwrap();
    }
    let all = [("u", "Paris,1"), ("v", "Bergen,"), ("w", "Paris,")];
    assert_eq!(shown(), expected(&all));
    merge(&store);
    assert_eq!(shown(), expected(&all));
    import(&store, "user_id,a:double\nv,2\n").unwrap();
    assert_eq!(shown()[1].1, "Bergen,2");
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, Option<i8>, Option<i8>),
    Remove(u8),
    Import(u8, i8),
    Merge,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8, any::<Option<i8>>(), any::<Option<i8>>())
            .prop_map(|(key, a, b)| Step::Put(key, a, b)),
        2 => (0..6_u8).prop_map(Step::Remove),
        1 => (0..6_u8, any::<i8>()).prop_map(|(key, a)| Step::Import(key, a)),
        1 => Just(Step::Merge),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn readers_have_what_a_map_has(steps in prop::collection::vec(step(), 1..25)) {
        let (_folder, store) = store_of("user_id,a:double,b:double\nk0,1,2\nk1,3,4\n");
        let mut known = std::collections::BTreeMap::from([
            (0_u8, [Some(1.0), Some(2.0)]),
            (1, [Some(3.0), Some(4.0)]),
        ]);
        let reader = EmbeddedReader::new(&store).unwrap();
        let mut writer = ChangeWriter::open(&store).unwrap();
        let columns = [column("a"), column("b")];
        let plan = plan_of(&reader, &columns, &FeaturePolicies::default());
        for step in steps {
            match step {
                Step::Put(key, a, b) => {
                    let cells = [("a", a), ("b", b)].map(|(name, cell)| cell.map(|it| (name, f64::from(it))));
                    let cells: Vec<_> = cells.into_iter().flatten().collect();
                    put(&store, &mut writer, &format!("k{key}"), &cells);
                    let row = known.entry(key).or_default();
                    row[0] = a.map(f64::from).or(row[0]);
                    row[1] = b.map(f64::from).or(row[1]);
                }
                Step::Remove(key) => {
                    remove(&store, &mut writer, &format!("k{key}"));
                    known.remove(&key);
                }
                Step::Import(key, a) => {
                    import(&store, &format!("user_id,a:double\nk{key},{a}\n")).unwrap();
                    known.entry(key).or_default()[0] = Some(f64::from(a));
                }
                Step::Merge => merge(&store),
                Step::Reopen => writer = ChangeWriter::open(&store).unwrap(),
            }
            for key in 0..6 {
                let (status, cells) = read(&reader, &plan, &format!("k{key}"));
                let expected = known.get(&key).map_or(FeatureStatus::Missing, |_| FeatureStatus::Stored);
                prop_assert_eq!(status, expected);
                let row = known.get(&key).copied().unwrap_or_default();
                prop_assert_eq!(cells, row.map(Option::unwrap_or_default).to_vec());
            }
            prop_assert_eq!(store.rows().unwrap(), known.len() as u64);
        }
    }
}
