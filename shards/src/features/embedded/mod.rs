//! The embedded store: one LMDB environment, read by every shard and by nobody over a network.
//!
//! [`store`] opens the environment, once per process; [`reader`] is a shard's own handle, which
//! looks up a batch in one read transaction, by [`shortcuts`] where it can; [`writer`] writes an
//! import as one transaction; [`preload`] brings the file into memory before the first request.
//!
//! Readers take no lock: LMDB keeps a reader slot per thread (claimed under a mutex by the
//! thread's first transaction, a cache line of its own from then on) and beginning a transaction
//! writes the number of the last committed one there. A writer never waits for readers nor they
//! for it. What a writer had not committed when it died is not there.
//!
//! What is *not* here: CSV (`import`), and what a row means (`join`).

mod preload;
mod reader;
mod shortcuts;
mod store;
mod writer;

pub use preload::PreloadProgress;
pub use reader::EmbeddedReader;
pub use store::{EmbeddedError, EmbeddedStore};
pub use writer::{EmbeddedWriter, PutError};
