//! [`Shortcuts`]: where the records asked for last are in the map, so that a key that is asked for
//! again needs no walk down the tree.
//!
//! A walk waits for memory at each page that it comes to, one after the other, and the last pages
//! of a large store are in no cache. The places of a batch's records are known at once, so all of
//! them are prefetched before the first is read. It is a table with one place for each hash: a key
//! takes the place of the one before it, and what has no place is found in the tree.
//!
//! What is *not* here: records themselves, copied or not. A place is good for one snapshot of the
//! store and is read only while a transaction holds it.

use heed::{RoTxn, WithTls};

use super::store::{EmbeddedError, EmbeddedStore};

/// The most places: 32 MiB a shard.
const PLACES_MAX: usize = 1 << 21;
/// LMDB's pages have as many bytes, or a multiple.
const PAGE_BYTES: usize = 4096;
/// Bytes that a prefetch brings.
const CACHE_LINE_BYTES: usize = 64;

/// A key in the map with its record right behind it, as LMDB keeps all that share a page.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Where the key begins; 0 where nothing was kept.
    address: usize,
    record_bytes: u32,
    key_bytes: u16,
    /// What [`Shortcuts::epoch`] was when this was kept.
    epoch: u16,
}

/// The places of one shard.
#[derive(Debug)]
pub(super) struct Shortcuts {
    store: EmbeddedStore,
    /// A power of two of them.
    places: Box<[Place]>,
    /// The number of the transactions that see what places of the current epoch are in.
    snapshot: Option<usize>,
    epoch: u16,
}

impl Shortcuts {
    /// None yet, with room for what `store` holds now.
    pub(super) fn new(store: &EmbeddedStore) -> Result<Self, EmbeddedError> {
        // Twice as many as there are records: then four fifths of them have a place of their own.
        let wanted = usize::try_from(store.rows()?).unwrap_or(PLACES_MAX).saturating_mul(2);
        let count = wanted.clamp(1, PLACES_MAX).next_power_of_two();
        Ok(Self {
            store: store.clone(),
            places: vec![Place::default(); count].into_boxed_slice(),
            snapshot: None,
            epoch: 0,
        })
    }

    /// Begins to read what the store holds now.
    pub(super) fn begin(&mut self) -> Result<Reading<'_>, heed::Error> {
        let transaction = self.store.env.read_txn()?;
        let is_first = self.snapshot != Some(transaction.id());
        if is_first {
            self.snapshot = Some(transaction.id());
            self.epoch = self.epoch.wrapping_add(1);
            if self.epoch == 0 {
                self.places.fill(Place::default());
                self.epoch = 1;
            }
        }
        let (store, places, epoch) = (&self.store, &mut *self.places, self.epoch);
        Ok(Reading { transaction, is_first, store, places, epoch })
    }
}

/// One read transaction, and the places that are good in it.
pub(super) struct Reading<'store> {
    transaction: RoTxn<'store, WithTls>,
    is_first: bool,
    store: &'store EmbeddedStore,
    places: &'store mut [Place],
    epoch: u16,
}

