//! Bytes of a store's file that are not as they were written: a row is what was imported, or an
//! error, and never another row's, nor said to be missing.

use std::fmt::Write as _;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use shards::features::Categories;
use shards::features::column::ColumnType;
use shards::features::embedded::{EmbeddedError, EmbeddedReader, EmbeddedStore, RecordsChecked};
use shards::features::import::{ImportError, OnBadRow, import_embedded};
use shards::features::inputs::{FeaturePolicies, InputColumn};
use shards::features::stored::StoredRow;
use shards::provenance::FeatureStatus::{self, Error, Missing, Stored};

use crate::stores::{Heard, column, fetch, import, options, plan_of, row, store_of};
use crate::support::{Setup, wait_until};

/// Where a file's records begin; the header before them is read once, when the file is opened.
const RECORDS_AT: usize = 4_096;

/// Users with keys of every length, each with a feature of its own.
fn users(count: usize) -> Vec<(String, f64)> {
    (0..count).map(|user| ("u".repeat(1 + user % 5) + &user.to_string(), user as f64)).collect()
}

fn csv(users: &[(String, f64)]) -> String {
    let mut csv = "user_id,a\n".to_owned();
    for (key, value) in users {
        writeln!(csv, "{key},{value}").unwrap();
    }
    csv
}

fn file_of(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("features.store")
}

/// Writes over some bytes of a file, in place, as nobody should.
fn overwrite(path: &PathBuf, at: usize, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(bytes).unwrap();
}

/// What a reader says of each of `keys`, with the first feature.
fn read(reader: &EmbeddedReader, keys: &[&str]) -> Vec<(FeatureStatus, f64)> {
    let plan = plan_of(reader, &[column("a")], &FeaturePolicies::default());
    let joined = fetch(reader, &plan, keys);
    (0..keys.len()).map(|at| (joined.outcomes[at].status, row(&joined, at)[0])).collect()
}

/// A user is what was imported, or an error; one that is not there is missing, or an error.
fn assert_honest(reader: &EmbeddedReader, users: &[(String, f64)]) -> usize {
    let mut keys: Vec<&str> = users.iter().map(|(key, _)| key.as_str()).collect();
    keys.extend(["nobody", "v1", "u"]);
    let found = read(reader, &keys);
    for (at, (status, value)) in found.iter().enumerate() {
        match users.get(at) {
            _ if *status == Error => {}
            Some((key, expected)) => {
                assert_eq!((*status, *value), (Stored, *expected), "{key}");
            }
            None => assert_eq!(*status, Missing, "{}", keys[at]),
        }
    }
    found.iter().filter(|(status, _)| *status == Error).count()
}

#[test]
fn every_byte_may_be_any_other() {
    let users = users(40);
    let (folder, store) = store_of(&csv(&users));
    let reader = EmbeddedReader::new(&store).unwrap();
    let whole = fs::read(file_of(&folder)).unwrap();
    assert_eq!(assert_honest(&reader, &users), 0);
    let mut seen = 0;
    for at in RECORDS_AT..whole.len() {
        for changed in [whole[at] ^ 1, whole[at] ^ 0x80, 0, 0xff] {
            overwrite(&file_of(&folder), at, &[changed]);
            seen += assert_honest(&reader, &users);
        }
        overwrite(&file_of(&folder), at, &whole[at..=at]);
    }
    assert!(seen > 4 * 40 * 11, "{seen}: every byte of a record is one that its user needs");
    assert_eq!(reader.damaged() as usize, seen, "each is counted");
    assert_eq!(assert_honest(&reader, &users), 0);
}

/// A store whose users have texts, and the code of each user's.
fn texts_of(count: usize) -> (tempfile::TempDir, EmbeddedStore, Vec<(String, f64)>) {
    let mut csv = "user_id,a:text\n".to_owned();
    for user in 0..count {
        writeln!(csv, "user-{user},\"{}\"", "é".repeat(1 + user % 7)).unwrap();
    }
    let (folder, store) = store_of(&csv);
    let codes = (0..count).map(|user| (format!("user-{user}"), (user % 7) as f64));
    (folder, store, codes.collect())
}

fn codes_of(reader: &EmbeddedReader, users: &[(String, f64)]) -> Vec<(FeatureStatus, f64)> {
    let column = InputColumn { column_type: ColumnType::Text, ..column("a") };
    let texts: Vec<String> = (1..=7).map(|count| "é".repeat(count)).collect();
    let known = texts.iter().zip(0_u32..).map(|(text, code)| (text.as_str(), f64::from(code)));
    let known = Some(Arc::new(Categories::new(known, -1.0)));
    let plan = plan_of(reader, &[column], &FeaturePolicies::default());
    let plan = plan.with_categories(&[known]).unwrap();
    let keys: Vec<&str> = users.iter().map(|(key, _)| key.as_str()).collect();
    let joined = fetch(reader, &plan, &keys);
    (0..keys.len()).map(|at| (joined.outcomes[at].status, row(&joined, at)[0])).collect()
}

