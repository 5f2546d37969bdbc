//! The embedded store: one file, read by every shard and by nobody over a network.
//!
//! A file is written once and never changed: [`writer`] writes an import as a [`new_file`] and
//! renames it over the one that was there, so a reader sees all of an import or nothing of it, and
//! neither waits for the other. [`merge`] completes rows of some columns by what the store has, and
//! [`kept_texts`] gives texts of rows that stay their new codes.
//! [`layout`] says how a file is laid out: its [`entries`] are records and texts, its index
//! [`buckets`]. Each has a checksum, by a [`keyed_hash`]. [`map`] has a file in memory, and survives it if somebody cuts the
//! file; a [`snapshot`] is a file that was opened and checked, and a [`walk`] goes over its records.
//! [`store`] is the folder, once per process, and [`tables`] has the named ones beside the default
//! table; [`look`] shows its rows to tools; [`reader`] is a shard's own handle. [`preload`] brings a
//! file into memory, and checks it, before the first request.
//!
//! Single rows change in a log beside the file, [`changes`]; a [`view`] is a file with its changes.
//!
//! `README.md` says what an operator may do to the file.
//!
//! What is *not* here: CSV (`import`), and what a row means (`join`).

mod buckets;
mod changes;
mod entries;
mod error;
#[cfg(test)]
mod hostile;
mod kept_texts;
mod keyed_hash;
mod layout;
mod look;
mod map;
mod merge;
mod new_file;
mod preload;
mod reader;
mod snapshot;
mod store;
mod tables;
mod view;
mod walk;
mod writer;

pub use changes::{ChangeBatch, ChangeWriter, Committed, Durability, Idempotency};
pub use error::EmbeddedError;
pub use look::RecordsChecked;
pub use map::mend_fault;
pub use preload::PreloadProgress;
pub use reader::EmbeddedReader;
pub use store::{EmbeddedStore, ImportTurn};
pub use tables::{BadTableName, TableName};
pub use writer::{EmbeddedWriter, PutError};

/// The hash by which values are told apart that an aggregate counts; it stays the same.
pub(in crate::features) fn value_hash(value: &[u8]) -> u64 {
    const SEED: u64 = 0x6167_6772_6567_6174;
    let mut hash = keyed_hash::KeyedHash::new(SEED).of(value);
    // Its high bits alone choose a register, and those of short texts that are alike are too.
    for (shift, factor) in [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)] {
        hash = (hash ^ hash >> shift).wrapping_mul(factor);
    }
    hash ^ hash >> 31
}

/// A number that nobody can foresee: the standard library keys its maps with one.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
