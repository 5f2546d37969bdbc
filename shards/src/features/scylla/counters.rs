//! What a shard's store counts.

use crate::failure::FaultReason;
use crate::features::cache::CacheCounters;

/// What a shard's store did since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CqlCounters {
    /// Keys that the cluster was asked for.
    pub keys_asked: u64,
    /// Keys that were waited for because another batch had asked for them already.
    pub keys_coalesced: u64,
    /// Keys that were asked for again, singly.
    pub keys_retried: u64,
    /// Keys that no node could be asked for.
    pub keys_refused: u64,
    /// Keys that were not answered in the end.
    pub keys_failed: u64,
    /// Values that a record can't keep as they are, which count as not known.
    pub cells_lost: u64,
    /// How often all texts were forgotten, as they took too much, and the cache with them.
    pub texts_forgotten: u64,
    /// Statements sent.
    pub statements: u64,
    /// Statements that brought nothing, by the index of their reason in [`FaultReason::ALL`].
    pub statements_failed: [u64; FaultReason::ALL.len()],
    /// Sessions that it made anew, as no node of the cluster answered any more.
    pub sessions_renewed: u64,
    /// How many keys a statement has at most.
    pub group_keys_max: u64,
    /// How many nodes are connected.
    pub nodes_connected: u64,
    /// The cache's hits, misses and evictions.
    pub cache: CacheCounters,
}

impl CqlCounters {
    /// What this table and another of the same cluster did together.
    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.keys_asked += other.keys_asked;
        self.keys_coalesced += other.keys_coalesced;
        self.keys_retried += other.keys_retried;
        self.keys_refused += other.keys_refused;
        self.keys_failed += other.keys_failed;
        self.cells_lost += other.cells_lost;
        self.texts_forgotten += other.texts_forgotten;
        self.statements += other.statements;
        self.sessions_renewed += other.sessions_renewed;
        self.cache.hits += other.cache.hits;
        self.cache.misses += other.cache.misses;
        self.cache.evictions += other.cache.evictions;
        for (all, failed) in self.statements_failed.iter_mut().zip(other.statements_failed) {
            *all += failed;
        }
        self
    }
}
