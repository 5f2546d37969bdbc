//! A shard's thread: pinned, with an executor of its own.

use std::cell::OnceCell;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use core_affinity::CoreId;
use shards::batch::PrepareError;
use shards::executor::{self, runtime::sleep};
use shards::features::StoreSource;
use shards::shard::{Shard, ShardError, ShardSetup, ShardShared, Shutdown};
use socket2::SockRef;

use crate::admin::ShardView;

/// What a shard tells the main thread.
#[derive(Debug)]
pub(crate) enum News {
    /// Its models are loaded and its store is open.
    Ready,
    /// It ended, and why if not because it was told to.
    Ended(Result<(), String>),
}

/// A shard as the main thread sees it.
#[derive(Debug)]
pub(crate) struct ShardHandle {
    /// Its number, from 0.
    pub(crate) index: usize,
    /// The core that it is pinned to.
    pub(crate) core: usize,
    /// What it counts and measures.
    pub(crate) shared: Arc<ShardShared>,
    /// Where it gets its listeners when every shard is ready.
    pub(crate) start: Sender<Vec<TcpListener>>,
    /// Its thread.
    pub(crate) thread: JoinHandle<()>,
}

impl ShardHandle {
    /// The shard as the admin port sees it.
    pub(crate) fn view(&self) -> ShardView {
        ShardView { index: self.index, core: self.core, shared: Arc::clone(&self.shared) }
    }
}

/// Starts a shard's thread. It opens the shard, says so in `news`, waits for its listener and
/// serves until `shutdown` is begun.
pub(crate) fn spawn(
    index: usize,
    core: CoreId,
    setup: ShardSetup,
    shutdown: Shutdown,
    news: Sender<(usize, News)>,
) -> std::io::Result<ShardHandle> {
    let shared = Arc::clone(&setup.shared);
    let (start, listeners) = channel();
    let thread =
        std::thread::Builder::new().name(format!("shard-{index:02}")).spawn(move || {
            let served = catch_unwind(AssertUnwindSafe(|| {
                serve(index, core, setup, shutdown, &listeners, &news)
            }));
            let ended = served.unwrap_or_else(|_| Err("it panicked outside of a batch".to_owned()));
            // The main thread may be gone, at the end of a stop that took too long.
            let _ = news.send((index, News::Ended(ended)));
        })?;
    Ok(ShardHandle { index, core: core.id, shared, start, thread })
}

fn serve(
    index: usize,
    core: CoreId,
    setup: ShardSetup,
    shutdown: Shutdown,
    listeners: &Receiver<Vec<TcpListener>>,
    news: &Sender<(usize, News)>,
) -> Result<(), String> {
    // The executor starts a thread for blocking calls, which inherits the mask of this moment:
    // made before the pinning, it stays off the shard's core.
    let executor = executor::make(&format!("shard-{index:02}"));
    let executor = executor.map_err(|error| explain(&error.to_string()))?;
    if !core_affinity::set_for_current(core) {
        return Err(format!("it could not be pinned to core {}", core.id));
    }
    setup.shared.telemetry.counters.thread_id.set(thread_id().unwrap_or(0));
    // Kept outside of the executor, which does not drop its tasks when one of them panics.
    let guard = OnceCell::new();
    // One `run` for the whole life: what opening started, like a driver of the store, goes on.
    executor.run(async {
        let is_alone = matches!(setup.store, StoreSource::RequestsAlone);
        let mut shard = Shard::open(setup).await.map_err(|error| said(&error, is_alone))?;
        let _ = news.send((index, News::Ready));
        // Without a listener another shard failed to start, and the process ends.
        let Some(mut listeners) = receive(listeners).await else { return Ok(()) };
        let second = listeners.iter().map(TcpListener::try_clone).collect::<Result<_, _>>();
        let second = second.map_err(|error| error.to_string())?;
        guard.get_or_init(|| Guard { listeners: second, shutdown: shutdown.clone() });
        let Some(listener) = listeners.pop() else { return Ok(()) };
        for more in listeners {
            shard.also_accept(more);
        }
        shard.run(listener, shutdown).await.map_err(|error| error.to_string())
    })
}

/// The calling thread's id: `/proc/thread-self` is a link to `PID/task/ID`.
fn thread_id() -> Option<u64> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}

/// However a shard ends, also by a panic, the kernel must not send it further connections: its
/// listeners are shut down, whoever else still holds them, unless they stay for somebody else.
struct Guard {
    listeners: Vec<TcpListener>,
    shutdown: Shutdown,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.shutdown.leaves_listeners() {
            for listener in &self.listeners {
                let _ = SockRef::from(listener).shutdown(std::net::Shutdown::Both);
            }
        }
    }
}

/// Waits for the listeners while the executor goes on.
async fn receive(listeners: &Receiver<Vec<TcpListener>>) -> Option<Vec<TcpListener>> {
    loop {
        match listeners.try_recv() {
            Ok(listeners) => return Some(listeners),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Why a shard does not open. A file that is served by itself has no `model.toml` that could choose
/// its score.
fn said(error: &ShardError, is_alone: bool) -> String {
    match error {
        ShardError::Prepare(PrepareError::Model(model)) if is_alone && model.is_of_output() => {
            format!(
                "{error}; `shardgate init FILE --output DIR` makes a repository with a model.toml"
            )
        }
        _ => error.to_string(),
    }
}

/// Says what an operator can do about an executor that could not be made.
fn explain(error: &str) -> String {
    let lower = error.to_ascii_lowercase();
    if lower.contains("memlock") || lower.contains("memory") {
        format!(
            "too little locked memory for io_uring: raise `ulimit -l` (LimitMEMLOCK in systemd) \
             to 2 MiB a shard or more. The kernel counts it for all processes of the user \
             together: {error}"
        )
    } else {
        format!("io_uring could not be started: {error}")
    }
}
