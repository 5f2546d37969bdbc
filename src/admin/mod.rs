//! The admin port: what an operator and a scraper ask while the shards serve.
//!
//! [`start`] opens it. [`server`] accepts [`connections`], each with a thread of its own and one
//! request, read by [`request`] and answered by a [`reply`]; [`routes`] says what each path is, and
//! [`access`] who may ask it. [`health`] says whether it is ready, and how well. [`metrics`] is what
//! Prometheus scrapes; [`page`] is the live page, and [`live`] what it shows; [`docs`] says what may be asked for; [`store`] is what is
//! known of the feature store. A [`stream`] is plain, or encrypted by [`tls`]. `quiet` keeps all of it off the shards' cores.
//!
//! What is *not* here: anything that a shard waits for. The admin port reads cells that shards
//! write, and asks for copies that shards make when they have time.

pub(crate) mod access;
mod connections;
mod docs;
mod health;
mod live;
mod metrics;
mod page;
mod reply;
mod request;
mod routes;
mod server;
pub(crate) mod store;
mod stream;
mod tls;
mod unfit;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::Value;
use shards::shard::{ShardShared, Shutdown};
use shards::telemetry::HistogramCopies;

use self::access::Access;
pub(crate) use self::docs::ServedAt;
use self::live::Live;
use self::metrics::drift::DriftWindow;
use self::store::StoreView;
pub(crate) use self::tls::AdminTls;
use crate::config::Config;
use crate::journal::JournalCounters;
use crate::logging::LogControl;
use crate::otlp::SpanCounters;
use crate::quiet;
use crate::serve::reload::Reloader;
use crate::serve::sockets;
use crate::serve::writes::WriteDesk;

/// How long a shard may take to hand its histograms over; one that takes longer is named, and
/// the others are shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait for a last connection, where another process took over, and how often to look.
const LAST_WAIT: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_millis(1);
/// How often the admin port looks whether the gateway serves, where another process answers until
/// then.
const SERVING_LOOK: Duration = Duration::from_millis(5);

/// What threads of the process have written and sent of the shards' doings.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// By the prediction log, where there is one.
    pub(crate) journal: Option<Arc<JournalCounters>>,
    /// To a collector of traces, where there is one.
    pub(crate) spans: Option<Arc<SpanCounters>>,
}

/// A shard as the admin port sees it.
#[derive(Debug)]
pub(crate) struct ShardView {
    /// Its number, from 0.
    pub(crate) index: usize,
    /// The core that it is pinned to.
    pub(crate) core: usize,
    /// What it counts and measures.
    pub(crate) shared: Arc<ShardShared>,
}

/// What the threads of the admin port share.
#[derive(Debug)]
struct AdminState {
    shards: Vec<ShardView>,
    config: Value,
    access: Access,
    shutdown: Shutdown,
    /// Set when every shard has its models and its listener.
    serving: OnceLock<Arc<Reloader>>,
    /// Set with it.
    writing: OnceLock<Arc<WriteDesk>>,
    /// Where requests are served, once they are.
    served_at: OnceLock<ServedAt>,
    log: LogControl,
    /// What threads of the process have written and sent.
    written: Written,
    /// What encrypts the port, where it is encrypted.
    tls: Option<Arc<AdminTls>>,
    drift: Mutex<DriftWindow>,
    live: Live,
    store: StoreView,
    /// When the process started, in seconds since 1970.
    started_s: u64,
}

/// The admin port as the rest of the process sees it.
#[derive(Debug)]
pub(crate) struct Admin {
    state: Arc<AdminState>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// A second handle on its socket, for the process that takes over.
    pub(crate) listener: TcpListener,
    thread: JoinHandle<()>,
    /// How many threads answer connections.
    asked: Arc<AtomicUsize>,
}

impl AdminState {
    fn is_serving(&self) -> bool {
        self.serving.get().is_some()
    }
}

