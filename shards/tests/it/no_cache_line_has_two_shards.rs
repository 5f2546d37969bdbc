//! What one shard writes lies on cache lines that no other shard writes: its own counters, those of
//! its store and of each of its models with their cells, and the buffers that it hands over.
//!
//! A line is counted as two, since the prefetcher brings the one beside it along.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::support::{Served, Setup, wait_until};
use shards::journal::JournalSlot;
use shards::shard::ShardShared;
use shards::telemetry::cells::Cells;
use shards::telemetry::shard::ShardTelemetry;
use shards::telemetry::{Handover, LaneCounters, LaneTelemetry, ShardCounters, StoreCounters};

const LINE: usize = 128;

#[test]
fn what_a_shard_writes_begins_and_ends_with_a_line() {
    for (name, align, size) in [
        ("ShardCounters", align_of::<ShardCounters>(), size_of::<ShardCounters>()),
        ("StoreCounters", align_of::<StoreCounters>(), size_of::<StoreCounters>()),
        ("LaneCounters", align_of::<LaneCounters>(), size_of::<LaneCounters>()),
        ("Handover", align_of::<Handover>(), size_of::<Handover>()),
        ("JournalSlot", align_of::<JournalSlot>(), size_of::<JournalSlot>()),
        // What holds them, with the locks beside them.
        ("LaneTelemetry", align_of::<LaneTelemetry>(), size_of::<LaneTelemetry>()),
        ("ShardTelemetry", align_of::<ShardTelemetry>(), size_of::<ShardTelemetry>()),
        ("ShardShared", align_of::<ShardShared>(), size_of::<ShardShared>()),
    ] {
        assert_eq!((align % LINE, size % LINE), (0, 0), "{name}");
    }
}

fn lines<T>(value: &T) -> RangeInclusive<usize> {
    let start = std::ptr::from_ref(value).addr();
    start / LINE..=(start + size_of::<T>() - 1) / LINE
}

/// Every line that a shard writes for others to read.
fn written(shard: &Served) -> Vec<(String, RangeInclusive<usize>)> {
    let telemetry = &shard.shared.telemetry;
    let mut written = vec![
        ("counters".to_owned(), lines(&telemetry.counters)),
        ("store".to_owned(), lines(&telemetry.store)),
        ("handover".to_owned(), lines(&telemetry.handover)),
        ("journal".to_owned(), lines(&shard.shared.journal)),
        ("shared".to_owned(), lines(&*shard.shared)),
    ];
    for lane in telemetry.lanes() {
        let LaneCounters { cells_defaulted, texts_unknown, bins, .. } = &lane.counters;
        written.push(("lane".to_owned(), lines(&lane.counters)));
        written.push(("lane's handover".to_owned(), lines(&lane.handover)));
        for (name, cells) in
            [("cells_defaulted", cells_defaulted), ("unknown", texts_unknown), ("bins", bins)]
        {
            assert!(!cells.is_empty(), "{name}");
            written.extend(cells_of(name, cells));
        }
    }
    written
}

fn cells_of(name: &str, cells: &Cells) -> Vec<(String, RangeInclusive<usize>)> {
    (0..cells.len()).map(|index| (format!("{name}[{index}]"), lines(cells.get(index)))).collect()
}

#[test]
fn no_line_is_written_by_two_shards_that_serve() {
    let shards = [(); 3].map(|()| Setup::of("demo-logistic").serve());
    let mut owners: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    for (index, shard) in shards.iter().enumerate() {
        wait_until("a model is served", || !shard.shared.telemetry.lanes().is_empty());
        // Again in place of the first, beside what the other shards have allocated meanwhile.
        shard.reload();
        for (what, range) in written(shard) {
            for line in range {
                let (owner, other) = owners.entry(line).or_insert_with(|| (index, what.clone()));
                assert_eq!(*owner, index, "{what} of shard {index} lies beside {other}");
            }
        }
    }
    assert!(owners.len() > 3 * 8, "{owners:?}");
}
