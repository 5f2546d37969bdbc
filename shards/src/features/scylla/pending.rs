//! Which keys are asked for already, so that no key is in flight twice.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use hashbrown::HashTable;

use super::flight::Flight;

/// The keys that are in flight, and where.
#[derive(Debug, Default)]
pub(super) struct Pending {
    hasher: RandomState,
    table: HashTable<PendingKey>,
}

#[derive(Debug)]
struct PendingKey {
    hash: u64,
    flight: Rc<Flight>,
    index: usize,
}

impl Pending {
    /// The flight that asks for `key` already, and its place there.
    pub(super) fn find(&self, key: &[u8]) -> Option<(Rc<Flight>, usize)> {
        if self.table.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |pending| pending.flight.key(pending.index) == key)?;
        Some((Rc::clone(&found.flight), found.index))
    }

    /// Remembers all keys of a flight.
    pub(super) fn insert(&mut self, flight: &Rc<Flight>) {
        for index in 0..flight.len() {
            let hash = self.hasher.hash_one(flight.key(index));
            let pending = PendingKey { hash, flight: Rc::clone(flight), index };
            self.table.insert_unique(hash, pending, |pending| pending.hash);
        }
    }

    /// Forgets a key that somebody wrote: what is in flight of it is known no longer, and is not kept.
    pub(super) fn forget(&mut self, key: &[u8]) {
        let hash = self.hasher.hash_one(key);
        let is_it = |pending: &PendingKey| pending.flight.key(pending.index) == key;
        if let Ok(found) = self.table.find_entry(hash, is_it) {
            let (PendingKey { flight, index, .. }, _) = found.remove();
            flight.forget(index);
        }
    }

    /// Forgets the keys of a flight that has landed.
    pub(super) fn remove(&mut self, flight: &Rc<Flight>) {
        for index in 0..flight.len() {
            let hash = self.hasher.hash_one(flight.key(index));
            let is_it = |pending: &PendingKey| {
                pending.index == index && Rc::ptr_eq(&pending.flight, flight)
            };
            if let Ok(found) = self.table.find_entry(hash, is_it) {
                found.remove();
            }
        }
    }
}
