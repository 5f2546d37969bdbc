//! What a shard and threads of the process both have, without either waking the other.
//!
//! A plain mutex that somebody waits for makes its owner call the kernel when it lets go of it: a shard
//! that only looked at a value would wake a thread of the process. Here nobody is ever on the list of
//! those that wait.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

/// How long a thread of the process leaves a value alone that another thread has.
const PAUSE: Duration = Duration::from_micros(50);

/// A value that crosses between a shard and the process.
#[derive(Debug, Default)]
pub(crate) struct Crossing<T>(Mutex<T>);

impl<T> Crossing<T> {
    /// The value, unless another thread has it. For shards.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(value) => Some(value),
            Err(TryLockError::Poisoned(value)) => Some(value.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The value, as soon as no other thread has it. For threads of the process; and for a shard where it
    /// opens, changes or ends something.
    #[expect(clippy::disallowed_methods, reason = "threads of the process wait, never a batch")]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        loop {
            match self.try_lock() {
                Some(value) => return value,
                None => std::thread::sleep(PAUSE),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Crossing;

    #[test]
    fn one_thread_has_it_at_a_time() {
        let crossing = Crossing::<u64>::default();
        let held = crossing.lock();
        assert!(crossing.try_lock().is_none());
        drop(held);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| *crossing.lock() += 1));
            }
        });
        assert_eq!(crossing.try_lock().map(|value| *value), Some(4_000));
    }

    #[test]
    fn a_panic_leaves_the_value_to_others() {
        let crossing = Crossing::<u64>::default();
        std::thread::scope(|scope| {
            let failed = scope.spawn(|| {
                let mut held = crossing.lock();
                *held = 7;
                panic!("while it is held");
            });
            assert!(failed.join().is_err());
        });
        assert_eq!(*crossing.lock(), 7);
    }
}
