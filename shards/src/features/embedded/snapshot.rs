//! One file of a store, opened and checked: it never changes, so what it says is said once.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::buckets::{Bucket, bucket_of};
use super::entries::{Entry, EntryCopy, TextEntry};
use super::error::EmbeddedError;
use super::keyed_hash::KeyedHash;
use super::layout::{
    BUCKET_BYTES, BadHeader, ENTRY_HEAD_BYTES, HEADER_BYTES, Header, RECORDS_AT, TEXT_PLACE_BYTES,
};
use super::map::Map;
use super::walk::Walk;
use crate::features::record::RecordLayout;
use crate::features::schema::Schema;
use crate::features::texts::Texts;

/// Bytes that a prefetch brings.
const CACHE_LINE_BYTES: usize = 64;

/// What tells a file from the one that takes its place, and from itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// What no tool sets: `cp -p` gives a file the time at which another one was written.
    changed_ns: i128,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed_ns: i128::from(metadata.ctime()) * 1_000_000_000
                + i128::from(metadata.ctime_nsec()),
        }
    }
}

/// What a look for a key found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The store has it, as it was written: it was copied.
    Stored,
    /// The store has no such key.
    Missing,
    /// Something on the way to it is not as it was written: whether there is one is not known.
    Damaged,
}

/// A store's file, opened.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) file: File,
    pub(super) header: Header,
    pub(super) hash: KeyedHash,
    pub(super) schema: Schema,
    pub(super) stamp: Stamp,
    path: PathBuf,
    map: Map,
    /// The word that says that a newer file took this one's place, as it was found: a file that was
    /// put back from a link has been superseded before.
    superseded: u64,
}

impl Snapshot {
    /// Opens the file at `path` and checks what it says of itself; `None` where there is no file.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, EmbeddedError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(EmbeddedError::io(path, "opening the store"))?,
        };
        let metadata = file.metadata().map_err(EmbeddedError::io(path, "opening the store"))?;
        let header = read_header(path, &file, metadata.len())?;
        if metadata.len() != header.file_bytes {
            let (found, expected) = (metadata.len(), header.file_bytes);
            return Err(EmbeddedError::Length { path: path.to_owned(), found, expected });
        }
        let hash = KeyedHash::new(header.seed);
        let schema = read_schema(path, &file, &header, &hash)?;
        let map = Map::of(&file, header.file_bytes as usize)
            .map_err(EmbeddedError::io(path, "mapping the store into memory"))?;
        let superseded = map.word().load(Ordering::Relaxed);
        let (path, stamp) = (path.to_owned(), Stamp::of(&metadata));
        Ok(Some(Self { file, header, hash, schema, stamp, path, map, superseded }))
    }

    /// The word of those who write: another one than [`Self::superseded_at_open`] says that a newer
    /// file took this one's place, or that changes are written beside it.
    pub(super) fn superseded(&self) -> u64 {
        self.map.word().load(Ordering::Relaxed)
    }

    /// The word when the file was opened.
    pub(super) fn superseded_at_open(&self) -> u64 {
        self.superseded
    }

    /// Whether something was read that the file had no longer: somebody has cut it.
    pub(super) fn was_cut(&self) -> bool {
        self.map.was_cut()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Has the kernel read the file, if it has not, without waiting for it.
    pub(super) fn will_need(&self) {
        self.map.will_need();
    }

    pub(super) fn buckets(&self) -> &[[u8; BUCKET_BYTES]] {
        let start = (self.header.index_at - RECORDS_AT) as usize;
        self.map.body()[start..].as_chunks().0
    }

    /// The records, one after the other.
    pub(super) fn records(&self) -> &[u8] {
        &self.map.body()[..(self.header.records_end - RECORDS_AT) as usize]
    }

    /// The entry at `offset` of the file, if there can be one.
    pub(super) fn entry(&self, offset: u64) -> Option<Entry<'_>> {
        let start = usize::try_from(offset.checked_sub(RECORDS_AT)?).ok()?;
        Entry::at(self.records().get(start..)?, self.header.record_bytes as usize)
    }

    /// Every entry, one after the other, whether it is whole or not.
    pub(super) fn walk(&self) -> Walk<'_> {
        Walk::new(self)
    }

    /// How many buckets of the index are not as they were written, which a walk over whole records
    /// does not see.
    pub(super) fn damaged_buckets(&self) -> u64 {
        let buckets = self.buckets().iter().map(Bucket);
        buckets.filter(|bucket| !bucket.is_whole(&self.hash)).count() as u64
    }

    /// Has the bucket where a key with this hash is looked for first brought near.
    pub(super) fn prefetch_bucket(&self, hash: u64) {
        prefetch(self.buckets()[bucket_of(hash, self.header.buckets)].as_ptr());
    }

    /// Has what is probably the record of a key with this hash and length brought near.
    pub(super) fn prefetch_entry(&self, hash: u64, key_bytes: usize) {
        let bucket = Bucket(&self.buckets()[bucket_of(hash, self.header.buckets)]);
        let Some(slot) = bucket.slots().find(|slot| slot.may_be(hash)) else { return };
        let start = slot.offset().wrapping_sub(RECORDS_AT) as usize;
        let bytes = ENTRY_HEAD_BYTES + key_bytes + self.header.record_bytes as usize;
        let Some(entry) = self.records().get(start..) else { return };
        let entry = &entry[..bytes.min(entry.len())];
        for line in entry.chunks(CACHE_LINE_BYTES) {
            prefetch(line.as_ptr());
        }
        // It may end in a line of its own, as it need not begin where a line does.
        if let Some(last) = entry.last() {
            prefetch(last);
        }
    }

    /// Looks for `key`, whose hash is `hash`, and leaves its entry in `copy`. Where there is damage
    /// on the way it never says that the store has no such key.
    pub(super) fn find(&self, hash: u64, key: &[u8], copy: &mut EntryCopy) -> Found {
        let buckets = self.buckets();
        let record_bytes = self.header.record_bytes as usize;
        let mut at = bucket_of(hash, self.header.buckets);
        let mut is_damaged = false;
        for _ in 0..buckets.len() {
            let bytes = buckets[at];
            let bucket = Bucket(&bytes);
            let mut has_room = false;
            for slot in bucket.slots() {
                has_room |= slot.is_empty();
                if !slot.may_be(hash) {
                    continue;
                }
                let entry = self.entry(slot.offset());
                match entry.and_then(|entry| copy.take(entry, record_bytes)) {
                    Some(entry) if entry.key() == key => {
                        return if entry.is_whole(&self.hash) {
                            Found::Stored
                        } else {
                            Found::Damaged
                        };
                    }
                    // Another key with the same bits of its hash, or this one, changed.
                    other => is_damaged |= !other.is_some_and(|entry| entry.is_whole(&self.hash)),
                }
            }
            is_damaged |= !bucket.is_whole(&self.hash);
            if has_room {
                break;
            }
            at = (at + 1) % buckets.len();
        }
        if is_damaged { Found::Damaged } else { Found::Missing }
    }

    /// The entry of a code's text, if there can be one.
    fn text_entry(&self, code: u32) -> Option<TextEntry<'_>> {
        let body = self.map.body();
        let start = |at: u64| usize::try_from(at.checked_sub(RECORDS_AT)?).ok();
        if u64::from(code) >= self.header.texts {
            return None;
        }
        let places = body.get(start(self.header.text_places_at)?..)?;
        let place = places.get(code as usize * TEXT_PLACE_BYTES..)?.first_chunk()?;
        TextEntry::at(body.get(start(u64::from_le_bytes(*place))?..)?)
    }

    /// How many of its texts are not as they were written.
    pub(super) fn damaged_texts(&self) -> u64 {
        let codes = 0..self.header.texts;
        codes.filter(|code| self.text(*code as u32).is_none()).count() as u64
    }

    /// How its records are packed.
    pub(super) fn layout(&self) -> RecordLayout {
        RecordLayout::new(&self.schema)
    }
}

