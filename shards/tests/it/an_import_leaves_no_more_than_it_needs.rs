//! A store's file is as long as its rows need, however often and in whatever order they came; and
//! beside it there is nothing but the lock of imports.

use std::fmt::Write;
use std::path::Path;

use shards::features::column::CellValue;
use shards::features::embedded::{EmbeddedReader, EmbeddedStore, EmbeddedWriter};
use shards::features::import::{OnBadRow, import_embedded};
use shards::features::inputs::FeaturePolicies;
use shards::provenance::FeatureStatus;

use crate::stores::{Heard, column, fetch, import, options, plan_of, row, store_of};

const USERS: usize = 20_000;
const COLUMNS: usize = 30;

/// All users with these features, in an order that `step` makes, which has no factor in common with
/// their number.
fn csv(users: usize, step: usize, feature: usize) -> String {
    let names: Vec<String> = (0..COLUMNS).map(|column| format!("c{column}")).collect();
    let mut csv = format!("user_id,{}\n", names.join(","));
    for at in 0..users {
        write!(csv, "user-{:07}", at * step % users).unwrap();
        for column in 0..COLUMNS {
            write!(csv, ",{}", feature + column).unwrap();
        }
        csv.push('\n');
    }
    csv
}

fn length(store: &EmbeddedStore) -> u64 {
    store.file_bytes().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What keys and packed rows take, with nothing around them.
fn bare(users: usize) -> u64 {
    let row = 8 + 4 * COLUMNS + COLUMNS.div_ceil(8);
    (users * ("user-0000000".len() + row)) as u64
}

#[test]
fn again_and_again() {
    let (folder, store) = store_of(&csv(USERS, 1, 0));
    let once = length(&store);
    assert!(once < bare(USERS) * 12 / 10, "{once} for {}", bare(USERS));
    for round in 1..4 {
        let replace = round == 2;
        let options = options(OnBadRow::Fatal, replace);
        let csv = csv(USERS, 7, round);
        import_embedded(&store, csv.as_bytes(), &options, &mut Heard::default()).unwrap();
        assert_eq!(length(&store), once, "round {round}");
    }
    // Some of the rows, and the same row many times.
    import(&store, &csv(100, 1, 9)).unwrap();
    let twice = csv(50, 1, 9) + csv(50, 1, 8).split_once('\n').unwrap().1;
    import(&store, &twice).unwrap();
    assert_eq!((length(&store), store.rows().unwrap()), (once, USERS as u64));
    assert_eq!(names(folder.path()), ["features.store", "import.lock"]);
}

/// What a row needs to be found and told from a damaged one: its key and its cells, the key's length
/// (2), a checksum (4), and where it is (8).
#[test]
fn narrow_rows_take_little_more_than_they_need() {
    // When it was updated (8), the cells, and a bit for each.
    for (types, cells, row) in [("a", ",1", 13), ("a:tinyint", ",1", 10), ("a,b,c", ",1,2,3", 21)] {
        let mut csv = format!("user_id,{types}\n");
        for user in 0..USERS {
            writeln!(csv, "{user:07}{cells}").unwrap();
        }
        let (_folder, store) = store_of(&csv);
        let needed = (USERS * ("0000000".len() + row + 2 + 4 + 8)) as u64;
        // The header and the schema are there once.
        let found = length(&store) - 5_000;
        assert!(found * 10 <= needed * 12, "{types}: {found} for {needed}");
    }
}

#[test]
fn a_later_row_of_a_key_is_the_one_that_counts() {
    // More than is gathered before it is written: the first rows are in the file by then.
    let (_folder, store) = store_of(&csv(USERS, 1, 0));
    let again = csv(USERS, 1, 1) + csv(USERS, 3, 2).split_once('\n').unwrap().1;
    import(&store, &again).unwrap();
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_of(&reader, &[column("c0"), column("c29")], &FeaturePolicies::default());
    for user in ["user-0000000", "user-0000001", "user-0019999"] {
        let joined = fetch(&reader, &plan, &[user]);
        assert_eq!(joined.outcomes[0].status, FeatureStatus::Stored);
        assert_eq!(row(&joined, 0), [2.0, 31.0], "{user}");
    }
    assert_eq!(store.rows().unwrap(), USERS as u64);
}

#[test]
fn what_a_dead_import_left_goes_with_the_next() {
    let (folder, store) = store_of("user_id,a\nu,1\n");
    std::fs::write(folder.path().join("features.store.new"), vec![7; 1 << 20]).unwrap();
    import(&store, "user_id,a\nv,2\n").unwrap();
    assert_eq!(names(folder.path()), ["features.store", "import.lock"]);
    assert!(length(&store) < 8_192 && store.for_each(|_, _| ()).unwrap().is_whole());
}

#[test]
fn who_could_read_the_store_still_can() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, store) = store_of("user_id,a\nu,1\n");
    let file = folder.path().join("features.store");
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600, "features are nobody else's business");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    import(&store, "user_id,a\nv,2\n").unwrap();
    assert_eq!(mode(), 0o640);
}

#[test]
fn an_import_that_is_given_up_leaves_nothing() {
    let (folder, store) = store_of("user_id,a\nu,1\n");
    let schema = store.schema().unwrap().unwrap();
    let mut writer = EmbeddedWriter::begin(&store, &schema, true).unwrap();
    writer.put(b"w", 0, &[CellValue::Float(2.0)]).unwrap();
    assert_eq!(names(folder.path()).len(), 3);
    assert!(store.is_being_imported());
    drop(writer);
    assert!(!store.is_being_imported());
    assert_eq!(names(folder.path()), ["features.store", "import.lock"]);
    assert_eq!(store.rows().unwrap(), 1);
}

#[test]
fn two_imports_come_one_after_the_other() {
    let (_folder, store) = store_of("user_id,a\nu,1\n");
    std::thread::scope(|scope| {
        for user in 0..8 {
            let store = store.clone();
            scope.spawn(move || import(&store, &format!("user_id,a\nuser-{user},1\n")).unwrap());
        }
    });
    assert_eq!(store.rows().unwrap(), 9, "no import was lost");
}
