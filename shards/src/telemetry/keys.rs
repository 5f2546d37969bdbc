//! What one shard counts for each API key.

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
}

impl KeyCounters {
    /// Counters at zero.
    pub(crate) fn new(names: Vec<String>) -> Self {
        let count = names.len();
        Self { names, admitted: Cells::new(count), refused: Cells::new(count) }
    }
}