impl Texts for Snapshot {
    fn generation(&self) -> u64 {
        self.header.seed
    }

    fn text(&self, code: u32) -> Option<&[u8]> {
        self.text_entry(code)?.text(&self.hash, code)
    }

    fn copy_text(&self, code: u32, to: &mut Vec<u8>) -> bool {
        let Some(entry) = self.text_entry(code) else { return false };
        // What is checked is what is used, whatever becomes of the file meanwhile.
        let copy = entry.bytes().to_vec();
        let text = TextEntry::at(&copy).and_then(|entry| entry.text(&self.hash, code));
        text.inspect(|text| to.extend_from_slice(text)).is_some()
    }
}

fn read_header(path: &Path, file: &File, file_bytes: u64) -> Result<Header, EmbeddedError> {
    let mut bytes = [0; HEADER_BYTES];
    let not_a_store = || EmbeddedError::NotAStore { path: path.to_owned() };
    // No format has a shorter file: the word about a newer one is at the end of a page.
    if file_bytes < HEADER_BYTES as u64 {
        return Err(not_a_store());
    }
    file.read_exact_at(&mut bytes, 0).map_err(EmbeddedError::io(path, "reading the store"))?;
    Header::decode(&bytes).map_err(|bad| match bad {
        BadHeader::NotAStore => not_a_store(),
        BadHeader::Format(found) => EmbeddedError::Format { path: path.to_owned(), found },
        BadHeader::Damaged => damaged(path, "header"),
    })
}

fn read_schema(
    path: &Path,
    file: &File,
    header: &Header,
    hash: &KeyedHash,
) -> Result<Schema, EmbeddedError> {
    let mut bytes = vec![0; header.schema_bytes as usize];
    file.read_exact_at(&mut bytes, header.records_end)
        .map_err(EmbeddedError::io(path, "reading the schema"))?;
    let is_whole = hash.checksum(&bytes) == header.schema_checksum;
    let schema: Option<Schema> = is_whole.then(|| serde_json::from_slice(&bytes).ok()).flatten();
    let schema = schema.ok_or_else(|| damaged(path, "schema"))?;
    let fits = RecordLayout::new(&schema).length() == header.record_bytes as usize;
    fits.then_some(schema).ok_or_else(|| damaged(path, "schema"))
}

fn damaged(path: &Path, part: &'static str) -> EmbeddedError {
    EmbeddedError::Damaged { path: path.to_owned(), part }
}

/// Has the cache line at `address` brought near, where that can be asked for.
fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch of any address is a hint that never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}
