//! The executor that a shard runs in: [`runtime`] is what tasks ask of it, [`readiness`] looks at a
//! socket, and [`rings`] is where its rings differ from glommio's own. [`simulated`] is another
//! executor, in virtual time.
//!
//! What is *not* here: threads and their cores.

mod monotonic;
pub(crate) mod readiness;
mod rings;
pub mod runtime;
pub mod simulated;

use std::time::Duration;

use glommio::{GlommioError, LocalExecutor, LocalExecutorBuilder, Placement};

/// How long an executor may run tasks before it looks at its ring again. With glommio's default
/// of 100 ms a busy shard would see new connections and timers that late.
const PREEMPT: Duration = Duration::from_millis(1);
/// Entries of a submission ring. glommio cancels a timer in each turn of its loop, for which Linux
/// searches one of the hash buckets that hold all awaited sockets, and has at most 256 of them,
/// which it does from this depth on. With glommio's default of 128 there are eight: thousands of
/// connections, idle or not, then cost each turn tens of microseconds.
const RING_DEPTH: usize = 4_096;

/// What glommio registers with each of its three rings for files that it reads and writes itself,
/// which no shard has it do; this is its least. Of its default, 10 MiB, a shard locks three times as
/// much where the user's limit allows it, and leaves the next shard's rings nothing of that limit.
const IO_MEMORY_BYTES: usize = 64 << 10;

/// An executor for the thread that will run it. glommio starts a thread for blocking calls with it,
/// which inherits the calling thread's mask of cores.
pub fn make(name: &str) -> Result<LocalExecutor, GlommioError<()>> {
    LocalExecutorBuilder::new(Placement::Unbound)
        .name(name)
        .preempt_timer(PREEMPT)
        .ring_depth(RING_DEPTH)
        .io_memory(IO_MEMORY_BYTES)
        .make()
}

#[cfg(test)]
mod tests;
