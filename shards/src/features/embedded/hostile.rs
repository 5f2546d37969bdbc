//! Files whose checksums hold and whose numbers lie: made to harm, not by chance. Every offset and
//! length in them is one that the reader has to bound; nothing panics, reads elsewhere or goes on for
//! ever.

use proptest::prelude::*;
use proptest::sample::Index;

use super::buckets::{NewBucket, Slot};
use super::entries::{Entry, EntryCopy};
use super::keyed_hash::KeyedHash;
use super::layout::{
    BUCKET_BYTES, ENTRY_HEAD_BYTES, HEADER_BYTES, Header, RECORDS_AT, TEXT_PLACE_BYTES,
};
use super::snapshot::{Found, Snapshot};
use super::store::{EmbeddedStore, FILE};
use super::walk::Step;
use super::writer::EmbeddedWriter;
use crate::features::column::{CellValue, ColumnType};
use crate::features::schema::{Schema, StoreColumn};
use crate::features::texts::Texts;

const ROWS: u64 = 30;

/// A change of a file that leaves its checksums right.
#[derive(Debug, Clone)]
enum Lie {
    /// A number of the header.
    Header(usize, u64),
    /// A slot: where some key's record is said to be.
    Slot(Index, u64),
    /// All slots of all buckets: no search ends at an empty one.
    FullIndex(u64),
    /// The length of a record's key.
    KeyLength(Index, u16),
    /// Where a text is said to be.
    TextPlace(Index, u64),
    /// A text's length.
    TextLength(Index, u32),
}

fn lie() -> impl Strategy<Value = Lie> {
    let number = prop_oneof![
        any::<u64>(),
        0_u64..20_000,
        (0_u64..80).prop_map(|less| u64::MAX - less),
        (0_u64..64).prop_map(|bit| 1 << bit),
    ];
    prop_oneof![
        (0_usize..12, number.clone()).prop_map(|(at, number)| Lie::Header(at, number)),
        (any::<Index>(), number.clone()).prop_map(|(at, number)| Lie::Slot(at, number)),
        number.clone().prop_map(Lie::FullIndex),
        (any::<Index>(), number).prop_map(|(at, number)| Lie::TextPlace(at, number)),
        (any::<Index>(), any::<u32>()).prop_map(|(at, length)| Lie::TextLength(at, length)),
        (any::<Index>(), any::<u16>()).prop_map(|(at, length)| Lie::KeyLength(at, length)),
    ]
}

fn key(user: u64) -> Vec<u8> {
    format!("user-{user}").into_bytes()
}

fn whole_file() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let column = |name: &str, column_type| StoreColumn { name: name.to_owned(), column_type };
    let columns = vec![column("a", ColumnType::Float), column("b", ColumnType::Text)];
    let schema = Schema::new(columns).unwrap();
    let mut writer = EmbeddedWriter::begin(&store, &schema, true).unwrap();
    for user in 0..ROWS {
        let text = format!("text {}", user % 7);
        writer
            .put(&key(user), 0, &[CellValue::Float(user as f32), CellValue::Text(&text)])
            .unwrap();
    }
    writer.commit().unwrap();
    let bytes = std::fs::read(folder.path().join(FILE)).unwrap();
    (folder, bytes)
}

fn header_of(bytes: &[u8]) -> Header {
    Header::decode(bytes.first_chunk::<HEADER_BYTES>().unwrap()).unwrap()
}

