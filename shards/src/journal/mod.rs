//! What a shard writes down of its answers, for a thread of the process to put into files.
//!
//! The shard copies bits into its [`Journal`], a buffer of bounded size that nobody else touches,
//! and at its tick swaps that with the empty one in its [`JournalSlot`], where the process takes
//! it. What does not fit is dropped and counted: no request waits for a disk. [`entry`] is how
//! entries are laid out, and [`note`] how the shard writes them; [`take`](JournalSlot::take) and [`Entries`] are how they are read.
//!
//! What is *not* here: text, files and the hashing of users, which are the process's.

mod book;
mod entities;
mod entries;
pub mod entry;
mod note;
mod sampler;
mod slot;
mod texts;
mod values;

pub(crate) use self::book::Journal;
pub use self::entities::EntityEntry;
pub(crate) use self::entities::RowEntities;
pub use self::entries::Entries;
pub use self::entry::{
    AccessEntry, AccessFigures, BatchEntry, BatchFigures, Entry, RowEntry, RowResult,
};
pub(crate) use self::note::{AccessNote, RowNote};
pub use self::sampler::Share;
pub use self::slot::JournalSlot;
pub(crate) use self::texts::RowTexts;
pub use self::texts::TextEntry;
pub(crate) use self::values::RowValues;
pub use self::values::ValuesEntry;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalSettings {
    /// The share of the rows that are, with their features, for the prediction log.
    pub predictions: Share,
    /// The share of the requests that are, for the access log.
    pub access: Share,
    /// Whether the first user of such a request is named.
    pub access_users: bool,
    /// How much may wait for the process, in bytes; beyond it entries are dropped. It may be
    /// allocated three times over: being filled, handed over, and being read.
    pub buffer_bytes_max: usize,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            predictions: Share::NONE,
            access: Share::NONE,
            access_users: false,
            buffer_bytes_max: 4 << 20,
        }
    }
}