impl<'store> Reading<'store> {
    /// The transaction that all is read in.
    pub(super) fn transaction(&self) -> &RoTxn<'store, WithTls> {
        &self.transaction
    }

    /// Whether what the store holds has changed since the last.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Has the memory of what is asked for next brought near, for keys with these hashes.
    pub(super) fn prefetch(&self, hashes: impl Iterator<Item = u64> + Clone) {
        for hash in hashes.clone() {
            prefetch(std::ptr::from_ref(&self.places[self.position(hash)]).cast());
        }
        for hash in hashes {
            let place = self.places[self.position(hash)];
            if place.epoch == self.epoch {
                let bytes = usize::from(place.key_bytes) + place.record_bytes as usize;
                for line in (0..bytes).step_by(CACHE_LINE_BYTES) {
                    prefetch(std::ptr::with_exposed_provenance(place.address + line));
                }
            }
        }
    }

    /// The record of `key`, whose hash is `hash`; the key has 1 to `KEY_BYTES_MAX` bytes.
    pub(super) fn record(&mut self, hash: u64, key: &[u8]) -> Result<Option<&[u8]>, heed::Error> {
        let position = self.position(hash);
        let place = self.places[position];
        if place.epoch == self.epoch && usize::from(place.key_bytes) == key.len() {
            // SAFETY: the place was kept in this epoch, so under a transaction with the number of
            // this one, from a record that the tree had: `keep` saw the key's bytes and the
            // record behind them in the map. A transaction's number is that of the last commit it
            // sees, and LMDB writes no page of the snapshot of the last commit, nor of one that a
            // transaction holds; so from that commit to the end of this transaction the bytes
            // have not changed. The map is where it was: it is never resized, and `store` keeps
            // the environment open. The slice cannot outlive this transaction.
            let (kept, record) = unsafe {
                let start = std::ptr::with_exposed_provenance::<u8>(place.address);
                (
                    std::slice::from_raw_parts(start, key.len()),
                    std::slice::from_raw_parts(start.add(key.len()), place.record_bytes as usize),
                )
            };
            if kept == key {
                return Ok(Some(record));
            }
        }
        let record = self.store.rows.get(&self.transaction, key)?;
        if let Some(place) = record.and_then(|record| keep(key, record, self.epoch)) {
            self.places[position] = place;
        }
        Ok(record)
    }

    fn position(&self, hash: u64) -> usize {
        hash as usize & (self.places.len() - 1)
    }
}

/// The place of `record`, which is a slice of the map, if `key` is right before it in its page. A
/// record that fits into no page with others has pages of its own, without its key: no place.
fn keep(key: &[u8], record: &[u8], epoch: u16) -> Option<Place> {
    let end = record.as_ptr().expose_provenance();
    if end % PAGE_BYTES < key.len() {
        return None;
    }
    let address = end - key.len();
    // SAFETY: these bytes are in the page that `record` begins in, so in the map, and nobody writes
    // that page as long as the transaction is open that `record` was read in.
    let before: &[u8] = unsafe {
        std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), key.len())
    };
    (before == key).then_some(Place {
        address,
        record_bytes: record.len().try_into().ok()?,
        key_bytes: key.len().try_into().ok()?,
        epoch,
    })
}

/// Has the cache line at `address` brought near, where that can be asked for.
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address is a hint that never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{EmbeddedStore, EmbeddedWriter};
    use super::Shortcuts;
    use crate::features::column::{CellValue, ColumnType};
    use crate::features::schema::{Schema, StoreColumn};

    /// Few hashes, so that keys take each other's place.
    fn hash(key: &str) -> u64 {
        key.bytes().map(u64::from).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_they_find_is_what_the_tree_has(
            imports in prop::collection::vec(
                (prop::collection::vec(("[a-d]{1,3}", any::<f64>()), 1..40), any::<bool>()), 1..6
            ),
            asked in prop::collection::vec("[a-d]{1,3}", 1..60),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
            let column = StoreColumn { name: "cell".to_owned(), column_type: ColumnType::Double };
            let schema = Schema::new(vec![column]).unwrap();
            let mut shortcuts = None;
            for (rows, replace) in imports {
                let mut writer = EmbeddedWriter::begin(&store, &schema, replace).unwrap();
                for (key, cell) in rows {
                    writer.put(key.as_bytes(), 0, &[CellValue::Double(cell)]).unwrap();
                }
                writer.commit().unwrap();
                let shortcuts = shortcuts.get_or_insert_with(|| Shortcuts::new(&store).unwrap());
                // The second time, places are kept from the first.
                for _ in 0..2 {
                    let mut reading = shortcuts.begin().unwrap();
                    reading.prefetch(asked.iter().map(|key| hash(key)));
                    for key in &asked {
                        let found = reading
                            .record(hash(key), key.as_bytes())
                            .unwrap()
                            .map(<[u8]>::to_vec);
                        let transaction = reading.transaction();
                        let stored = store.rows.get(transaction, key.as_bytes()).unwrap();
                        prop_assert_eq!(found.as_deref(), stored);
                    }
                }
            }
        }
    }
}
