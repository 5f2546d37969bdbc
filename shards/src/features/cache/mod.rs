//! What a shard keeps of what it fetched: bounded in bytes, with a time to live, and no lock.
//!
//! [`policy`] decides what stays: S3-FIFO (Yang et al., SOSP 2023), where a key has to be asked
//! for again before it may displace those that were, so that a scan of keys asked for once does
//! not empty the cache. [`records`] keeps the bytes and their ages.
//!
//! What is *not* here: fetching, and what an age means to a model (`max_age`).

mod policy;
mod records;

use serde::{Deserialize, Serialize};

pub use records::{CacheCounters, Cached, RecordCache};

/// How a cache is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// How much a shard keeps, in bytes, keys and book-keeping included; 0 keeps nothing.
    #[serde(rename = "max_bytes", alias = "bytes_max")]
    pub bytes_max: usize,
    /// How long a row is served without asking again, in milliseconds.
    pub ttl_ms: u64,
    /// The same for a user who is not known, in milliseconds.
    pub negative_ttl_ms: u64,
    /// How old a row may be to stand in for a store that does not answer, in seconds since it was
    /// fetched.
    pub max_stale_s: u64,
    /// How much the texts of what a shard keeps may take, in bytes. Beyond it all of them are
    /// forgotten, and all that is kept with them.
    pub max_texts_bytes: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            ttl_ms: 1000,
            negative_ttl_ms: 1000,
            max_stale_s: 3600,
            max_texts_bytes: 16 << 20,
        }
    }
}
