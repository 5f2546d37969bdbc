//! Which requests with an `idempotency-key` were committed lately.

use std::collections::{HashMap, VecDeque};

use super::frame::{ChangeBatch, Frame, Idempotency};
use crate::features::embedded::keyed_hash::KeyedHash;
use crate::features::schema::Schema;

/// For how long it is remembered that a request was committed.
const REMEMBERED_US: i64 = 15 * 60 * 1_000_000;
/// How many such requests are remembered.
const REMEMBERED_MAX: usize = 1 << 16;

/// The requests with an `idempotency-key` that were committed last.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    bodies: HashMap<u128, u64>,
    /// The same, the oldest first.
    by_time: VecDeque<(i64, Idempotency)>,
}

impl Remembered {
    /// The hash of the body of the request with this key.
    pub(super) fn body(&self, key: u128) -> Option<u64> {
        self.bodies.get(&key).copied()
    }

    pub(super) fn see(&mut self, frame: Frame<'_>) {
        if let Some(it) = frame.idempotency {
            self.remember(it, frame.time_us);
        }
    }

    pub(super) fn remember(&mut self, it: Idempotency, time_us: i64) {
        if self.bodies.insert(it.key, it.body).is_none() {
            self.by_time.push_back((time_us, it));
        }
        let oldest_us = time_us.saturating_sub(REMEMBERED_US);
        while let Some((at_us, oldest)) = self.by_time.front()
            && (*at_us < oldest_us || self.by_time.len() > REMEMBERED_MAX)
        {
            self.bodies.remove(&oldest.key);
            self.by_time.pop_front();
        }
    }

    /// Frames without rows by which a new file of the log remembers them too.
    pub(super) fn frames(&self, hash: &KeyedHash, first: u64, schema: &Schema) -> Vec<u8> {
        let mut frames = Vec::new();
        for (time_us, it) in &self.by_time {
            let frame = ChangeBatch::new(schema).once(Some(*it));
            // They are no changes: they have the number of the last one before the file.
            frame.encode(hash, first - 1, *time_us, &mut frames);
        }
        frames
    }
}
