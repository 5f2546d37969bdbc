//! What the crate asks of the runtime: glommio's, or a [`simulated`] one that
//! runs on this thread. No other folder names glommio.
//!
//! What is *not* here: sockets of a simulation. Its clients are streams in memory.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use glommio::executor;
pub(crate) use glommio::net::TcpStream;
use glommio::timer::Timer;

use super::monotonic;
use super::simulated::{self, SimulatedSleep, SimulatedTask};

/// A task of this thread. Dropping it ends it, wherever it is.
#[derive(Debug)]
pub(crate) enum Task<T: 'static> {
    Glommio(glommio::Task<T>),
    Simulated(SimulatedTask),
}

/// Runs `future` beside what awaits it.
pub(crate) fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    match simulated::current() {
        None => Task::Glommio(glommio::spawn_local(future)),
        Some(simulation) => Task::Simulated(simulation.spawn(async move {
            future.await;
        })),
    }
}

impl<T: 'static> Task<T> {
    /// Lets it run to its end.
    pub(crate) fn detach(self) {
        match self {
            Self::Glommio(task) => drop(task.detach()),
            Self::Simulated(task) => task.detach(),
        }
    }

    /// Ends it where it is, and waits until its future is gone.
    pub(crate) async fn cancel(self) {
        match self {
            Self::Glommio(task) => drop(task.cancel().await),
            Self::Simulated(task) => drop(task),
        }
    }
}

/// Waits for a time to pass.
#[derive(Debug)]
pub enum Sleep {
    /// On the machine's clock.
    Glommio(Timer),
    /// On a simulation's.
    Simulated(SimulatedSleep),
}

/// Waits until `duration` has passed.
pub fn sleep(duration: Duration) -> Sleep {
    match simulated::current() {
        None => Sleep::Glommio(Timer::new(duration)),
        Some(simulation) => Sleep::Simulated(simulation.sleep(duration)),
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.get_mut() {
            Self::Glommio(timer) => pin!(timer).poll(context).map(|_| ()),
            Self::Simulated(sleep) => pin!(sleep).poll(context),
        }
    }
}

/// The time of the monotonic clock.
pub(crate) fn now() -> Instant {
    simulated::current().map_or_else(Instant::now, |simulation| simulation.now())
}

/// The same as a number, in ns since a time that is the same for all of its readings.
pub(crate) fn now_ns() -> u64 {
    simulated::current().map_or_else(monotonic::now_ns, |simulation| simulation.now_ns())
}

/// The time of day.
pub(crate) fn wall() -> SystemTime {
    simulated::current().map_or_else(SystemTime::now, |simulation| simulation.wall())
}

/// Gives others their turn where this task has had the core for as long as one may.
pub(crate) async fn yield_if_needed() {
    match simulated::current() {
        None => executor().yield_if_needed().await,
        Some(_) => yield_once().await,
    }
}

/// Gives all others their turn, and the executor a look at its rings.
pub(crate) async fn yield_to_rings() {
    match simulated::current() {
        None => executor().yield_task_queue_now().await,
        Some(_) => yield_once().await,
    }
}

/// Lets every other task that is ready run once.
pub(crate) async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs what blocks on a thread that is no shard's.
pub(crate) async fn run_blocking<T: Send + 'static>(
    blocking: impl FnOnce() -> T + Send + 'static,
) -> T {
    if simulated::current().is_none() {
        executor().spawn_blocking(blocking).await
    } else {
        yield_once().await;
        blocking()
    }
}

/// How long the executor has run tasks since it was asked before.
pub(crate) fn take_busy_time() -> Duration {
    simulated::current().map_or_else(
        || executor().executor_stats().total_runtime(),
        |simulation| simulation.take_busy_time(),
    )
}
