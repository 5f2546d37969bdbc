//! What a shard writes down of its answers, for a thread of the process to put into files.
//!
//! The shard copies bits into its [`Journal`], a buffer of bounded size that nobody else touches,
//! and at its tick swaps that with the empty one in its [`JournalSlot`], where the process takes
//! it. What does not fit is dropped and counted: no request waits for a disk. [`entry`] is how
//! entries are laid out; [`take`](JournalSlot::take) and [`Entries`] are how they are read.
//!
//! What is *not* here: text, files and the hashing of users, which are the process's.

mod book;
pub mod entry;
mod slot;

pub(crate) use self::book::Journal;
pub(crate) use self::entry::RowNote;
pub use self::entry::{BatchEntry, Entries, Entry, RowEntry, RowResult};
pub use self::slot::JournalSlot;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// Whether every row that is scored is, with its features.
    pub predictions: bool,
    /// How much may wait for the process, in bytes; beyond it entries are dropped. It may be
    /// allocated three times over: being filled, handed over, and being read.
    pub buffer_bytes_max: usize,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self { predictions: false, buffer_bytes_max: 4 << 20 }
    }
}
