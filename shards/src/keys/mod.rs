//! API keys of the serving port: which clients may ask which models for what, and how often.
//!
//! A [`KeyFile`] is what an operator wrote, read once for all shards; it has the hashes of keys, not
//! the keys, or names of clients' certificates. A [`KeyRing`] is a shard's own copy, which lets
//! requests in. Rates are the process's: [`shares`] divides them among the shards.
//!
//! What is *not* here: when the file is read again (the process), and how a refusal is rendered
//! (`http`).

mod file;
mod permissions;
mod ring;
mod shares;

pub use file::{KeyFile, KeyFileError};
pub(crate) use permissions::Permissions;
pub(crate) use ring::{Asked, KeyRefusal, KeyRing, Shown};
pub use shares::shares;
