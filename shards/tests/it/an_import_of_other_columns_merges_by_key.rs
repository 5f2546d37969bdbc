//! An import of other columns merges with the store by key: no value is lost that the file does not
//! replace, and a reader sees the rows of before or of after, never half of each.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use shards::features::column::CellValue;
use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::import::{
    ImportError, ImportNote, ImportObserver, ImportProgress, OnBadRow, RowError, import_embedded,
};
use shards::features::inputs::FeaturePolicies;
use shards::features::schema::Schema;
use shards::features::{FetchRequests, Fetched, Joined};
use shards::provenance::FeatureStatus;

use crate::stores::{Heard, column, import, options, plan_of, store_of};
use crate::support::Over;

type Rows = BTreeMap<String, BTreeMap<String, Option<f32>>>;

/// All that the store has, by key and column.
fn rows(store: &EmbeddedStore) -> Rows {
    let schema = store.schema().unwrap().unwrap();
    let names: Vec<_> = schema.columns().iter().map(|column| column.name.clone()).collect();
    let mut rows = Rows::new();
    let checked = store.for_each(|key, record| {
        let cells = record.cells().map(|cell| match cell {
            CellValue::Float(value) => Some(value),
            _ => None,
        });
        let key = String::from_utf8(key.to_vec()).unwrap();
        rows.insert(key, names.iter().cloned().zip(cells).collect());
    });
    assert!(checked.unwrap().is_whole());
    rows
}

#[test]
fn new_columns_are_added_and_old_ones_kept() {
    let (_folder, store) = store_of("user_id,a,b\nu,1,2\nv,3,4\n");
    let mut heard = Heard::default();
    let csv = "user_id,b,c\nu,20,30\nw,,50\n";
    import_embedded(&store, csv.as_bytes(), &options(OnBadRow::Fatal, false), &mut heard).unwrap();
    let found: Vec<Vec<_>> =
        rows(&store).into_values().map(|row| row.into_values().collect()).collect();
    let expected: [Vec<Option<f32>>; 3] = [
        vec![Some(1.0), Some(20.0), Some(30.0)],
        vec![Some(3.0), Some(4.0), None],
        vec![None, None, Some(50.0)],
    ];
    assert_eq!(found, expected);
    assert_eq!(heard.notes, [ImportNote::Merged { added: vec!["c".to_owned()], kept: 1 }]);
    let said = heard.notes[0].to_string();
    assert!(said.starts_with("1 columns are new: `c`; rows that"), "{said}");
    assert!(said.contains("1 columns of the store are not in the file"), "{said}");
}

