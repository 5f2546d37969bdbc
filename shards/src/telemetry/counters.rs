//! Counters with one writer, the shard, and any number of readers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::failure::FaultReason;

/// A number that one thread writes and others read. A load and a store, never a locked add: with
/// a single writer no update can be lost, and the cache line stays with its owner.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`. To be called on the owning shard's thread only.
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// Takes `amount` away, for gauges. To be called on the owning shard's thread only.
    pub fn subtract(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(amount), Ordering::Relaxed);
    }

    /// Replaces the value, for gauges. To be called on the owning shard's thread only.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value as the owner last wrote it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A sum that one thread writes and others read, as a [`Counter`] is.
#[derive(Debug, Default)]
pub struct Sum(AtomicU64);

impl Sum {
    /// Adds `amount`. To be called on the owning shard's thread only.
    pub fn add(&self, amount: f64) {
        self.0.store((self.get() + amount).to_bits(), Ordering::Relaxed);
    }

    /// The sum as the owner last wrote it.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// The HTTP statuses that the gateway answers with; each has its own counter.
pub const STATUSES: [u16; 19] =
    [200, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 422, 429, 431, 500, 501, 503, 504, 505];

/// What one shard counts, whatever the model. Aligned to two cache lines, so that neighbours in
/// memory, and the prefetcher's adjacent line, never share one with another writer.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardCounters {
    /// The id that the system knows its thread by; 0 where that is not known.
    pub thread_id: Counter,
    /// Incremented at every tick of the shard; a watchdog sees it stand still.
    pub heartbeat: Counter,
    /// Connections accepted since start.
    pub connections_accepted: Counter,
    /// Connections open now.
    pub connections_open: Counter,
    /// Connections refused because the shard, or their address, has as many as it may.
    pub connections_refused: Counter,
    /// Connections told to end, as others needed their places.
    pub connections_evicted: Counter,
    /// Connections ended as their clients were slow to take their answers.
    pub connections_cut: Counter,
    /// Connections that wait to be read, as refusing what they ask would take too much time.
    pub connections_unread: Counter,
    /// Bytes that connections keep now: of requests that have not wholly arrived or are being
    /// answered, and of answers that have not wholly been taken.
    pub buffered_bytes: Counter,
    /// Changes of the store's columns, summed over the models that were bound to them.
    pub fit_changes: Counter,
    /// `accept` calls that failed.
    pub accept_errors: Counter,
    /// Rows that were written down in the journal.
    pub predictions_noted: Counter,
    /// Rows for which the journal had no room.
    pub predictions_dropped: Counter,
    /// Requests that were sampled for the access log.
    pub accesses_noted: Counter,
    /// Sampled requests for which the journal had no room.
    pub accesses_dropped: Counter,
    /// Requests answered, by the index of their status in [`STATUSES`].
    pub responses: [Counter; STATUSES.len()],
}

/// What a shard's store did; the shard copies it at each tick.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct StoreCounters {
    /// Of a store in a file: keys whose records are not as they were written.
    pub damaged: Counter,
    /// Keys that were in the shard's cache and fresh.
    pub cache_hits: Counter,
    /// Keys that were not.
    pub cache_misses: Counter,
    /// Entries that left the cache to make room.
    pub cache_evictions: Counter,
    /// How many bytes the cache holds.
    pub cache_bytes: Counter,
    /// How often all texts were forgotten, as they took too much, and the cache with them.
    pub texts_forgotten: Counter,
    /// Values that a record can't keep as they are, which count as not known.
    pub cells_lost: Counter,
    /// Statements sent to the cluster.
    pub statements: Counter,
    /// Statements that brought nothing, by the index of their reason in [`FaultReason::ALL`].
    pub statements_failed: [Counter; FaultReason::ALL.len()],
    /// Sessions that were made anew, as no node answered any more.
    pub sessions_renewed: Counter,
    /// How many keys a statement has at most; 0 where there is no cluster.
    pub group_keys_max: Counter,
    /// How many nodes of the cluster are connected.
    pub nodes_connected: Counter,
    /// Keys that were asked for, waited for with another batch, asked for again, refused as no
    /// node could be asked, and not answered: in the order of [`StoreCounters::KEYS`].
    pub keys: [Counter; Self::KEYS.len()],
}

impl StoreCounters {
    /// What became of keys, in words for metric labels.
    pub const KEYS: [&str; 5] = ["asked", "coalesced", "retried", "refused", "failed"];

    /// Whether the store is a cluster that was opened.
    pub fn is_cluster(&self) -> bool {
        self.group_keys_max.get() > 0
    }
}

impl ShardCounters {
    /// Counts one answer. A status that is not in [`STATUSES`] counts as 500.
    pub fn response(&self, status: u16) {
        let index = STATUSES.iter().position(|known| *known == status);
        let fallback = || STATUSES.iter().position(|known| *known == 500);
        if let Some(counter) = index.or_else(fallback).and_then(|index| self.responses.get(index)) {
            counter.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ShardCounters;

    #[test]
    fn shards_never_share_a_cache_line() {
        assert_eq!(align_of::<ShardCounters>() % 128, 0);
        assert_eq!(size_of::<ShardCounters>() % 128, 0);
    }
}
