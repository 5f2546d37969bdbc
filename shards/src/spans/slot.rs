//! Where a shard leaves its spans, and the process takes them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::RequestSpan;
use crate::crossing::Crossing;

/// Spans on their way from a shard to the process. The flag says whose they are, so the lock is free
/// whenever either side takes it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct SpanSlot {
    is_full: AtomicBool,
    spans: Crossing<Vec<RequestSpan>>,
}

impl SpanSlot {
    /// Takes what the shard left, against the empty `spans`; false where there is nothing. For the
    /// process.
    pub fn take(&self, spans: &mut Vec<RequestSpan>) -> bool {
        if !self.is_full.load(Ordering::Acquire) {
            return false;
        }
        spans.clear();
        std::mem::swap(spans, &mut *self.spans.lock());
        self.is_full.store(false, Ordering::Release);
        true
    }

    /// Leaves `filled` against an empty buffer, unless the process has not taken the last ones. For
    /// the shard.
    pub(super) fn offer(&self, filled: &mut Vec<RequestSpan>) {
        if filled.is_empty() || self.is_full.load(Ordering::Acquire) {
            return;
        }
        let Some(mut spans) = self.spans.try_lock() else { return };
        std::mem::swap(filled, &mut *spans);
        drop(spans);
        self.is_full.store(true, Ordering::Release);
    }

    /// Leaves the last ones behind what the process has not taken yet: the shard ends. For the shard.
    pub(super) fn close(&self, last: &mut Vec<RequestSpan>) {
        let mut spans = self.spans.lock();
        if !self.is_full.load(Ordering::Acquire) {
            spans.clear();
        }
        spans.append(last);
        let is_full = !spans.is_empty();
        drop(spans);
        self.is_full.store(is_full, Ordering::Release);
    }
}
