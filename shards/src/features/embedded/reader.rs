//! A shard's own handle on the store: a batch of keys becomes a matrix in one read transaction.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use heed::RoTxn;

use super::shortcuts::Shortcuts;
use super::store::{EmbeddedError, EmbeddedStore};
use crate::features::fit::Fetched;
use crate::features::join::JoinPlan;
use crate::features::joined::Joined;
use crate::features::requests::{FetchRequests, KEY_BYTES_MAX};
use crate::features::schema::Schema;
use crate::features::status::FeatureStatus;

/// Reads the store on one thread. It takes no lock and shares no cache line with other readers.
#[derive(Debug)]
pub struct EmbeddedReader {
    store: EmbeddedStore,
    /// The columns that the store has, as it was read last.
    columns: RefCell<Rc<Schema>>,
    fingerprint: Cell<u64>,
    /// Borrowed for the length of a fetch, which awaits nothing.
    shortcuts: RefCell<Shortcuts>,
    /// Whether the store could say which columns it has, when it was read last.
    is_readable: Cell<bool>,
}

impl EmbeddedReader {
    /// A handle for the calling thread on what `store` holds now.
    pub fn new(store: &EmbeddedStore) -> Result<Self, EmbeddedError> {
        let meta = store
            .read_meta()?
            .ok_or_else(|| EmbeddedError::NoStore { path: store.path().to_owned() })?;
        Ok(Self {
            store: store.clone(),
            fingerprint: Cell::new(meta.schema.fingerprint()),
            columns: RefCell::new(Rc::new(meta.schema)),
            shortcuts: RefCell::new(Shortcuts::new(store)?),
            is_readable: Cell::new(true),
        })
    }

    /// The columns that the records it reads have; plans are to be bound to them.
    pub fn schema(&self) -> Rc<Schema> {
        Rc::clone(&self.columns.borrow())
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint.get()
    }

    /// Looks which columns the store has now.
    pub(crate) fn look(&self) {
        if let Ok(reading) = self.shortcuts.borrow_mut().begin()
            && reading.is_first()
        {
            self.read_columns(reading.transaction());
        }
    }

    /// Joins the batch's rows into `joined`, all from one snapshot of the store, ages counted at
    /// `now_us` (µs since 1970). Each distinct key is read once. It does not fail: a row that
    /// can't be read has the status `Error`. Where the store has other columns than `plan` was bound
    /// to, no row is joined.
    pub fn fetch(
        &self,
        plan: &JoinPlan,
        requests: &FetchRequests,
        now_us: i64,
        joined: &mut Joined,
    ) -> Fetched {
        joined.reset(requests.len(), now_us);
        joined.keys_fetched = requests.distinct().len() as u64;
        let mut shortcuts = self.shortcuts.borrow_mut();
        let Ok(mut reading) = shortcuts.begin() else {
            return join_errors(plan, requests, joined);
        };
        if reading.is_first() {
            self.read_columns(reading.transaction());
        }
        if !self.is_readable.get() {
            return join_errors(plan, requests, joined);
        }
        if plan.schema().fingerprint() != self.fingerprint.get() {
            return Fetched::SchemaChanged;
        }
        reading.prefetch(requests.distinct_hashes());
        for (&first, hash) in requests.distinct().iter().zip(requests.distinct_hashes()) {
            let found = match requests.key(first as usize) {
                // LMDB has no empty key and refuses long ones: neither can have been imported.
                key if key.is_empty() || key.len() > KEY_BYTES_MAX => Ok(None),
                key => reading.record(hash, key),
            };
            for row in requests.rows_like(first) {
                let cells = requests.cells(row);
                match found {
                    Ok(Some(record)) => {
                        plan.join_found(record, FeatureStatus::Stored, cells, row, joined);
                    }
                    Ok(None) => plan.join_absent(FeatureStatus::Missing, cells, row, joined),
                    Err(_) => plan.join_absent(FeatureStatus::Error, cells, row, joined),
                }
            }
        }
        Fetched::Joined
    }

    fn read_columns(&self, read: &RoTxn<'_>) {
        let meta = self.store.meta_of(read).ok().flatten();
        self.is_readable.set(meta.is_some());
        if let Some(meta) = meta
            && meta.schema.fingerprint() != self.fingerprint.get()
        {
            self.fingerprint.set(meta.schema.fingerprint());
            self.columns.replace(Rc::new(meta.schema));
        }
    }
}

fn join_errors(plan: &JoinPlan, requests: &FetchRequests, joined: &mut Joined) -> Fetched {
    for row in 0..requests.len() {
        plan.join_absent(FeatureStatus::Error, requests.cells(row), row, joined);
    }
    Fetched::Joined
}
