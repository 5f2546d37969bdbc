//! Writes an import as a new file: all of it is in the store's place after
//! [`EmbeddedWriter::commit`], and nothing of it before. Readers go on with the file that they have
//! until then, and nothing keeps them from it.

use std::fs::File;
use std::rc::Rc;

use hashbrown::HashTable;

use super::buckets::{NewBucket, Slot, bucket_of, buckets_for};
use super::changes::Overlay;
use super::changes::commit::{forget_before, rotate};
use super::entries::{Entry, TextEntry};
use super::error::EmbeddedError;
use super::kept_texts::KeptTexts;
use super::keyed_hash::KeyedHash;
use super::layout::{ENTRY_HEAD_BYTES, Header, TEXT_PLACE_BYTES};
use super::merge::{Merge, merged};
use super::new_file::{NewFile, free_bytes};
use super::store::{EmbeddedStore, FILE, ImportTurn};
use super::view::View;
use super::walk::Step;
use crate::features::column::CellValue;
use crate::features::import::now_us;
use crate::features::record::{EncodeError, RecordLayout};
use crate::features::requests::KEY_BYTES_MAX;
use crate::features::schema::Schema;
use crate::features::texts::Interner;

/// Where a key's record is in the new file.
#[derive(Debug, Clone, Copy)]
struct KeyPlace {
    hash: u64,
    offset: u64,
}

/// Which changes an import takes into its file: those before it began to write. A change after that is
/// newer than the import's rows, and stays over them.
#[derive(Debug, Clone, Copy)]
struct Changed {
    /// The last one of them.
    last: u64,
    /// The oldest file of the log that is to be kept.
    first_kept: Option<u64>,
}

impl Changed {
    fn of(store: &EmbeddedStore, replace: bool) -> Result<Self, EmbeddedError> {
        let has = match store.snapshot() {
            Ok(base) => base.header.changes,
            // It goes, whatever is wrong with it; what is left of a log of changes stays over the new one.
            Err(error) if replace || error.is_absent() => {
                return Ok(Self { last: 0, first_kept: None });
            }
            Err(error) => return Err(error),
        };
        Ok(match rotate(store)? {
            Some(rotated) => {
                Self { last: rotated.last.max(has), first_kept: Some(rotated.first_kept) }
            }
            None => Self { last: has, first_kept: None },
        })
    }
}

/// One import under way. Dropping it leaves the store as it was.
#[derive(Debug)]
pub struct EmbeddedWriter<'a> {
    store: &'a EmbeddedStore,
    /// Held until the end: two imports into one store come one after the other.
    _turn: ImportTurn,
    /// What the table has, whose rows are kept where the import has none with their key.
    base: Option<Rc<View>>,
    /// Which changes the new file will have.
    changes: Changed,
    /// Completes rows, where the import's columns are not the store's.
    merge: Option<Merge>,
    file: NewFile,
    schema: Schema,
    layout: RecordLayout,
    seed: u64,
    hash: KeyedHash,
    places: HashTable<KeyPlace>,
    /// What the new file's codes mean.
    texts: Interner,
    record: Vec<u8>,
    entry: Vec<u8>,
}

impl<'a> EmbeddedWriter<'a> {
    /// Begins an import of rows with the columns of `given`; waits for one that is under way.
    /// Other columns of the store keep their values, and new ones come after them. With `replace`
    /// the rows that are there go, and their columns too.
    pub fn begin(
        store: &'a EmbeddedStore,
        given: &Schema,
        replace: bool,
    ) -> Result<Self, EmbeddedError> {
        Self::begin_in(store.take_turn()?, store, given, replace)
    }

    /// [`Self::begin`] for an import that has its turn.
    pub fn begin_in(
        turn: ImportTurn,
        store: &'a EmbeddedStore,
        given: &Schema,
        replace: bool,
    ) -> Result<Self, EmbeddedError> {
        let changes = Changed::of(store, replace)?;
        let base = match View::open(store, changes.last) {
            // Whatever is wrong with what is there, it goes.
            _ if replace => None,
            Err(error) if error.is_absent() => None,
            found => Some(Rc::new(found?)),
        };
        let schema = match &base {
            Some(base) => merged(store.path(), &base.snapshot.schema, given)?,
            None => given.clone(),
        };
        let merge = base.as_ref().and_then(|base| Merge::new(base, given, &schema));
        let needed_bytes = base.as_ref().map_or(0, |base| base.snapshot.header.file_bytes);
        ensure_room(store, needed_bytes)?;
        let seed = super::random_seed();
        let like = std::fs::metadata(store.file()).ok();
        let path = store.path().join(format!("{FILE}.new"));
        let file = NewFile::create(path, like.as_ref(), needed_bytes)?;
        Ok(Self {
            store,
            _turn: turn,
            base,
            changes,
            merge,
            file,
            layout: RecordLayout::new(&schema),
            schema,
            seed,
            hash: KeyedHash::new(seed),
            places: HashTable::new(),
            texts: Interner::default(),
            record: Vec::new(),
            entry: Vec::new(),
        })
    }

