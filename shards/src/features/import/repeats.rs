//! Keys that occur more than once in one file.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// How many keys are remembered, by 8 bytes each: what a table of 2²⁵ places takes, some 300 MB.
pub(super) const KEYS_MAX: usize = (1 << 25) / 8 * 7;

/// Remembers the keys that were seen, by a hash of 64 bits: among ten million keys, two that differ
/// are taken for one in one file of some hundred thousand.
#[derive(Debug, Default)]
pub(super) struct SeenKeys {
    hasher: RandomState,
    seen: HashSet<u64, BuildHasherDefault<Kept>>,
}

/// Takes a number that is a hash already as it is.
#[derive(Debug, Default)]
struct Kept(u64);

impl Hasher for Kept {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl SeenKeys {
    /// Whether the key was seen before. Beyond [`KEYS_MAX`] different keys no further one is
    /// remembered.
    pub(super) fn is_repeated(&mut self, key: &[u8]) -> bool {
        let hash = self.hasher.hash_one(key);
        if self.is_full() {
            return self.seen.contains(&hash);
        }
        !self.seen.insert(hash)
    }

    /// Whether a key may have been repeated without being noticed.
    pub(super) fn is_full(&self) -> bool {
        self.seen.len() >= KEYS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::SeenKeys;

    #[test]
    fn each_key_is_repeated_from_its_second_time_on() {
        let mut keys = SeenKeys::default();
        let found: Vec<bool> =
            ["a", "b", "a", "c", "a", "b"].map(|key| keys.is_repeated(key.as_bytes())).to_vec();
        assert_eq!(found, [false, false, true, false, true, true]);
        assert!(!keys.is_full());
    }
}
