//! Readers see the store as it was before an import or as it is after it, and wait for neither.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use shards::features::column::CellValue;
use shards::features::embedded::{EmbeddedReader, EmbeddedWriter};
use shards::features::import::{OnBadRow, import_embedded, now_us};
use shards::features::inputs::FeaturePolicies;
use shards::features::{FetchRequests, Fetched, Joined};
use shards::provenance::FeatureStatus;

use crate::support::Over;
use crate::support::stores::{Heard, column, fetch, import, options, plan_of, row, store_of};

const USERS: usize = 500;

fn csv_of(version: usize) -> String {
    let mut csv = "user_id,version\n".to_owned();
    for user in 0..USERS {
        writeln!(csv, "user-{user},{version}").unwrap();
    }
    csv
}

#[test]
fn every_fetch_reads_one_version() {
    let (_folder, store) = store_of(&csv_of(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                let reader = EmbeddedReader::new(&store).unwrap();
                let plan = plan_of(&reader, &[column("version")], &FeaturePolicies::default());
                let mut requests = FetchRequests::new(0);
                for user in 0..USERS {
                    requests.push(format!("user-{user}").as_bytes(), &[]);
                }
                let mut joined = Joined::new(&plan);
                let mut latest = 0.0;
                while !done.load(Ordering::Relaxed) {
                    let fetched = reader.fetch(&plan, &requests, 0, &mut joined);
                    assert_eq!(fetched, Fetched::Joined);
                    let version = joined.matrix.get(0, 0);
                    assert!(version >= latest);
                    latest = version;
                    for row in 0..USERS {
                        assert_eq!(joined.outcomes[row].status, FeatureStatus::Stored);
                        assert!((joined.matrix.get(row, 0) - version).abs() < f64::EPSILON);
                    }
                }
            });
        }
        for version in 1..50 {
            import(&store, &csv_of(version)).unwrap();
        }
    });
}

#[test]
fn a_reader_does_not_wait_for_an_import_under_way() {
    let (_folder, store) = store_of("user_id,a\nu,1\n");
    let schema = store.schema().unwrap().unwrap();
    let mut writer = EmbeddedWriter::begin(&store, &schema, false).unwrap();
    writer.put(b"u", 0, &[CellValue::Float(2.0)]).unwrap();
    let read = || {
        let reader = EmbeddedReader::new(&store).unwrap();
        let plan = plan_of(&reader, &[column("a")], &FeaturePolicies::default());
        fetch(&reader, &plan, &["u"]).matrix.get(0, 0)
    };
    let before = std::thread::scope(|scope| scope.spawn(read).join().unwrap());
    writer.commit().unwrap();
    assert_eq!((before, read()), (1.0, 2.0));
}

#[test]
fn a_store_knows_when_it_was_last_imported_to() {
    let before = now_us();
    let (_folder, store) = store_of("user_id,a\nu,1\n");
    let first = store.imported_us().unwrap().expect("it was imported to");
    assert!((before..=now_us()).contains(&first));
    import(&store, "user_id,a\nv,1\n").unwrap();
    let second = store.imported_us().unwrap().expect("again");
    assert!((first..=now_us()).contains(&second));
    assert!(import(&store, "user_id,a\nv,x\n").is_err());
    assert_eq!(store.imported_us().unwrap(), Some(second), "one that failed is none");
}

#[test]
fn a_failed_import_changes_nothing() {
    let (_folder, store) = store_of("user_id,a\nu,1\n");
    for bad in ["user_id,a\nu,2\nv,x\n", "user_id,a\n", ""] {
        let options = options(OnBadRow::Fatal, true);
        let result = import_embedded(&store, bad.as_bytes(), &options, &mut Heard::default());
        assert!(result.is_err(), "{bad:?}");
    }
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_of(&reader, &[column("a")], &FeaturePolicies::default());
    let joined = fetch(&reader, &plan, &["u", "v"]);
    assert_eq!(joined.outcomes[1].status, FeatureStatus::Missing);
    assert_eq!(row(&joined, 0), [1.0]);
}
