//! Where a shard leaves what it wrote down, and the process takes it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::crossing::Crossing;

/// One buffer on its way from a shard to the process. The flag says whose it is, so the lock is
/// free whenever either side takes it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct JournalSlot {
    is_full: AtomicBool,
    buffer: Crossing<Vec<u8>>,
}

impl JournalSlot {
    /// Takes what the shard left, against `empty`, which is cleared; false where there is nothing.
    /// For the process.
    pub fn take(&self, empty: &mut Vec<u8>) -> bool {
        if !self.is_full.load(Ordering::Acquire) {
            return false;
        }
        empty.clear();
        std::mem::swap(empty, &mut *self.buffer.lock());
        self.is_full.store(false, Ordering::Release);
        true
    }

    /// Leaves `filled` against an empty buffer, unless the process has not taken the last one.
    /// For the shard.
    pub(super) fn offer(&self, filled: &mut Vec<u8>) {
        if self.is_full.load(Ordering::Acquire) {
            return;
        }
        let Some(mut buffer) = self.buffer.try_lock() else { return };
        std::mem::swap(filled, &mut *buffer);
        drop(buffer);
        self.is_full.store(true, Ordering::Release);
    }

    /// Leaves `last` behind what the process has not taken yet: the shard ends. For the shard.
    pub(super) fn close(&self, last: &mut Vec<u8>) {
        let mut buffer = self.buffer.lock();
        if !self.is_full.load(Ordering::Acquire) {
            buffer.clear();
        }
        buffer.append(last);
        let is_full = !buffer.is_empty();
        drop(buffer);
        self.is_full.store(is_full, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::JournalSlot;

    #[test]
    fn buffers_go_round_and_nothing_is_lost_or_seen_twice() {
        let slot = JournalSlot::default();
        let mut read = vec![9];
        assert!(!slot.take(&mut read));
        let mut filled = vec![1, 2];
        slot.offer(&mut filled);
        assert!(filled.is_empty());
        filled.push(3);
        slot.offer(&mut filled);
        assert_eq!(filled, [3], "the first was not taken yet");
        assert!(slot.take(&mut read));
        assert_eq!(read, [1, 2]);
        slot.offer(&mut filled);
        slot.close(&mut vec![4]);
        assert!(slot.take(&mut read));
        assert_eq!(read, [3, 4]);
        slot.close(&mut Vec::new());
        assert!(!slot.take(&mut read));
    }
}