#[test]
fn every_byte_of_a_file_with_texts_may_be_any_other() {
    let (folder, store, users) = texts_of(20);
    let reader = EmbeddedReader::new(&store).unwrap();
    let whole = fs::read(file_of(&folder)).unwrap();
    let expected: Vec<_> = users.iter().map(|(_, code)| (Stored, *code)).collect();
    assert_eq!(codes_of(&reader, &users), expected);
    let (mut seen, mut counted) = (0, 0);
    for at in RECORDS_AT..whole.len() {
        overwrite(&file_of(&folder), at, &[whole[at] ^ 0x41]);
        for ((status, code), (key, expected)) in codes_of(&reader, &users).iter().zip(&users) {
            assert!(*status == Error || (*status, *code) == (Stored, *expected), "{at}: {key}");
            seen += usize::from(*status == Error);
        }
        // With a damaged schema it is not opened.
        let checked = store.for_each(|_, _| ()).unwrap_or_default();
        counted += usize::from(checked.damaged_texts > 0);
        overwrite(&file_of(&folder), at, &whole[at..=at]);
    }
    // Seven texts of 12 bytes and as many as their letters take, each with 8 for its place.
    assert_eq!(counted, 7 * (12 + 8) + 2 * (1 + 2 + 3 + 4 + 5 + 6 + 7));
    assert_eq!(reader.damaged() as usize, seen, "each is counted");
    assert_eq!(codes_of(&reader, &users), expected);
}

#[test]
fn an_import_keeps_no_row_with_a_damaged_text() {
    let (folder, store, _) = texts_of(20);
    let whole = fs::read(file_of(&folder)).unwrap();
    let text = "é".repeat(7);
    let at = whole.windows(14).position(|bytes| bytes == text.as_bytes()).expect("the text");
    overwrite(&file_of(&folder), at, b"x");
    let refused = import(&store, "user_id,a:text\nnew,x\n");
    let error = refused.expect_err("two rows have the text");
    assert!(error.to_string().contains("2 of 20 records are damaged"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_may_be_anywhere(
        damage in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..80)), 1..8
        ),
    ) {
        let users = users(60);
        let (folder, store) = store_of(&csv(&users));
        let reader = EmbeddedReader::new(&store).unwrap();
        let length = fs::metadata(file_of(&folder)).unwrap().len() as usize;
        for (at, bytes) in damage {
            let at = RECORDS_AT + at.index(length - RECORDS_AT);
            overwrite(&file_of(&folder), at, &bytes[..bytes.len().min(length - at)]);
        }
        assert_honest(&reader, &users);
    }
}

#[test]
fn another_stores_records_are_not_this_ones() {
    let first: Vec<(String, f64)> = users(40);
    let second: Vec<_> = first.iter().map(|(key, value)| (key.clone(), value + 1.0)).collect();
    let (folder, store) = store_of(&csv(&first));
    let (other, _kept) = store_of(&csv(&second));
    let reader = EmbeddedReader::new(&store).unwrap();
    // What `cp` does: the same file, other bytes.
    fs::copy(file_of(&other), file_of(&folder)).unwrap();
    assert_eq!(assert_honest(&reader, &first), 43, "nothing of it passes as this store's");
}

#[test]
fn each_record_is_counted_once() {
    let users = users(200);
    let (folder, store) = store_of(&csv(&users));
    let checked = || store.for_each(|_, _| ()).unwrap();
    assert_eq!(checked(), RecordsChecked { rows: 200, ..RecordsChecked::default() });
    let whole = fs::read(file_of(&folder)).unwrap();
    // The length of the first record's key: behind it nothing would be found without the index.
    let length_at = RECORDS_AT + 4;
    overwrite(&file_of(&folder), length_at, &[0xff, 0x01]);
    assert_eq!((checked().rows, checked().damaged), (200, 1));
    let mut seen = 0;
    store.for_each(|_, _| seen += 1).unwrap();
    assert_eq!(seen, 199);
    overwrite(&file_of(&folder), whole.len() - 64, &[0xff]);
    assert_eq!(checked().damaged_buckets, 1);
    let preloaded = store.preload(u64::MAX, |_| true).unwrap();
    assert_eq!(preloaded.records, checked());
}