impl Admin {
    /// From now on the gateway is ready at this place, and its models can be reloaded.
    pub(crate) fn set_serving(&self, reloader: Arc<Reloader>, at: ServedAt) {
        let _ = self.state.served_at.set(at);
        // It is called once; a second call would change nothing.
        let _ = self.state.serving.set(reloader);
    }

    /// From now on features can be written.
    pub(crate) fn set_writing(&self, desk: Arc<WriteDesk>) {
        let _ = self.state.writing.set(desk);
    }

    /// Answers what operators have asked, where another process took over: a connection that comes
    /// before that one's first may still be accepted here. Else it answers as long as this process
    /// lives.
    pub(crate) fn finish(self) {
        if !self.state.shutdown.is_taken_over() {
            return;
        }
        let taken = Instant::now();
        let is_silent = || self.asked.load(Ordering::Acquire) == 0;
        while !(self.thread.is_finished() || taken.elapsed() > LAST_WAIT) || !is_silent() {
            if taken.elapsed() > PATIENCE {
                return;
            }
            std::thread::park_timeout(LAST_LOOK);
        }
    }
}

/// Listens for operators, on `inherited` or a socket of its own and encrypted by `tls`, on threads that end with the
/// process. The gateway is not ready before [`Admin::set_serving`]: until then the process that the
/// socket is inherited from answers there.
pub(crate) fn start(
    config: &Config,
    shards: Vec<ShardView>,
    shutdown: Shutdown,
    log: LogControl,
    written: Written,
    (inherited, tls): (Option<TcpListener>, Option<Arc<AdminTls>>),
    store: StoreView,
) -> anyhow::Result<Admin> {
    let inherited = inherited.filter(|taken| {
        config.admin.listen.port() == 0
            || taken.local_addr().is_ok_and(|found| found == config.admin.listen)
    });
    let is_inherited = inherited.is_some();
    let listener = match inherited {
        Some(listener) => listener,
        None => sockets::once_free(config.admin.listen, || {
            let in_use = || format!("cannot listen for operators on {}", config.admin.listen);
            TcpListener::bind(config.admin.listen).with_context(in_use)
        })?,
    };
    let shared = listener.try_clone().context("the admin port's socket is not shared")?;
    let address = listener.local_addr()?;
    let state = Arc::new(AdminState {
        config: config.to_json(),
        access: Access::of(&config.admin, address),
        shutdown,
        serving: OnceLock::new(),
        writing: OnceLock::new(),
        served_at: OnceLock::new(),
        log,
        written,
        tls,
        drift: Mutex::default(),
        live: Live::new(&shards),
        store,
        started_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        shards,
    });
    let served = Arc::clone(&state);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let thread = std::thread::Builder::new().name("admin".to_owned());
    let thread = thread.spawn(move || {
        let cores: Vec<_> = served.shards.iter().map(|shard| shard.core).collect();
        match quiet::keep_out_of_the_way(&cores) {
            quiet::Place::Apart(cores) => tracing::info!(%address, ?cores, "admin port"),
            quiet::Place::BesideShards => tracing::info!(
                %address,
                "admin port: no core is free of shards, it runs beside them at a low priority"
            ),
        }
        live::start(&served);
        while is_inherited && !served.is_serving() {
            std::thread::park_timeout(SERVING_LOOK);
        }
        server::accept(&listener, &served, &counted);
    })?;
    Ok(Admin { state, address, listener: shared, thread, asked })
}

/// Copies of the histograms of all shards, asked for at once; `None` for one that did not answer.
fn copies_of(shards: &[ShardView]) -> Vec<Option<HistogramCopies>> {
    let give_up = Instant::now() + PATIENCE;
    let asked: Vec<_> = shards.iter().map(|shard| shard.shared.telemetry.ask()).collect();
    asked
        .into_iter()
        .map(|asked| asked.wait(give_up.saturating_duration_since(Instant::now())))
        .collect()
}
