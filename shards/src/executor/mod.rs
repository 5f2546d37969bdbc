//! The executor that a shard runs in, and what wakes it when it sleeps with tasks ready to run.
//!
//! glommio 0.9 does that when its preempt timer has fired before the first task of a round, because
//! the system took the CPU away at that moment: the round ends at once, counts as idle, and the
//! executor waits for the next timer or I/O. A timer that was due has been taken off the list by
//! then, and I/O may never come. There are two ways out of it, for two kinds of patience:
//! [`Alarms`] are timers that a task keeps ahead of itself, so that it goes on after milliseconds,
//! as a fetch has to; a [`Nudge`] wakes the executor from another thread, as often as it takes, be
//! it by an `interrupt`. Whoever runs an executor, the process or a test, does so by [`run`].
//!
//! What is *not* here: threads, their cores, and when to nudge.

mod alarms;
mod interrupt;
mod nudge;

use std::future::Future;
use std::time::Duration;

use glommio::{GlommioError, LocalExecutor, LocalExecutorBuilder, Placement};

pub(crate) use self::alarms::Alarms;
pub use self::nudge::Nudge;

/// How long an executor may run tasks before it looks at its ring again. With glommio's default
/// of 100 ms a busy shard would see new connections and timers that late.
const PREEMPT: Duration = Duration::from_millis(1);
/// Entries of a submission ring. glommio cancels a timer in each turn of its loop, for which Linux
/// searches one of the hash buckets that hold all awaited sockets, and has at most 256 of them,
/// which it does from this depth on. With glommio's default of 128 there are eight: thousands of
/// connections, idle or not, then cost each turn tens of microseconds.
const RING_DEPTH: usize = 4_096;

/// An executor for the thread that will run it. glommio starts a thread for blocking calls with it,
/// which inherits the calling thread's mask of cores.
pub fn make(name: &str) -> Result<LocalExecutor, GlommioError<()>> {
    LocalExecutorBuilder::new(Placement::Unbound)
        .name(name)
        .preempt_timer(PREEMPT)
        .ring_depth(RING_DEPTH)
        .make()
}

/// Runs `future` to its end in `executor`, on the calling thread; it can be nudged from its first
/// round on. What it spawned ends with it.
pub fn run<T>(executor: &LocalExecutor, nudge: &Nudge, future: impl Future<Output = T>) -> T {
    nudge.expect_here();
    executor.run(async {
        nudge.register().await;
        future.await
    })
}