    /// The columns that the store will have.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The columns that the store had, where its rows are kept.
    pub fn base_schema(&self) -> Option<&Schema> {
        self.base.as_ref().map(|base| &base.snapshot.schema)
    }

    /// Writes a row over the one with its key: `cells` are of the columns that the import has. The
    /// key has 1 to `KEY_BYTES_MAX` bytes.
    pub fn put(
        &mut self,
        key: &[u8],
        last_updated_us: i64,
        cells: &[CellValue<'_>],
    ) -> Result<(), PutError> {
        let completed;
        let cells = match &mut self.merge {
            Some(merge) => {
                completed = merge.complete(key, cells)?;
                &completed[..]
            }
            None => cells,
        };
        self.layout.encode(last_updated_us, cells, &mut self.texts, &mut self.record)?;
        Entry::encode(&self.hash, key, &self.record, &mut self.entry);
        let hash = self.hash.of(key);
        match self.find(hash, key)? {
            Some(place) => self.file.replace(place.offset, &self.entry)?,
            None => self.add(hash)?,
        }
        Ok(())
    }

    /// Appends the entry that was made last, of a key that the file does not have.
    fn add(&mut self, hash: u64) -> Result<(), EmbeddedError> {
        let offset = self.file.end();
        if offset >= 1 << 48 {
            return Err(EmbeddedError::TooLarge { path: self.store.path().to_owned() });
        }
        self.file.append(&self.entry)?;
        self.places.insert_unique(hash, KeyPlace { hash, offset }, |place| place.hash);
        Ok(())
    }

    /// Where the record of `key` is in the new file. Two keys with one hash of 64 bits are next to
    /// impossible, and told apart all the same.
    fn find(&self, hash: u64, key: &[u8]) -> Result<Option<KeyPlace>, EmbeddedError> {
        for place in self.places.iter_hash(hash).filter(|place| place.hash == hash) {
            let mut found = [0; ENTRY_HEAD_BYTES + KEY_BYTES_MAX];
            let found = &mut found[..ENTRY_HEAD_BYTES + key.len()];
            let length = (key.len() as u16).to_le_bytes();
            if self.file.read(place.offset, found)?
                && found[4..6] == length
                && found[ENTRY_HEAD_BYTES..] == *key
            {
                return Ok(Some(*place));
            }
        }
        Ok(None)
    }

    /// Puts the new file in the store's place, durably and at once, and tells those who read the
    /// one before it.
    pub fn commit(mut self) -> Result<(), EmbeddedError> {
        self.keep_base()?;
        let records_end = self.file.end();
        let schema = serde_json::to_vec(&self.schema).map_err(std::io::Error::from);
        let schema = schema.map_err(EmbeddedError::io(self.store.path(), "writing the schema"))?;
        self.file.append(&schema)?;
        let text_places_at = self.write_texts()?;
        let header = self.write_index(Header {
            file_bytes: 0,
            seed: self.seed,
            rows: self.places.len() as u64,
            records_end,
            schema_bytes: schema.len() as u32,
            schema_checksum: self.hash.checksum(&schema),
            index_at: 0,
            buckets: buckets_for(self.places.len() as u64),
            record_bytes: self.layout.length() as u32,
            imported_us: now_us(),
            texts: self.texts.len() as u64,
            text_places_at,
            changes: self.changes.last,
        })?;
        let target = self.store.file();
        // The file that is there now, by its name, as long as it has it.
        let before = self.store.snapshot().ok();
        let mark =
            before.as_ref().and_then(|_| File::options().read(true).write(true).open(target).ok());
        self.file.publish(&header, target)?;
        EmbeddedStore::supersede(mark.as_ref());
        if let Some(first_kept) = self.changes.first_kept {
            forget_before(self.store.path(), first_kept);
        }
        Ok(())
    }

    /// Copies the rows of the table that the import has no row for.
    fn keep_base(&mut self) -> Result<(), EmbeddedError> {
        let Some(view) = self.base.take() else { return Ok(()) };
        let mut damaged = 0;
        let base = &view.snapshot;
        let mut kept_texts = KeptTexts::new(base, &*view);
        for entry in view.overlay().into_iter().flat_map(Overlay::rows) {
            damaged += u64::from(!self.keep(entry, None, &mut kept_texts)?);
        }
        let is_changed =
            |key: &[u8]| view.overlay().is_some_and(|it| it.has(base.hash.of(key), key));
        for step in base.walk() {
            match step {
                Step::Damaged => damaged += 1,
                // It was kept above, or is gone.
                Step::Whole(entry) if is_changed(entry.key()) => {}
                Step::Whole(entry) => {
                    damaged += u64::from(!self.keep(entry, Some(&base.hash), &mut kept_texts)?);
                }
            }
        }
        if damaged == 0 {
            return Ok(());
        }
        let (path, rows) = (base.path().to_owned(), base.header.rows);
        Err(EmbeddedError::RecordsDamaged { path, damaged, rows })
    }

    /// Copies a row, whose checksum is by `hash`, unless the import has one of its key; false where it is
    /// not as it was written.
    fn keep(
        &mut self,
        entry: Entry<'_>,
        hash: Option<&KeyedHash>,
        kept_texts: &mut KeptTexts<'_>,
    ) -> Result<bool, EmbeddedError> {
        let place = self.hash.of(entry.key());
        if self.find(place, entry.key())?.is_some() {
            return Ok(true);
        }
        Entry::encode(&self.hash, entry.key(), entry.record(), &mut self.entry);
        // What was copied is checked, too: somebody may write the file at this moment.
        let is_whole = hash.is_none_or(|hash| entry.is_checked_by(hash, &self.entry));
        let is_kept = is_whole && self.keep_entry(kept_texts).is_some();
        if is_kept {
            self.add(place)?;
        }
        Ok(is_kept)
    }

    /// Makes of the entry that was copied last one of the new file: with the columns that the import
    /// adds, and the new codes of its texts; `None` where it is no row as it was written.
    fn keep_entry(&mut self, kept_texts: &mut KeptTexts<'_>) -> Option<()> {
        match &mut self.merge {
            Some(merge) => merge.widen(&self.hash, &self.layout, &mut self.texts, &mut self.entry),
            None => kept_texts.keep(&self.hash, &mut self.texts, &mut self.entry),
        }
    }

    /// Writes the texts behind the schema, and where each begins; returns where that is said.
    fn write_texts(&mut self) -> Result<u64, EmbeddedError> {
        let mut places = Vec::with_capacity(self.texts.len());
        for (code, text) in self.texts.iter().enumerate() {
            places.push(self.file.end());
            TextEntry::encode(&self.hash, code as u32, text, &mut self.entry);
            self.file.append(&self.entry)?;
        }
        let end = self.file.end();
        let places_at = end.next_multiple_of(TEXT_PLACE_BYTES as u64);
        self.file.append(&[0; TEXT_PLACE_BYTES][..(places_at - end) as usize])?;
        for place in &places {
            self.file.append(&place.to_le_bytes())?;
        }
        Ok(places_at)
    }

    /// Writes the index behind the texts; returns the header with what has become known.
    fn write_index(&mut self, header: Header) -> Result<Header, EmbeddedError> {
        let mut buckets = vec![NewBucket::default(); header.buckets as usize];
        for place in &self.places {
            let slot = Slot::new(place.hash, place.offset);
            let mut at = bucket_of(place.hash, header.buckets);
            while !buckets[at].put(slot) {
                at = (at + 1) % buckets.len();
            }
        }
        // A bucket is a cache line.
        let end = self.file.end();
        let index_at = end.next_multiple_of(64);
        self.file.append(&[0; 64][..(index_at - end) as usize])?;
        for bucket in &buckets {
            self.file.append(&bucket.encode(&self.hash))?;
        }
        Ok(Header { index_at, file_bytes: self.file.end(), ..header })
    }
}

/// Refuses an import that cannot end, before it has read its input.
fn ensure_room(store: &EmbeddedStore, needed_bytes: u64) -> Result<(), EmbeddedError> {
    match free_bytes(store.path()) {
        Some(free_bytes) if free_bytes < needed_bytes => {
            let path = store.path().to_owned();
            Err(EmbeddedError::Full { path, written_bytes: 0, needed_bytes, free_bytes })
        }
        _ => Ok(()),
    }
}

/// Why a row was not written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Its cells don't fit the columns.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] EmbeddedError),
}
