//! What the crate asks of the runtime. No other folder names glommio.

use std::time::Duration;

use glommio::executor;
pub(crate) use glommio::net::TcpStream;
pub(crate) use glommio::spawn_local as spawn;
pub use glommio::timer::sleep;

/// Gives others their turn where this task has had the core for as long as one may.
pub(crate) async fn yield_if_needed() {
    executor().yield_if_needed().await;
}

/// Gives all others their turn, and the executor a look at its rings.
pub(crate) async fn yield_to_rings() {
    executor().yield_task_queue_now().await;
}

/// Runs what blocks on a thread that is no shard's.
pub(crate) async fn run_blocking<T: Send + 'static>(
    blocking: impl FnOnce() -> T + Send + 'static,
) -> T {
    executor().spawn_blocking(blocking).await
}

/// How long the executor has run tasks since it was asked before.
pub(crate) fn take_busy_time() -> Duration {
    executor().executor_stats().total_runtime()
}