/// Tells the lie, and makes the checksums right again.
fn tell(lie: &Lie, bytes: &mut Vec<u8>, header: &mut Header) {
    let hash = KeyedHash::new(header.seed);
    let index_at = (header.index_at as usize).min(bytes.len());
    let bucket_count = (bytes.len() - index_at) / BUCKET_BYTES;
    match *lie {
        Lie::Header(0, bytes_said) => {
            header.file_bytes = bytes_said;
            bytes.resize(bytes_said.clamp(HEADER_BYTES as u64, 100_000) as usize, 0);
        }
        Lie::Header(1, seed) => header.seed = seed,
        Lie::Header(2, rows) => header.rows = rows,
        Lie::Header(3, end) => header.records_end = end,
        Lie::Header(4, at) => header.index_at = at,
        Lie::Header(5, buckets) => header.buckets = buckets,
        Lie::Header(6, length) => header.schema_bytes = length as u32,
        Lie::Header(7, length) => header.record_bytes = length as u32,
        Lie::Header(8, at) => header.imported_us = at.cast_signed(),
        Lie::Header(9, texts) => header.texts = texts,
        Lie::Header(10, at) => header.text_places_at = at,
        Lie::Header(_, changes) => header.changes = changes,
        Lie::TextPlace(at, place) => {
            let at = header.text_places_at as usize + at.index(7) * TEXT_PLACE_BYTES;
            let Some(said) = bytes.get_mut(at..at + TEXT_PLACE_BYTES) else { return };
            said.copy_from_slice(&place.to_le_bytes());
        }
        Lie::TextLength(at, length) => {
            let place = header.text_places_at as usize + at.index(7) * TEXT_PLACE_BYTES;
            let Some(place) = bytes.get(place..).and_then(|bytes| bytes.first_chunk()) else {
                return;
            };
            let at = u64::from_le_bytes(*place) as usize;
            let Some(said) = bytes.get_mut(at.saturating_add(8)..at.saturating_add(12)) else {
                return;
            };
            said.copy_from_slice(&length.to_le_bytes());
        }
        Lie::Slot(at, offset) if bucket_count > 0 => {
            let bucket = index_at + at.index(bucket_count) * BUCKET_BYTES;
            let mut made = NewBucket::default();
            for user in 0..7 {
                made.put(Slot::new(hash.of(&key(user)), offset & ((1 << 48) - 1)));
            }
            bytes[bucket..bucket + BUCKET_BYTES].copy_from_slice(&made.encode(&hash));
        }
        Lie::FullIndex(offset) => {
            let mut made = NewBucket::default();
            while made.put(Slot::new(!hash.of(&key(0)), offset & ((1 << 48) - 1) | 1)) {}
            let (buckets, _) = bytes[index_at..].as_chunks_mut::<BUCKET_BYTES>();
            buckets.fill(made.encode(&hash));
        }
        Lie::KeyLength(at, length) => {
            let record_bytes = header.record_bytes as usize;
            let start = RECORDS_AT as usize;
            let step = ENTRY_HEAD_BYTES + key(0).len() + record_bytes;
            let at = start + at.index(ROWS as usize) * step;
            let Some(head) = bytes.get_mut(at + 4..at + 6) else { return };
            head.copy_from_slice(&length.to_le_bytes());
            let end = at + ENTRY_HEAD_BYTES + usize::from(length) + record_bytes;
            let Some(covered) = bytes.get(at + 4..end) else { return };
            let checksum = hash.checksum(covered);
            bytes[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
        }
        Lie::Slot(..) => {}
    }
}

/// Everything that is done with a file, by its own word.
fn use_all_of(snapshot: &Snapshot) {
    let mut copy = EntryCopy::default();
    for user in 0..ROWS + 2 {
        let key = key(user);
        let hash = snapshot.hash.of(&key);
        snapshot.prefetch_bucket(hash);
        snapshot.prefetch_entry(hash, key.len());
        if snapshot.find(hash, &key, &mut copy) == Found::Stored {
            let entry = copy.entry(snapshot.header.record_bytes as usize).unwrap();
            assert!(entry.key() == key && entry.is_whole(&snapshot.hash));
        }
    }
    for offset in [0, 1, RECORDS_AT - 1, RECORDS_AT, snapshot.header.records_end, u64::MAX] {
        let _: Option<Entry<'_>> = snapshot.entry(offset);
    }
    let steps = snapshot.walk().count() as u64;
    assert_eq!(steps, snapshot.header.rows);
    assert!(snapshot.walk().all(|step| match step {
        Step::Whole(entry) => entry.is_whole(&snapshot.hash),
        Step::Damaged => true,
    }));
    assert!(snapshot.damaged_buckets() <= snapshot.header.buckets);
    for code in [0, 1, 6, 7, u32::MAX] {
        let mut copied = Vec::new();
        let is_there = snapshot.copy_text(code, &mut copied);
        assert_eq!(snapshot.text(code), is_there.then_some(&*copied));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    #[cfg_attr(miri, ignore = "it maps files")]
    fn a_file_that_lies_harms_nobody(lies in prop::collection::vec(lie(), 1..4)) {
        let (folder, mut bytes) = whole_file();
        let mut header = header_of(&bytes);
        for lie in &lies {
            tell(lie, &mut bytes, &mut header);
        }
        bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        let path = folder.path().join(FILE);
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(Some(snapshot)) = Snapshot::open(&path) {
            use_all_of(&snapshot);
        }
    }
}

/// What the property is worth: without a lie the file opens, and every user is found.
#[test]
#[cfg_attr(miri, ignore = "it maps files")]
fn a_file_that_does_not_lie_is_read() {
    let (folder, _) = whole_file();
    let snapshot = Snapshot::open(&folder.path().join(FILE)).unwrap().unwrap();
    use_all_of(&snapshot);
    let mut copy = EntryCopy::default();
    for user in 0..ROWS {
        let found = snapshot.find(snapshot.hash.of(&key(user)), &key(user), &mut copy);
        assert_eq!(found, Found::Stored);
    }
}
