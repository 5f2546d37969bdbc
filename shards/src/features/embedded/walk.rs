//! Every record of a file, in the order in which they lie there: whole ones, and those that are not.
//!
//! A record says how long it is, so the next one is known as long as records are whole. Behind one
//! that is not the index says where the next begins.

use super::buckets::{Bucket, Slot};
use super::entries::Entry;
use super::layout::RECORDS_AT;
use super::snapshot::Snapshot;

/// A record on the way.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// As it was written.
    Whole(Entry<'a>),
    /// Not as it was written, whatever it was.
    Damaged,
}

/// Walks over a file's records.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    snapshot: &'a Snapshot,
    at: u64,
    /// How many of the file's rows have been seen.
    seen: u64,
    /// Where further records are, once one was damaged, the last one first.
    known: Option<Vec<u64>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, at: RECORDS_AT, seen: 0, known: None }
    }

    /// Where the index says that there are records behind `self.at`, the last one first.
    fn places(&self) -> Vec<u64> {
        let buckets = self.snapshot.buckets().iter().map(Bucket);
        let whole = buckets.filter(|bucket| bucket.is_whole(&self.snapshot.hash));
        let mut places: Vec<u64> = Vec::new();
        for bucket in whole {
            let offsets = bucket.slots().map(Slot::offset);
            places.extend(offsets.filter(|offset| *offset > self.at));
        }
        places.sort_unstable_by(|one, other| other.cmp(one));
        places
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if self.seen == self.snapshot.header.rows {
            return None;
        }
        self.seen += 1;
        if let Some(known) = &mut self.known {
            match known.pop() {
                Some(next) => self.at = next,
                // The index does not know it any more.
                None => return Some(Step::Damaged),
            }
        }
        let entry = self.snapshot.entry(self.at);
        let Some(entry) = entry.filter(|entry| entry.is_whole(&self.snapshot.hash)) else {
            if self.known.is_none() {
                self.known = Some(self.places());
            }
            return Some(Step::Damaged);
        };
        self.at += entry.bytes() as u64;
        Some(Step::Whole(entry))
    }
}
