//! What one shard counts for each API key, and the shares of their rates that it is told.

use std::sync::atomic::{AtomicU64, Ordering};

use super::cells::Cells;

/// Requests by key, as others see them.
#[derive(Debug, Default)]
pub struct KeyCounters {
    /// The names of the keys.
    pub names: Vec<String>,
    /// Requests that were let in, in the order of the names.
    pub admitted: Cells,
    /// Those of a known key that were refused: too many, or for a model that is not for it.
    pub refused: Cells,
    /// The rates of the keys, over all shards, in requests a second; `None` of those without one.
    pub rates: Vec<Option<f64>>,
    /// What of the rates is the shard's.
    pub shares: KeyShares,
}

/// The shares of one shard in the rates of the keys. The process writes them some times a second, and
/// the shard reads them between requests.
#[derive(Debug, Default)]
pub struct KeyShares {
    groups: Box<[ShareGroup]>,
}

/// How many shares lie beside the number of the last change.
const GROUP: usize = 15;

/// Two cache lines, which belong to nothing else.
#[derive(Debug, Default)]
#[repr(align(128))]
struct ShareGroup {
    /// How often they were changed.
    changes: AtomicU64,
    bits: [AtomicU64; GROUP],
}

impl KeyShares {
    fn new(length: usize) -> Self {
        Self { groups: (0..length.div_ceil(GROUP)).map(|_| ShareGroup::default()).collect() }
    }

    /// Says all shares, in requests a second. For the process alone.
    pub fn set(&self, shares: impl IntoIterator<Item = f64>) {
        let mut shares = shares.into_iter();
        for group in &self.groups {
            for (bits, share) in group.bits.iter().zip(shares.by_ref()) {
                bits.store(share.to_bits(), Ordering::Relaxed);
            }
        }
        if let Some(first) = self.groups.first() {
            first.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// How often they were said.
    pub(crate) fn changes(&self) -> u64 {
        self.groups.first().map_or(0, |first| first.changes.load(Ordering::Acquire))
    }

    /// The share of a key.
    pub fn get(&self, key: usize) -> f64 {
        f64::from_bits(self.groups[key / GROUP].bits[key % GROUP].load(Ordering::Relaxed))
    }
}

impl KeyCounters {
    /// Counters at zero.
    pub(crate) fn new(names: Vec<String>, rates: Vec<Option<f64>>) -> Self {
        let count = names.len();
        let (admitted, refused) = (Cells::new(count), Cells::new(count));
        Self { names, admitted, refused, rates, shares: KeyShares::new(count) }
    }
}
