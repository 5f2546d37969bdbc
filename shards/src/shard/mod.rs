//! One shard: the life from opening its store and models to the end of its drain.
//!
//! [`Shard::open`] and [`Shard::run`] are that life; `state` is what its parts share; a
//! [`PreparedModel`] is a model made ready on any thread; `desk` holds the requests that the
//! process answers; and [`ShardShared`] is all that crosses between the shard's thread and the
//! process.
//!
//! What is *not* here: threads, cores and signals. A shard runs in whatever glommio executor
//! awaits it.

mod desk;
mod prepared;
mod shared;
mod state;

use std::net::TcpListener;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::timer::sleep;
use serde::Deserialize;
use thiserror::Error;

pub(crate) use self::desk::AwaitedReply;
pub use self::desk::{ProcessReply, RepositoryRequest};
pub use self::prepared::{PrepareError, PreparedModel};
pub use self::shared::{Command, ShardShared, Shutdown};
pub(crate) use self::state::ShardState;
use crate::batch::{BatchPolicy, Terms};
use crate::features::{StoreError, StoreSource, Unfit};
use crate::http::connection::Connection;
use crate::http::head::Head;
use crate::http::intake::Arrival;
use crate::http::{HttpLimits, RequestIds, listener};
use crate::journal::JournalSettings;
use crate::model::repository::ModelDirectory;
use crate::model::{LoadOptions, Loads};

/// How often a shard looks at what others ask of it, and at its clock.
const TICK: Duration = Duration::from_millis(10);

/// How a shard serves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardSettings {
    /// What a client may take.
    pub http: HttpLimits,
    /// How batches are formed.
    pub batch: BatchPolicy,
    /// The most rows that may wait for one model on one shard; beyond it 429.
    pub queue_rows_max: usize,
    /// The longest time that a row may be expected to wait for its batch, in µs; beyond it 429.
    pub queue_us_max: u64,
    /// The most of its time, in percent, that a shard spends on refusing; whoever cannot be refused in
    /// it waits to be read. With 100 everybody is refused at once.
    pub refusal_percent_max: u32,
    /// How long an answer is worth having when the request does not say, in ms.
    pub deadline_ms: Option<u64>,
    /// What becomes of a request without an id.
    pub request_ids: RequestIds,
    /// Whether requests about the model repository are handed to the process; otherwise they are
    /// refused with 403.
    pub takes_repository_requests: bool,
    /// The number of a descriptor from which on no connection is accepted, so that some are left for
    /// whatever else the process does. The system gives out the lowest that is free.
    #[serde(skip)]
    pub descriptors_max: Option<RawFd>,
    /// What is written down of the answers.
    #[serde(skip)]
    pub journal: JournalSettings,
}

impl Default for ShardSettings {
    fn default() -> Self {
        Self {
            http: HttpLimits::default(),
            batch: BatchPolicy::default(),
            queue_rows_max: 4_096,
            queue_us_max: 1_000_000,
            refusal_percent_max: 5,
            deadline_ms: None,
            request_ids: RequestIds::default(),
            takes_repository_requests: false,
            descriptors_max: None,
            journal: JournalSettings::default(),
        }
    }
}

impl ShardSettings {
    /// What a request is admitted by; its time limit counts from when it arrived.
    pub(crate) fn terms(&self, head: &Head<'_>, arrival: Arrival) -> Terms {
        let default_ns = || self.deadline_ms.map(|limit_ms| limit_ms.saturating_mul(1_000_000));
        let limit_ns = head.limit_ns.or_else(default_ns);
        Terms {
            now_ns: arrival.read_ns,
            deadline_ns: limit_ns
                .map_or(u64::MAX, |limit| arrival.arrived_ns.saturating_add(limit)),
            priority: head.priority,
        }
    }
}

/// What a shard is made of.
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
    /// What the process sees of the shard.
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
    /// be awaited in the glommio executor that is to serve.
    pub async fn open(setup: ShardSetup) -> Result<Self, ShardError> {
        let store = setup.store.open().await?;
        let schema = store.schema().map_err(ShardError::Unfit)?;
        let mut models = Vec::with_capacity(setup.models.len());
        for directory in &setup.models {
            models.push(PreparedModel::load_with(&setup.loads, directory, setup.load, &schema)?);
        }
        drop(setup.loads);
        setup.shared.set_schema(Some(schema));
        let state = ShardState::new(setup.settings, setup.shared, store);
        for prepared in models {
            state.install(prepared);
        }
        Ok(Self { state, more_listeners: Vec::new() })
    }

    /// Serves one connection that no listener accepted, over any stream of bytes: what a client in
    /// memory sends is parsed, batched, joined, scored and answered as if it had come by a socket.
    /// The future, to be awaited in the shard's executor, ends with the connection.
    ///
    /// The shard's clock of time limits and its histograms for readers go on only in [`Shard::run`].
    pub fn serve<S>(&self, stream: S) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        Connection::new(stream, Rc::clone(&self.state)).serve()
    }

    /// Accepts from `listener` too, beside the one that [`Shard::run`] is given.
    pub fn also_accept(&mut self, listener: TcpListener) {
        self.more_listeners.push(listener);
    }

    /// Serves connections of `listener` until `shutdown` is begun, then drains: what was accepted
    /// is answered, within `drain_ms_max`.
    pub async fn run(self, listener: TcpListener, shutdown: Shutdown) -> std::io::Result<()> {
        let state = self.state;
        let mut listeners = self.more_listeners;
        listeners.push(listener);
        let mut accepting = Vec::with_capacity(listeners.len());
        for listener in &listeners {
            listener.set_nonblocking(true)?;
            let accept = listener::accept(listener.try_clone()?, Rc::clone(&state));
            accepting.push(glommio::spawn_local(accept));
        }
        let ticking = glommio::spawn_local(tick_forever(Rc::clone(&state), shutdown.clone()));
        state.stopping.pass().await;

        state.draining.set(true);
        state.links.wake_all();
        state.read_newest(usize::MAX);
        // What waits for listeners that stay is for whoever accepts from them next.
        let closes = !shutdown.leaves_listeners();
        if closes {
            listener::refuse_new(&listeners).await;
        }
        for accept in accepting {
            accept.cancel().await;
        }
        if closes {
            listener::accept_rest(&listeners, &state);
        }
        drop(listeners);
        drain(&state).await;
        state.retire_all();
        ticking.cancel().await;
        while state.hand_over() {}
        state.close_journal();
        Ok(())
    }
}

/// Waits until every connection has been answered and closed, at most `drain_ms_max`.
async fn drain(state: &ShardState) {
    let give_up = Instant::now() + Duration::from_millis(state.limits().drain_ms_max);
    while state.links.len() > 0 && Instant::now() < give_up {
        sleep(TICK).await;
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
