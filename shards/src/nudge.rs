//! [`Nudge`]: makes an executor look at its tasks again, from another thread.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Poll, Waker};

use crate::interrupt::{interrupt, this_thread};

/// Makes a shard's executor look at its tasks again, from another thread.
///
/// glommio 0.9 can go to sleep with tasks ready to run: when the preempt timer has fired before
/// the first task of a round, because the system took the CPU away at that moment, the round ends
/// at once and counts as idle. Timers that were due have been taken off the list by then, so the
/// shard sleeps until a socket wakes it, which may be never. Waking any task from outside starts
/// another round, as often as it takes. The process does so when a heartbeat is late.
#[derive(Debug, Default)]
pub struct Nudge {
    /// Never dropped: the last waker of a task, dropped away from its executor, asks the executor
    /// to end the task, and glommio repeats that without end when the executor is gone.
    waker: OnceLock<ManuallyDrop<Waker>>,
    /// The thread that is about to run the executor; 0 where none has said so.
    thread: AtomicI32,
}

impl Nudge {
    /// Says that the calling thread is about to run the executor. Its first round may be one of
    /// those that it sleeps through, when there is no task yet that could be woken: until a shard
    /// is being opened, a nudge interrupts the thread's sleep instead.
    pub fn expect_here(&self) {
        self.thread.store(this_thread(), Ordering::Release);
    }

    /// Makes the calling task the one that is woken; it may end before that. The task that opens a
    /// shard does this before all else: one that it only spawned may be among those that an
    /// executor sleeps on.
    pub(crate) fn register(&self) -> impl Future<Output = ()> {
        std::future::poll_fn(|context| {
            self.waker.get_or_init(|| ManuallyDrop::new(context.waker().clone()));
            Poll::Ready(())
        })
    }

    /// Wakes the executor; does nothing before it runs and after it has ended.
    pub fn nudge(&self) {
        match (self.waker.get(), self.thread.load(Ordering::Acquire)) {
            (Some(waker), _) => waker.wake_by_ref(),
            (None, 0) => {}
            (None, thread) => interrupt(thread),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use futures_lite::future::poll_fn;
    use glommio::LocalExecutorBuilder;

    use super::*;

    #[test]
    fn a_sleeping_executor_polls_again_when_nudged_and_a_dead_one_is_left_alone() {
        let nudge = Arc::new(Nudge::default());
        nudge.nudge();
        let (sender, polls) = channel();
        let nudged = Arc::clone(&nudge);
        let executor = LocalExecutorBuilder::default().spawn(move || async move {
            let mut left = 3;
            let counted = poll_fn(move |_| {
                left -= 1;
                sender.send(left).expect("the test waits");
                if left == 0 { Poll::Ready(()) } else { Poll::Pending }
            });
            nudged.register().await;
            counted.await;
        });
        for expected in [2, 1, 0] {
            assert_eq!(polls.recv(), Ok(expected));
            // Registered in the poll that has just been counted.
            nudge.nudge();
        }
        executor.expect("io_uring").join().expect("the executor ends by itself");
        nudge.nudge();
    }
}
