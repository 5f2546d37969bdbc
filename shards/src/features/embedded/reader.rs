//! A shard's own handle on the store: a batch of keys becomes a matrix, all of it from one file.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::entries::EntryCopy;
use super::error::EmbeddedError;
use super::snapshot::Found;
use super::store::EmbeddedStore;
use super::view::View;
use crate::features::aggregates::ring::Ring;
use crate::features::fit::Fetched;
use crate::features::join::{EntityPlan, JoinPlan};
use crate::features::joined::Joined;
use crate::features::requests::{FetchRequests, KEY_BYTES_MAX, KeyList};
use crate::features::schema::Schema;
use crate::mutation::{Mutation, is_in_force};
use crate::provenance::FeatureStatus;

/// Reads the store on one thread. It takes no lock, and nobody writes what it reads.
#[derive(Debug)]
pub struct EmbeddedReader {
    store: EmbeddedStore,
    /// Borrowed for the length of a fetch, which awaits nothing.
    reading: RefCell<Reading>,
    fingerprint: Cell<u64>,
    damaged: Cell<u64>,
}

/// The file that is read.
#[derive(Debug)]
struct Reading {
    view: View,
    columns: Rc<Schema>,
    /// The aggregates, which are computed when they are read.
    rings: Vec<Ring>,
    /// The hash of each of a batch's keys, in order.
    hashes: Vec<u64>,
    /// The record that was found last.
    copy: EntryCopy,
}

impl Reading {
    fn of(view: View) -> Self {
        let columns = Rc::new(view.snapshot.schema.clone());
        let rings = Ring::all_of(&columns);
        Self { view, columns, rings, hashes: Vec::new(), copy: EntryCopy::default() }
    }
}

impl EmbeddedReader {
    /// A handle for the calling thread on what `store` holds now, and later on what it holds then.
    pub fn new(store: &EmbeddedStore) -> Result<Self, EmbeddedError> {
        let view = View::open(store, u64::MAX)?;
        Ok(Self {
            store: store.clone(),
            fingerprint: Cell::new(view.snapshot.schema.fingerprint()),
            reading: RefCell::new(Reading::of(view)),
            damaged: Cell::new(0),
        })
    }

    /// The columns that the records it reads have; plans are to be bound to them.
    pub fn schema(&self) -> Rc<Schema> {
        Rc::clone(&self.reading.borrow().columns)
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint.get()
    }

    /// How many keys were asked for whose records, or what leads to them, are not as they were
    /// written.
    pub fn damaged(&self) -> u64 {
        self.damaged.get()
    }

    /// Looks whether another file is in the store's place, as an import says and a `mv` does not.
    /// Asks the file system, and opens the file if there is one: some microseconds, or some ten.
    pub(crate) fn look(&self) {
        // Where another thread is just opening it, the next look is early enough. Where it cannot be
        // opened, what was read before goes on: the process says why.
        let word = self.reading.borrow().view.snapshot.superseded();
        let Some(Ok(found)) = self.store.try_snapshot() else { return };
        let mut reading = self.reading.borrow_mut();
        if is_in_force(Mutation::KeepOldRows) {
            return;
        }
        reading.view.catch_up(&self.store);
        if reading.view.is_of(&self.store, &found, word) {
            return;
        }
        found.will_need();
        if let Ok(Some(view)) = View::of(&self.store, found, u64::MAX) {
            self.fingerprint.set(view.snapshot.schema.fingerprint());
            *reading = Reading::of(view);
        }
    }

    /// Joins the batch's rows into `joined`, all from one file, ages counted at `now_us` (µs since
    /// 1970). Each distinct key is read once. It does not fail: a row that can't be read has the
    /// status `Error`. Where the store has other columns than `plan` was bound to, no row is joined.
    pub fn fetch(
        &self,
        plan: &JoinPlan,
        requests: &FetchRequests,
        now_us: i64,
        joined: &mut Joined,
    ) -> Fetched {
        joined.reset(requests.len(), now_us);
        self.join(plan.first(), requests, joined)
    }

    /// Joins an entity's part of the batch's rows into `joined`, as [`Self::fetch`] does.
    pub(crate) fn join(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        joined: &mut Joined,
    ) -> Fetched {
        let is_superseded = {
            let view = &mut self.reading.borrow_mut().view;
            view.catch_up(&self.store);
            view.is_superseded()
        };
        if is_superseded {
            self.look();
        }
        if plan.schema().fingerprint() != self.fingerprint.get() {
            return Fetched::SchemaChanged;
        }
        let keys = requests.keys(plan.place());
        joined.keys_fetched += keys.distinct().len() as u64;
        let mut reading = self.reading.borrow_mut();
        reading.prefetch(keys);
        let Reading { view, hashes, copy, rings, .. } = &mut *reading;
        let record_bytes = view.snapshot.header.record_bytes as usize;
        for (&first, hash) in keys.distinct().iter().zip(&*hashes) {
            let found = match keys.key(first as usize) {
                // No import takes these.
                key if key.is_empty() || key.len() > KEY_BYTES_MAX => Found::Missing,
                key => view.find(*hash, key, copy),
            };
            if found == Found::Stored
                && !rings.is_empty()
                && let Some(record) = copy.record_mut(record_bytes)
            {
                for ring in rings.iter() {
                    ring.show(record, joined.now_us);
                }
            }
            let entry = copy.entry(record_bytes);
            let record = entry.map_or(&[][..], |entry| entry.record());
            let mut is_damaged = found == Found::Damaged;
            for row in keys.rows_like(first) {
                let cells = requests.cells(row);
                match found {
                    Found::Stored => {
                        let status = FeatureStatus::Stored;
                        is_damaged |= !plan.join_found(record, &*view, status, cells, row, joined);
                    }
                    Found::Missing => plan.join_absent(FeatureStatus::Missing, cells, row, joined),
                    Found::Damaged => plan.join_absent(FeatureStatus::Error, cells, row, joined),
                }
            }
            if is_damaged {
                self.damaged.set(self.damaged.get() + 1);
            }
        }
        Fetched::Joined
    }
}

impl Reading {
    /// Has the memory of all that is asked for brought near before the first of it is read: first
    /// what says where the records are, then the records.
    fn prefetch(&mut self, keys: &KeyList) {
        let Self { view: View { snapshot, .. }, hashes, .. } = self;
        hashes.clear();
        for &first in keys.distinct() {
            let hash = snapshot.hash.of(keys.key(first as usize));
            snapshot.prefetch_bucket(hash);
            hashes.push(hash);
        }
        for (&first, hash) in keys.distinct().iter().zip(&*hashes) {
            snapshot.prefetch_entry(*hash, keys.key(first as usize).len());
        }
    }
}
