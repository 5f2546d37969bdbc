//! Tells the distinct keys of a batch from their repetitions, so that each is fetched once.

/// Marks a free slot, and the end of a chain of equal rows.
const NONE: u32 = u32::MAX;

/// Rows of one batch, chained by equal keys. Clearing costs as much as was pushed.
#[derive(Debug, Default)]
pub(crate) struct DistinctRows {
    /// Open addressing by hash: positions in `keys`. A power of two in length, half full at most.
    slots: Vec<u32>,
    keys: Vec<DistinctKey>,
    /// The first row of each distinct key.
    firsts: Vec<u32>,
    /// The next row with the same key.
    next: Vec<u32>,
}

#[derive(Debug)]
struct DistinctKey {
    hash: u64,
    slot: usize,
    last_row: u32,
}

impl DistinctRows {
    /// Forgets all rows and keeps what is allocated.
    pub(crate) fn clear(&mut self) {
        for key in &self.keys {
            self.slots[key.slot] = NONE;
        }
        self.keys.clear();
        self.firsts.clear();
        self.next.clear();
    }

    /// Adds the next row; `has_key` says whether an earlier row has its key.
    pub(crate) fn push(&mut self, key: &[u8], has_key: impl Fn(usize) -> bool) {
        let row = self.next.len() as u32;
        self.next.push(NONE);
        if self.slots.len() < 2 * (self.keys.len() + 1) {
            self.grow();
        }
        let hash = hash(key);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while let Some(known) = self.keys.get_mut(self.slots[slot] as usize) {
            if known.hash == hash && has_key(self.firsts[self.slots[slot] as usize] as usize) {
                self.next[known.last_row as usize] = row;
                known.last_row = row;
                return;
            }
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = self.keys.len() as u32;
        self.keys.push(DistinctKey { hash, slot, last_row: row });
        self.firsts.push(row);
    }

    /// Adds a row that has no key and is chained to no other.
    pub(crate) fn push_without_key(&mut self) {
        self.next.push(NONE);
    }

    /// The first row of each distinct key, in order.
    pub(crate) fn firsts(&self) -> &[u32] {
        &self.firsts
    }

    /// The rows with the key of `first`, in order.
    pub(crate) fn rows_like(&self, first: u32) -> impl Iterator<Item = usize> {
        let mut row = first;
        std::iter::from_fn(move || {
            let current = (row != NONE).then_some(row as usize)?;
            row = self.next[current];
            Some(current)
        })
    }

    fn grow(&mut self) {
        let length = (4 * self.next.len()).next_power_of_two().max(256);
        self.slots.clear();
        self.slots.resize(length, NONE);
        for (position, key) in self.keys.iter_mut().enumerate() {
            key.slot = key.hash as usize & (length - 1);
            while self.slots[key.slot] != NONE {
                key.slot = (key.slot + 1) & (length - 1);
            }
            self.slots[key.slot] = position as u32;
        }
    }
}

/// Mixes eight bytes at a time. Nothing here defends against keys that a client chose to collide:
/// a batch is short, and comparing all of its keys costs less than reading one.
fn hash(key: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(ODD);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (words, rest) = key.as_chunks::<8>();
    let mut hash = words
        .iter()
        .fold(key.len() as u64 ^ ODD, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    hash = mix(hash, u64::from_le_bytes(last));
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::DistinctRows;

    proptest! {
        #[test]
        fn every_row_is_chained_to_the_first_with_its_key(
            batches in prop::collection::vec(prop::collection::vec("[ab]{0,5}", 0..300), 1..4),
        ) {
            let mut distinct = DistinctRows::default();
            for keys in batches {
                distinct.clear();
                for key in &keys {
                    distinct.push(key.as_bytes(), |other| keys[other] == *key);
                }
                let mut seen = vec![false; keys.len()];
                for &first in distinct.firsts() {
                    let expected: Vec<_> = (0..keys.len())
                        .filter(|&row| keys[row] == keys[first as usize])
                        .collect();
                    prop_assert_eq!(expected[0], first as usize);
                    prop_assert_eq!(&distinct.rows_like(first).collect::<Vec<_>>(), &expected);
                    for row in expected {
                        seen[row] = true;
                    }
                }
                prop_assert!(seen.into_iter().all(|row| row));
            }
        }
    }
}
