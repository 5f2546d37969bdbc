//! API keys of the serving port: which clients may ask which models, and how often.
//!
//! A [`KeyFile`] is what an operator wrote, read once for all shards; it has the hashes of keys, not
//! the keys. A [`KeyRing`] is a shard's own copy, which lets requests in.
//!
//! What is *not* here: when the file is read again (the process), and how a refusal is rendered
//! (`http`).

mod file;
mod ring;

pub use file::{KeyFile, KeyFileError};
pub(crate) use ring::{Asked, KeyRefusal, KeyRing};