#[test]
fn an_import_keeps_no_damaged_record() {
    let (folder, store) = store_of("user_id,a\nu,1\nv,2\n");
    overwrite(&file_of(&folder), RECORDS_AT + 10, &[9]);
    let before = fs::read(file_of(&folder)).unwrap();
    let refused = import(&store, "user_id,a\nw,3\n");
    let is_it = matches!(
        refused,
        Err(ImportError::Store(EmbeddedError::RecordsDamaged { damaged: 1, rows: 2, .. }))
    );
    assert!(is_it, "{refused:?}");
    assert_eq!(fs::read(file_of(&folder)).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the file and the lock");
    let options = options(OnBadRow::Fatal, true);
    let csv = "user_id,a\nu,1\nv,2\n";
    import_embedded(&store, csv.as_bytes(), &options, &mut Heard::default()).unwrap();
    assert!(store.for_each(|_, _| ()).unwrap().is_whole());
}

#[test]
fn what_a_header_says_is_checked_when_it_is_opened() {
    let (folder, store) = store_of(&csv(&users(40)));
    drop(store);
    let whole = fs::read(file_of(&folder)).unwrap();
    let opened = |bytes: &[u8]| {
        fs::write(file_of(&folder), bytes).unwrap();
        EmbeddedStore::open(folder.path()).map(|_| ()).unwrap_err()
    };
    for length in [112, 4_096, 4_097, whole.len() / 2, whole.len() - 1] {
        let error = opened(&whole[..length]);
        assert!(matches!(error, EmbeddedError::Length { .. }), "{length}: {error}");
        assert!(error.to_string().contains(&format!("has {length} bytes")), "{error}");
    }
    for length in [0, 8, 111] {
        let error = opened(&whole[..length]);
        assert!(matches!(error, EmbeddedError::NotAStore { .. }), "{length}: {error}");
    }
    let longer = [&whole[..], b"more"].concat();
    assert!(matches!(opened(&longer), EmbeddedError::Length { .. }));
    for at in 12..112 {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        let error = opened(&damaged);
        assert!(matches!(error, EmbeddedError::Damaged { part: "header", .. }), "{at}: {error}");
    }
    let schema = whole.windows(4).position(|bytes| bytes == b"name").expect("the schema");
    let mut damaged = whole.clone();
    damaged[schema + 8] ^= 1;
    assert!(matches!(opened(&damaged), EmbeddedError::Damaged { part: "schema", .. }));
    let mut newer = whole;
    newer[8] = 5;
    assert!(matches!(opened(&newer), EmbeddedError::Format { found: 5, .. }));
}

#[test]
fn a_damaged_row_follows_the_policy_and_the_others_are_scored() {
    for (policy, status) in [("reject", 503), ("default", 200), ("stale", 200)] {
        let manifest = format!(
            "[policies]\non_error = {policy:?}\n[[columns]]\nname = \"feature_1\"\n\
             [[columns]]\nname = \"feature_2\"\n[[columns]]\nname = \"feature_3\"\n"
        );
        let csv = "user_id,feature_1,feature_2,feature_3\nu,1,2,3\nv,1,2,3\n";
        let served = Setup::with_manifest(&manifest).csv(csv).serve();
        let mut client = served.client();
        let expected = client.predict("{\"user_id\": \"v\"}").score();
        overwrite(&served.store.path().join("features.store"), RECORDS_AT + 20, &[0x55]);
        let answer = client.predict("{\"user_id\": \"u\"}");
        assert_eq!((answer.status, answer.field("x-features")), (status, Some("error")));
        let other = client.predict("{\"user_id\": \"v\"}");
        assert_eq!(other.score().to_bits(), expected.to_bits());
        assert_eq!(other.field("x-features"), Some("stored"));
        let damaged = || served.shared.telemetry.store.damaged.get();
        wait_until("it is counted", || damaged() == 1);
    }
}

#[test]
fn a_damaged_text_is_shown_to_nobody_as_missing() {
    let (folder, store) = store_of("user_id,a:text,b\nu,recognisable,1\n");
    let row = StoredRow::embedded(&store, "u").unwrap().unwrap();
    assert_eq!(row.cells[0].1, "recognisable");
    let file = file_of(&folder);
    let bytes = fs::read(&file).unwrap();
    let at = bytes.windows(12).position(|bytes| bytes == b"recognisable").unwrap();
    overwrite(&file, at, b"R");
    let found = StoredRow::embedded(&store, "u");
    assert!(matches!(found, Err(EmbeddedError::RecordDamaged { .. })), "{found:?}");
}
