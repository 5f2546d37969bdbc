//! Changes of single rows, in a log beside the table's file that an import writes.
//!
//! A [`frame`] is what one request changed, a [`log`] the files that frames are appended to, an
//! [`overlay`] the rows that they make, and [`follow`] keeps one up with the log. [`commit`] appends, for
//! many requests at once, each [`remembered`] by its key, and [`rotate`](commit::rotate) begins a new file, after which the older ones are
//! merged into the table's file by an import.
//!
//! Every change has a number. A table's file says up to which it has them, so whatever is read first, the
//! file or the log, no change is missed and none is applied twice. A file of the log is removed once the
//! table's file has all of it.
//!
//! What is *not* here: who asks for changes, and the thread that writes them (the process).

pub(super) mod commit;
mod follow;
mod frame;
mod log;
mod overlay;
mod remembered;
#[cfg(test)]
mod tests;

pub(super) use self::commit::LOCK;
pub use self::commit::{ChangeWriter, Committed, Durability};
pub(super) use self::follow::Changes;
pub use self::frame::{ChangeBatch, Idempotency};
pub(super) use self::log::LogFile;
pub(super) use self::overlay::Overlay;

/// Whether there is a log in the folder of a table.
pub(super) fn has_log(folder: &std::path::Path) -> bool {
    log::numbers_in(folder).is_ok_and(|numbers| !numbers.is_empty())
}

/// The first bytes of `bytes`, which has as many.
fn array<const BYTES: usize>(bytes: &[u8]) -> [u8; BYTES] {
    let mut array = [0; BYTES];
    array.copy_from_slice(&bytes[..BYTES]);
    array
}