#[test]
fn texts_stay_what_they_are() {
    let (_folder, store) = store_of("user_id,a:text,b\nu,car,1\nv,tv,2\nx,,3\n");
    import(&store, "user_id,c:text,b\nu,tv,5\nw,NA,\n").unwrap();
    import(&store, "user_id,a\nv,Zoë\n").unwrap();
    let mut rows = Vec::new();
    let checked = store.for_each(|key, record| {
        let cells: Vec<_> = record.cells().map(|cell| format!("{cell:?}")).collect();
        rows.push(format!("{} {}", String::from_utf8_lossy(key), cells.join(" ")));
    });
    assert!(checked.unwrap().is_whole());
    rows.sort();
    assert_eq!(
        rows,
        [
            r#"u Text("car") Float(5.0) Text("tv")"#,
            r#"v Text("Zoë") Float(2.0) Null"#,
            r#"w Null Null Text("NA")"#,
            "x Null Float(3.0) Null",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn merging_is_what_a_map_of_maps_does(
        imports in prop::collection::vec(
            (
                prop::sample::subsequence(vec!["a", "b", "c", "d"], 1..=4),
                prop::collection::vec((0..6_u8, prop::collection::vec(prop::option::of(-9..9_i8), 4)), 1..8),
            ),
            1..5,
        )
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        let (mut expected, mut names) = (Rows::new(), Vec::new());
        for (columns, lines) in &imports {
            names.extend(columns.iter().copied().filter(|name| !names.contains(name)).collect::<Vec<_>>());
            let mut csv = format!("user_id,{}\n", columns.join(","));
            for (key, cells) in lines {
                write!(csv, "u{key}").unwrap();
                let row = expected.entry(format!("u{key}")).or_default();
                for (name, cell) in columns.iter().zip(cells) {
                    write!(csv, ",{}", cell.map_or(String::new(), |cell| cell.to_string())).unwrap();
                    row.insert((*name).to_owned(), cell.map(f32::from));
                }
                csv.push('\n');
            }
            import(&store, &csv).unwrap();
        }
        for row in expected.values_mut() {
            for name in &names {
                row.entry((*name).to_owned()).or_default();
            }
        }
        prop_assert_eq!(rows(&store), expected);
        // As if all had been imported at once: nothing is kept twice.
        let at_once = tempfile::tempdir().unwrap();
        let other = EmbeddedStore::open_or_create(at_once.path()).unwrap();
        let mut csv = format!("user_id,{}\n", names.join(","));
        for (key, row) in rows(&store) {
            let cells = names.iter().map(|name| row[*name].map_or(String::new(), |it| it.to_string()));
            writeln!(csv, "{key},{}", cells.collect::<Vec<_>>().join(",")).unwrap();
        }
        import(&other, &csv).unwrap();
        prop_assert_eq!(store.file_bytes().unwrap(), other.file_bytes().unwrap());
    }
}

#[test]
fn no_reader_sees_half_of_a_merged_row() {
    const USERS: usize = 300;
    let csv = |name: &str, version: usize| {
        let rows: Vec<_> = (0..USERS).map(|user| format!("user-{user},{version}\n")).collect();
        format!("user_id,{name}\n{}", rows.concat())
    };
    let (_folder, store) = store_of(&csv("a", 0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&done);
        scope.spawn(|| {
            let reader = EmbeddedReader::new(&store).unwrap();
            let plan = || plan_of(&reader, &[column("a")], &FeaturePolicies::default());
            let mut bound = plan();
            let mut requests = FetchRequests::new(0);
            (0..USERS).for_each(|user| requests.push(format!("user-{user}").as_bytes(), &[]));
            let (mut joined, mut latest) = (Joined::new(&bound), 0.0);
            while !done.load(Ordering::Relaxed) {
                if reader.fetch(&bound, &requests, 0, &mut joined) == Fetched::SchemaChanged {
                    bound = plan();
                    joined = Joined::new(&bound);
                    continue;
                }
                let version = joined.matrix.get(0, 0);
                assert!(version >= latest, "an older file came back");
                latest = version;
                for row in 0..USERS {
                    assert_eq!(joined.outcomes[row].status, FeatureStatus::Stored);
                    assert_eq!(joined.matrix.get(row, 0).to_bits(), version.to_bits());
                }
            }
        });
        for version in 1..30 {
            import(&store, &csv("a", version)).unwrap();
            import(&store, &csv(&format!("new_{version}"), version)).unwrap();
        }
    });
    assert_eq!(store.schema().unwrap().unwrap().columns().len(), 30);
}

/// Wants no columns to go.
struct Keeper;

impl ImportObserver for Keeper {
    fn progress(&mut self, _: ImportProgress) {}
    fn skipped(&mut self, _: &RowError) {}
    fn noted(&mut self, _: &ImportNote) {}
    fn columns_change(&mut self, before: Option<&Schema>, after: &Schema) -> Result<(), String> {
        let mut before = before.into_iter().flat_map(Schema::columns);
        match before.find(|column| after.position(&column.name).is_none()) {
            Some(lost) => Err(format!("`{}` is lost", lost.name)),
            None => Ok(()),
        }
    }
}

#[test]
fn columns_that_are_not_wanted_change_nothing() {
    let (_folder, store) = store_of("user_id,a,b\nu,1,2\n");
    let before = rows(&store);
    let csv = "user_id,b\nv,5\n";
    let replacing = options(OnBadRow::Fatal, true);
    let error = import_embedded(&store, csv.as_bytes(), &replacing, &mut Keeper).unwrap_err();
    assert!(
        matches!(&error, ImportError::Unwanted { reason } if reason == "`a` is lost"),
        "{error}"
    );
    assert_eq!(rows(&store), before);
    let merging = options(OnBadRow::Fatal, false);
    import_embedded(&store, csv.as_bytes(), &merging, &mut Keeper).unwrap();
    assert_eq!(store.rows().unwrap(), 2);
}
