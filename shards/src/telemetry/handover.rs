//! Where a shard copies histograms when somebody asks, so that nobody reads them under it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Histograms;
use crate::crossing::Crossing;

/// A hand-over buffer between one shard and its readers.
///
/// A reader raises `requested`; the shard sees it at its next tick, copies, and raises
/// `answered`. The lock is taken by the shard only when it was asked, and then it is free: the
/// reader waits for `answered` before it takes it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Handover {
    requested: AtomicU64,
    answered: AtomicU64,
    closed: AtomicBool,
    copy: Crossing<Copied>,
}

/// The last copy, and when it was made: what it counts can only be told per second by that.
#[derive(Debug, Default)]
struct Copied {
    at: Option<Instant>,
    histograms: Histograms,
}

impl Copied {
    fn copy_from(&mut self, live: &Histograms) {
        self.histograms.copy_from(live);
        self.at = Some(Instant::now());
    }
}

impl Handover {
    /// Asks the shard for a copy and returns the number to wait for.
    pub fn request(&self) -> u64 {
        self.requested.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Copies `live` if somebody asked since the last call; true if it did. For the shard.
    pub fn answer(&self, live: &Histograms) -> bool {
        let requested = self.requested.load(Ordering::Acquire);
        if requested == self.answered.load(Ordering::Relaxed) {
            return false;
        }
        // A reader holds the lock only while it clones an answered copy; then the next tick is
        // early enough, and the shard never waits.
        let Some(mut copy) = self.copy.try_lock() else { return false };
        copy.copy_from(live);
        drop(copy);
        self.answered.store(requested, Ordering::Release);
        true
    }

    /// Copies `live` for the last time: it will not change again. For the shard.
    pub fn close(&self, live: &Histograms) {
        // Waits for a reader that is cloning, once in a lane's life and never beside a batch.
        self.copy.lock().copy_from(live);
        self.closed.store(true, Ordering::Release);
    }

    /// Whether the last copy was made: what is copied will not change again, nor will any counter
    /// beside it.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until request `number` is answered; `None` when the shard did not within `patience`.
    /// Blocks its thread: not for shards.
    pub fn wait(&self, number: u64, patience: Duration) -> Option<Histograms> {
        let give_up = Instant::now() + patience;
        while self.answered.load(Ordering::Acquire) < number && !self.closed.load(Ordering::Acquire)
        {
            if Instant::now() >= give_up {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Some(self.latest())
    }

    /// The last copy that was made, whenever that was. Not for shards.
    pub fn latest(&self) -> Histograms {
        self.copy.lock().histograms.clone()
    }

    /// When the last copy was made; `None` before the first. Not for shards.
    pub fn copied_at(&self) -> Option<Instant> {
        self.copy.lock().at
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Handover;
    use crate::telemetry::{Histograms, Phase};

    #[test]
    fn a_shard_that_does_not_answer_is_told_apart_from_one_that_does() {
        let handover = Handover::default();
        let number = handover.request();
        assert!(handover.wait(number, Duration::from_millis(5)).is_none());
        assert_eq!(handover.copied_at(), None);
        let asked_at = Instant::now();
        let mut live = Histograms::default();
        live.record(Phase::Model, 2_000, 1);
        handover.answer(&live);
        let answered_at = Instant::now();
        let copy = handover.wait(number, Duration::ZERO).expect("answered");
        let copied_at = handover.copied_at().expect("copied");
        assert!((asked_at..=answered_at).contains(&copied_at), "not when it was waited for");
        assert_eq!(copy.phase(Phase::Model).len(), 1);
        handover.close(&live);
        assert!(handover.wait(handover.request(), Duration::ZERO).is_some(), "closed");
    }
}
