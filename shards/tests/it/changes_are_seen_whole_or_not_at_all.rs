//! While one thread writes rows, removes them and merges the log, readers on other threads see each row as
//! one write left it: never some cells of one and some of another.

use std::sync::atomic::{AtomicBool, Ordering};

use shards::features::column::{CellValue, ColumnType};
use shards::features::embedded::{
    ChangeBatch, ChangeWriter, Durability, EmbeddedReader, EmbeddedStore, EmbeddedWriter,
};
use shards::features::inputs::{FeaturePolicies, InputColumn};

use crate::stores::{fetch, plan_of, row, store_of};

const ROUNDS: u32 = 300;
const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// Each row has one number in all of its columns.
fn write(store: &EmbeddedStore) {
    let schema = store.schema().unwrap().unwrap();
    let mut writer = ChangeWriter::open(store).unwrap();
    for round in 1..=ROUNDS {
        let mut batches = Vec::new();
        for (at, key) in KEYS.iter().enumerate() {
            let mut batch = ChangeBatch::new(&schema);
            let number = CellValue::Double(f64::from(round * 10 + at as u32));
            let cells: Vec<_> = (0..NAMES.len()).map(|column| (column, number)).collect();
            if (round + at as u32).is_multiple_of(7) {
                batch.remove(key.as_bytes());
            }
            batch.put(&schema, key.as_bytes(), None, &cells);
            batches.push(batch);
        }
        writer.commit(&batches, Durability::System).unwrap();
        if round.is_multiple_of(60) {
            EmbeddedWriter::begin(store, &schema, false).and_then(EmbeddedWriter::commit).unwrap();
        }
    }
}

#[test]
fn a_row_is_of_one_write() {
    let header = NAMES.map(|name| format!("{name}:double")).join(",");
    let (folder, store) = store_of(&format!("user_id,{header}\nk0,0,0,0,0,0,0,0,0\n"));
    let is_done = AtomicBool::new(false);
    let columns = NAMES.map(|name| InputColumn {
        name: name.to_owned(),
        column_type: ColumnType::Double,
        ..InputColumn::default()
    });
    let read = |store: &EmbeddedStore| {
        let reader = EmbeddedReader::new(store).unwrap();
        let plan = plan_of(&reader, &columns, &FeaturePolicies::default());
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let is_last = is_done.load(Ordering::Acquire);
            let joined = fetch(&reader, &plan, &KEYS);
            for at in 0..KEYS.len() {
                let cells = row(&joined, at);
                assert!(
                    cells.iter().all(|cell| cell.to_bits() == cells[0].to_bits()),
                    "{at}: {cells:?}"
                );
                seen.insert(cells[0] as u64);
            }
            if is_last {
                let last = u64::from(ROUNDS) * 10;
                let found: Vec<_> = (0..KEYS.len()).map(|at| row(&joined, at)[0] as u64).collect();
                assert_eq!(found, [last, last + 1, last + 2, last + 3]);
                return seen.len();
            }
        }
    };
    std::thread::scope(|scope| {
        let elsewhere = EmbeddedStore::open(folder.path()).unwrap();
        let same = scope.spawn(|| read(&store));
        let other = scope.spawn(move || read(&elsewhere));
        write(&store);
        is_done.store(true, Ordering::Release);
        assert!(same.join().unwrap() >= 4 && other.join().unwrap() >= 4);
    });
}
