//! One shard: the life from opening its store and models to the end of its drain.
//!
//! [`Shard::open`] and [`Shard::run`] are that life. `state` has its parts and its tick.
//! [`ShardShared`] is all that crosses between the shard's thread and the process.
//!
//! What is *not* here: threads, cores and signals. A shard runs in whatever executor
//! awaits it.

mod inspect;
mod shared;
mod state;

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};
use thiserror::Error;

pub use self::inspect::{InspectError, InspectedColumn, InspectedEntity, InspectedRow, inspect};
pub use self::shared::{Command, ShardShared, Shutdown};
use self::state::ShardState;
pub use crate::api::{AdminReply, AdminReplyKind, FeatureCall, RepositoryRequest, WriteRequest};
use crate::batch::{PrepareError, PreparedModel};
use crate::executor::runtime::{now, sleep, spawn};
use crate::features::{StoreError, StoreSource, Unfit};
pub use crate::http::ShardSettings;
use crate::http::connection::Connection;
use crate::http::front::Front;
use crate::http::listener;
use crate::keys::KeyFile;
use crate::model::repository::ModelDirectory;
use crate::model::{LoadOptions, Loads};
use crate::tls::{TlsError, TlsIdentity};

/// How often a shard looks at what others ask of it, and at its clock.
const TICK: Duration = Duration::from_millis(10);
/// How often it looks while writes of its clients wait for the process.
const WRITE_TICK: Duration = Duration::from_millis(1);

/// The parts that a shard is opened with.
#[derive(Debug, Clone)]
pub struct ShardSetup {
    /// How it serves.
    pub settings: ShardSettings,
    /// The models; the first is the default one.
    pub models: Vec<ModelDirectory>,
    /// How models are loaded.
    pub load: LoadOptions,
    /// With which other shards they are loaded.
    pub loads: Arc<Loads>,
    /// The store of their features.
    pub store: StoreSource,
    /// The keys that requests need; `None`: they need none.
    pub keys: Option<KeyFile>,
    /// What the serving port is encrypted by; `None`: plain HTTP.
    pub tls: Option<TlsIdentity>,
    /// The part that the shard shares with the process.
    pub shared: Arc<ShardShared>,
}

/// Why a shard could not be opened.
#[derive(Debug, Error)]
pub enum ShardError {
    /// A model cannot be served.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The store could not be opened by this shard.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has no columns that a model could be bound to.
    #[error(transparent)]
    Unfit(Unfit),
    /// The serving port cannot be encrypted.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A shard whose models are loaded and whose store is open; it belongs to the thread, and the
/// executor, that opened it.
#[derive(Debug)]
pub struct Shard {
    state: Rc<ShardState>,
    more_listeners: Vec<TcpListener>,
}

impl Shard {
    /// Opens the store, loads this core's own copy of every model and binds each to the store. To
    /// be awaited in the executor that is to serve.
    pub async fn open(setup: ShardSetup) -> Result<Self, ShardError> {
        let store = setup.store.open().await?;
        let tables = setup.models.iter().flat_map(|model| model.manifest.tables());
        store.open_tables(tables).await?;
        let schema = store.schema().map_err(ShardError::Unfit)?;
        let mut models = Vec::with_capacity(setup.models.len());
        for directory in &setup.models {
            models.push(PreparedModel::load_with(&setup.loads, directory, setup.load, &schema)?);
        }
        drop(setup.loads);
        setup.shared.set_schema(Some(schema));
        setup.shared.set_columns(models.first().map_or(&[], PreparedModel::columns));
        let state = ShardState::new(setup.settings, setup.shared, store);
        if let Some(file) = &setup.keys {
            state.take_keys(file);
        }
        if let Some(identity) = &setup.tls {
            state.encrypt(identity)?;
        }
        for prepared in models {
            state.install(prepared);
        }
        Ok(Self { state, more_listeners: Vec::new() })
    }

    /// Serves one connection that no listener accepted, over any stream of bytes. Requests of a
    /// client in memory are served as if they had come by a socket.
    /// The future, to be awaited in the shard's executor, ends with the connection.
    ///
    /// The shard's clock of time limits and its histograms for readers go on only in
    /// [`Shard::run`].
    pub fn serve<S>(&self, stream: S) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.door().serve(stream)
    }

    /// What connections in memory come in by while the shard runs.
    pub fn door(&self) -> Door {
        Door { front: Rc::clone(&self.state.front) }
    }

    /// Accepts from `listener` too, beside the one that [`Shard::run`] is given.
    pub fn also_accept(&mut self, listener: TcpListener) {
        self.more_listeners.push(listener);
    }

    /// Serves connections of `listener` until `shutdown` is begun, then drains: what was accepted
    /// is answered, within `drain_timeout_ms`.
    pub async fn run(self, listener: TcpListener, shutdown: Shutdown) -> std::io::Result<()> {
        let mut listeners = self.more_listeners;
        listeners.push(listener);
        serve_until_stop(self.state, listeners, shutdown).await
    }

    /// [`Shard::run`] without a listener: connections come by its [`Door`].
    pub async fn run_in_memory(self, shutdown: Shutdown) -> std::io::Result<()> {
        serve_until_stop(self.state, self.more_listeners, shutdown).await
    }
}

/// Lets connections in memory in.
#[derive(Debug, Clone)]
pub struct Door {
    front: Rc<Front>,
}

impl Door {
    /// Whether the shard takes new connections: it has not begun to drain.
    pub fn is_open(&self) -> bool {
        !self.front.context.draining.get()
    }

    /// Serves one connection, as [`Shard::serve`] does.
    pub fn serve<S>(&self, stream: S) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        Connection::new(stream, Rc::clone(&self.front)).serve()
    }
}

async fn serve_until_stop(
    state: Rc<ShardState>,
    listeners: Vec<TcpListener>,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let front = &state.front;
    let mut accepting = Vec::with_capacity(listeners.len());
    for listener in &listeners {
        listener.set_nonblocking(true)?;
        let accept = listener::accept(listener.try_clone()?, Rc::clone(front));
        accepting.push(spawn(accept));
    }
    let writing = spawn(exchange_writes(Rc::clone(&state)));
    let ticking = spawn(tick_forever(Rc::clone(&state), shutdown.clone()));
    state.stopping.notified().await;

    front.context.draining.set(true);
    front.handles.wake_all();
    front.read_newest(usize::MAX);
    // Connections that wait at listeners that stay are for the process that accepts next.
    let closes = !shutdown.leaves_listeners();
    if closes {
        listener::refuse_new(&listeners).await;
    }
    for accept in accepting {
        accept.cancel().await;
    }
    if closes {
        listener::accept_rest(&listeners, front);
    }
    drop(listeners);
    drain(front).await;
    state.lanes.retire_all();
    writing.cancel().await;
    ticking.cancel().await;
    while state.hand_over() {}
    state.close_journal();
    Ok(())
}

/// Waits until every connection has been answered and closed, at most `drain_timeout_ms`.
async fn drain(front: &Front) {
    let give_up = now() + Duration::from_millis(front.limits().drain_ms_max);
    while front.handles.len() > 0 && now() < give_up {
        sleep(TICK).await;
    }
}

/// As long as writes wait for the process, looks often whether they are done.
async fn exchange_writes(state: Rc<ShardState>) {
    let queue = &state.front.api.write_queue;
    loop {
        queue.filled.notified().await;
        while !queue.is_empty() {
            state.exchange_writes();
            sleep(WRITE_TICK).await;
        }
    }
}

async fn tick_forever(state: Rc<ShardState>, shutdown: Shutdown) {
    loop {
        state.tick(&shutdown);
        sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests;
