//! The index of a store's file: buckets of slots, each of which says where a key's record is.

use super::keyed_hash::KeyedHash;
use super::layout::{BUCKET_BYTES, OFFSET_BITS, SLOTS, word};

/// How many buckets the index of so many rows has: seven tenths of its slots are taken.
pub(super) fn buckets_for(rows: u64) -> u64 {
    (rows * 10).div_ceil(SLOTS as u64 * 7) + 1
}

/// The bucket, of `buckets`, where a key with this hash is looked for first.
pub(super) fn bucket_of(hash: u64, buckets: u64) -> usize {
    ((u128::from(hash) * u128::from(buckets)) >> 64) as usize
}

/// What a slot says: where a record is, and some bits of its key's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u64);

impl Slot {
    pub(super) fn new(hash: u64, offset: u64) -> Self {
        Self(hash << OFFSET_BITS | offset)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether its key may have this hash.
    pub(super) fn may_be(self, hash: u64) -> bool {
        self.0 >> OFFSET_BITS == hash & (u64::MAX >> OFFSET_BITS) && !self.is_empty()
    }

    pub(super) fn offset(self) -> u64 {
        self.0 & (u64::MAX >> (u64::BITS - OFFSET_BITS))
    }
}

/// A bucket as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket<'a>(pub(super) &'a [u8; BUCKET_BYTES]);

impl<'a> Bucket<'a> {
    pub(super) fn slots(self) -> impl Iterator<Item = Slot> + use<'a> {
        let (words, _) = self.0.as_chunks::<8>();
        words[..SLOTS].iter().map(|word| Slot(u64::from_le_bytes(*word)))
    }

    /// Whether it is as it was written.
    pub(super) fn is_whole(self, hash: &KeyedHash) -> bool {
        word(self.0, 8 * SLOTS) == hash.checksum(&self.0[..8 * SLOTS])
    }
}

/// A bucket in the making.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NewBucket([u64; SLOTS]);

impl NewBucket {
    /// Takes a slot; false where there is no room.
    pub(super) fn put(&mut self, slot: Slot) -> bool {
        let free = self.0.iter_mut().find(|known| **known == 0);
        free.map(|free| *free = slot.0).is_some()
    }

    pub(super) fn encode(&self, hash: &KeyedHash) -> [u8; BUCKET_BYTES] {
        let mut bytes = [0; BUCKET_BYTES];
        for (at, slot) in self.0.iter().enumerate() {
            bytes[8 * at..8 * at + 8].copy_from_slice(&slot.to_le_bytes());
        }
        let checksum = hash.checksum(&bytes[..8 * SLOTS]);
        bytes[8 * SLOTS..8 * SLOTS + 4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bucket, KeyedHash, NewBucket, Slot, buckets_for};

    #[test]
    fn an_index_has_room_for_its_rows_and_not_much_more() {
        for rows in [0, 1, 6, 7, 8, 1_000, 1_000_000, 1 << 40] {
            let slots = buckets_for(rows) * 7;
            assert!(slots > rows && slots <= rows * 10 / 7 + 14, "{rows}: {slots}");
        }
    }

    proptest! {
        #[test]
        fn a_bucket_is_read_as_it_was_written(
            slots in prop::collection::vec((any::<u64>(), 1_u64..1 << 48), 0..9),
            bit in 0_usize..60 * 8,
        ) {
            let hash = KeyedHash::new(3);
            let mut made = NewBucket::default();
            for (at, (key, offset)) in slots.iter().enumerate() {
                prop_assert_eq!(made.put(Slot::new(*key, *offset)), at < 7);
            }
            let bytes = made.encode(&hash);
            let bucket = Bucket(&bytes);
            prop_assert!(bucket.is_whole(&hash));
            let taken: Vec<Slot> = bucket.slots().filter(|slot| !slot.is_empty()).collect();
            prop_assert_eq!(taken.len(), slots.len().min(7));
            for (slot, (key, offset)) in taken.iter().zip(&slots) {
                prop_assert!(slot.may_be(*key) && !slot.may_be(!*key));
                prop_assert_eq!(slot.offset(), *offset);
            }
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!Bucket(&flipped).is_whole(&hash));
        }
    }
}
