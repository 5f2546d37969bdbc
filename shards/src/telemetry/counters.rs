//! Counters with one writer, the shard, and any number of readers.

use std::sync::atomic::{AtomicU64, Ordering};

use super::table::{cells, counters, label};
use crate::failure::FaultReason;
use crate::mutation::{Mutation, is_in_force};

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
pub const STATUSES: [u16; 20] = [
    200, 400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 415, 422, 429, 431, 500, 501, 503, 504,
    505,
];

/// The protocols that requests come by.
pub const PROTOCOLS: [&str; 3] = ["http1", "http2", "grpc"];

/// Why an API key does not let a request in.
pub const KEY_REFUSALS: [&str; 5] =
    ["missing", "unknown", "other_model", "too_many", "not_allowed"];

/// Why a connection is not encrypted.
pub const HANDSHAKE_FAULTS: [&str; 2] = ["too_slow", "failed"];

counters! {
    /// What one shard counts, whatever the model. Aligned to two cache lines, so that neighbours in
    /// memory, and the prefetcher's adjacent line, never share one with another writer.
    #[derive(Debug, Default)]
    #[repr(align(128))]
    pub struct ShardCounters {
        heartbeat: Counter("shardgate_shard_ticks_total",
            "Looks of the shard at its clock, about a hundred a second."),
        connections_open: Gauge("shardgate_connections", "Open connections."),
        connections_accepted: Counter("shardgate_connections_accepted_total",
            "Connections accepted."),
        connections_refused: Counter("shardgate_connections_refused_total",
            "Connections closed at once, as the shard or their address has as many as it may."),
        spans_recorded: Counter("shardgate_spans_recorded_total",
            "Requests recorded for the collector of traces."),
        spans_dropped: Counter("shardgate_spans_dropped_total",
            "Requests that were to be recorded, and for which there was no room."),
        protocols: Counter("shardgate_protocol_responses_total", "Responses, by protocol.")
            by "protocol" in PROTOCOLS,
        keys_refused: Counter("shardgate_key_refusals_total",
            "Requests that their API key did not let in, by reason.")
            by "reason" in KEY_REFUSALS,
        tls_expires_s: Gauge("shardgate_tls_certificate_expiry_timestamp_seconds",
            "When the certificate of the serving port ends, since 1970; 0 of a plain port."),
        handshakes: Counter("shardgate_tls_handshakes_total", "Connections encrypted."),
        handshakes_failed: Counter("shardgate_tls_handshakes_failed_total",
            "Connections closed before they were encrypted, by reason.")
            by "reason" in HANDSHAKE_FAULTS,
        connections_evicted: Counter("shardgate_connections_evicted_total",
            "Idle connections that were ended, as others needed their places."),
        connections_cut: Counter("shardgate_connections_cut_total",
            "Connections ended as their clients were slow to take their answers."),
        connections_unread: Gauge("shardgate_connections_unread",
            "Connections that wait to be read, as refusing at once would take too much time."),
        buffered_bytes: Gauge("shardgate_connections_buffered_bytes",
            "Bytes kept of requests and answers that are not wholly through."),
        accept_errors: Counter("shardgate_accept_errors_total", "Calls of accept that failed."),
        predictions_noted: Counter("shardgate_predictions_noted_total",
            "Rows handed to the prediction log."),
        predictions_dropped: Counter("shardgate_predictions_dropped_total",
            "Rows that the prediction log has no line of, as its buffer was full."),
        accesses_noted: Counter("shardgate_accesses_noted_total",
            "Requests that were sampled for the access log."),
        accesses_dropped: Counter("shardgate_accesses_dropped_total",
            "Sampled requests that the access log lacks, as its buffer was full."),
    }
    and {
        /// The id that the system knows its thread by; 0 where that is not known.
        pub thread_id: Counter,
        /// Changes of the store's columns, summed over the models that were bound to them.
        pub fit_changes: Counter,
        /// Requests answered, by the index of their status in [`STATUSES`]. `/metrics` shows a status
        /// from its first answer on.
        pub responses: [Counter; STATUSES.len()],
    }
}

counters! {
    /// What a shard's store did; the shard copies it at each tick.
    #[derive(Debug, Default)]
    #[repr(align(128))]
    pub struct StoreCounters {
        damaged: Counter("shardgate_store_damaged_total",
            "Keys asked for whose records in the embedded store are not as they were written."),
        cache_hits: Counter("shardgate_cache_hits_total",
            "Keys that were in the shard's cache of a cluster's rows, and fresh."),
        cache_misses: Counter("shardgate_cache_misses_total",
            "Keys that were not in the shard's cache, or too old."),
        cache_evictions: Counter("shardgate_cache_evictions_total",
            "Entries that left the cache to make room."),
        cache_bytes: Gauge("shardgate_cache_bytes",
            "What the cache holds, keys and book-keeping included."),
        texts_forgotten: Counter("shardgate_cache_texts_forgotten_total",
            "How often all texts were forgotten, as they took too much, and the cache with them."),
        cells_lost: Counter("shardgate_cluster_cells_lost_total",
            "Decimals and integers of a cluster that 64 bits do not hold: they count as not known."),
        statements: Counter("shardgate_cluster_statements_total", "Statements sent to the cluster."),
        statements_failed: Counter("shardgate_cluster_statements_failed_total",
            "Statements to the cluster that brought nothing, by reason.")
            by "reason" in FaultReason::WORDS,
        sessions_renewed: Counter("shardgate_cluster_sessions_renewed_total",
            "Sessions made anew, as no node of the cluster answered any more."),
        keys: Counter("shardgate_cluster_keys_total",
            "Keys that were to be fetched from the cluster, by what became of them.")
            by "result" in Self::KEYS,
    }
    and {
        /// Of a cluster; zeros where there is none.
        pub cluster: ClusterGauges,
    }
}

counters! {
    /// How the cluster is that a shard's store asks.
    #[derive(Debug, Default)]
    pub struct ClusterGauges {
        nodes_connected: Gauge("shardgate_cluster_nodes_connected",
            "Nodes of the cluster that are connected."),
        group_keys_max: Gauge("shardgate_cluster_group_keys_max",
            "Keys that a statement asks for at most: fewer than configured where the cluster refuses \
             so many."),
    }
    and {}
}

impl StoreCounters {
    /// What became of keys, in words for metric labels.
    pub const KEYS: [&str; 5] = ["asked", "coalesced", "retried", "refused", "failed"];

    /// Whether the store is a cluster that was opened.
    pub fn is_cluster(&self) -> bool {
        self.cluster.group_keys_max.get() > 0
    }
}

impl ShardCounters {
    /// Counts one answer. A status that is not in [`STATUSES`] counts as 500.
    pub fn response(&self, status: u16) {
        if is_in_force(Mutation::CountTwice) && status == 504 {
            self.responses[0].add(1);
        }
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
