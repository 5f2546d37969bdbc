//! [`Nudge`]: makes an executor look at its tasks again, from another thread.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Poll, Waker};

use super::interrupt::{interrupt, this_thread};

/// Makes an executor look at its tasks again, from another thread: waking any of them starts
/// another round. The process does so when a shard's heartbeat is late.
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
    /// those that it sleeps through, when there is no task yet that could be woken: until then, a
    /// nudge interrupts the thread's sleep instead.
    pub(super) fn expect_here(&self) {
        self.thread.store(this_thread(), Ordering::Release);
    }

    /// Makes the calling task the one that is woken; it may end before that. The executor's first
    /// task does this before all else: one that it only spawned may be among those that the
    /// executor sleeps on.
    pub(super) fn register(&self) -> impl Future<Output = ()> {
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
