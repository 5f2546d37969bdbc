//! One shard: its state, and the life from opening its models to the end of its drain.

use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use glommio::timer::sleep;
use serde::Deserialize;
use thiserror::Error;

use crate::batch::pipeline::{self, Engine};
use crate::batch::{BatchPolicy, Gate, Lane, LaneSettings};
use crate::features::Precision;
use crate::features::embedded::{EmbeddedError, EmbeddedReader, EmbeddedStore};
use crate::features::join::{JoinError, JoinPlan, ModelInputs};
use crate::http::HttpLimits;
use crate::http::links::Links;
use crate::http::listener;
use crate::model::repository::ModelDirectory;
use crate::model::{LoadOptions, Model, ModelError};
use crate::telemetry::{Handover, Histograms, ShardCounters};

/// How often a shard looks at what others ask of it, and at its clock.
const TICK: Duration = Duration::from_millis(10);
const READ_BYTES: usize = 65_536;

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
    /// How long an answer is worth having when the request does not say, in ms.
    pub deadline_ms: Option<u64>,
}

impl Default for ShardSettings {
    fn default() -> Self {
        Self {
            http: HttpLimits::default(),
            batch: BatchPolicy::default(),
            queue_rows_max: 4_096,
            deadline_ms: None,
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
    /// The store of their features.
    pub store: EmbeddedStore,
    /// What the process sees of the shard.
    pub shared: Arc<ShardShared>,
}

/// What the process sees of a shard, and nothing else.
#[derive(Debug, Default)]
pub struct ShardShared {
    /// What the shard counts.
    pub counters: ShardCounters,
    /// Where it copies its histograms when asked.
    pub handover: Handover,
}

/// The process's word that every shard is to stop: the one flag that crosses threads.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Tells every shard to stop.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the word was given.
    pub fn is_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a shard could not be opened.
#[derive(Debug, Error)]
pub enum ShardError {
    /// A model was not loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The store does not have what a model reads.
    #[error("model `{model}` does not fit the store: {source}")]
    Join {
        /// The model's name.
        model: String,
        /// What does not fit.
        source: JoinError,
    },
    /// The store could not be opened by this shard.
    #[error(transparent)]
    Store(#[from] EmbeddedError),
}

/// Nanoseconds since the shard was opened.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// Buffers that any connection uses within one poll.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// What the parts of one shard share, on its one thread.
#[derive(Debug)]
pub(crate) struct ShardState {
    pub(crate) settings: ShardSettings,
    pub(crate) clock: Clock,
    /// The clock at the last tick, in ms; what time limits are counted by.
    pub(crate) coarse_ms: Cell<u64>,
    pub(crate) draining: Cell<bool>,
    pub(crate) links: Links,
    pub(crate) histograms: RefCell<Histograms>,
    pub(crate) scratch: RefCell<Scratch>,
    /// The `Date` field's value, renewed each second.
    pub(crate) date: RefCell<String>,
    lanes: RefCell<Vec<Rc<Lane>>>,
    shared: Arc<ShardShared>,
    stopping: Gate,
}

impl ShardState {
    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.shared.counters
    }

    pub(crate) fn limits(&self) -> &HttpLimits {
        &self.settings.http
    }

    /// The lane of a model, or of the default one.
    pub(crate) fn lane(&self, model: Option<&str>) -> Option<Rc<Lane>> {
        let lanes = self.lanes.borrow();
        let lane = match model {
            None => lanes.first(),
            Some(name) => lanes.iter().find(|lane| lane.settings.model == name),
        };
        lane.cloned()
    }

    /// Looks at the clock and at what the process asks.
    fn tick(&self, shutdown: &Shutdown) {
        let now_ms = self.clock.now_ns() / 1_000_000;
        let before_ms = self.coarse_ms.replace(now_ms);
        self.counters().heartbeat.add(1);
        self.links.sweep(now_ms);
        self.shared.handover.answer(&self.histograms.borrow());
        if now_ms / 1_000 != before_ms / 1_000 {
            self.renew_date();
        }
        if shutdown.is_begun() {
            self.stopping.open();
        }
    }

    fn renew_date(&self) {
        *self.date.borrow_mut() = httpdate::fmt_http_date(SystemTime::now());
    }
}

/// A shard whose models are loaded and whose store is open; it belongs to the thread that opened
/// it.
#[derive(Debug)]
pub struct Shard {
    state: Rc<ShardState>,
    engines: Vec<(Rc<Lane>, Engine)>,
}

impl Shard {
    /// Loads this core's own copy of every model and binds each to the store.
    pub fn open(setup: ShardSetup) -> Result<Self, ShardError> {
        let mut engines = Vec::with_capacity(setup.models.len());
        for directory in &setup.models {
            engines.push(open_lane(directory, &setup)?);
        }
        let state = Rc::new(ShardState {
            settings: setup.settings,
            clock: Clock { start: Instant::now() },
            coarse_ms: Cell::new(0),
            draining: Cell::new(false),
            links: Links::default(),
            histograms: RefCell::default(),
            scratch: RefCell::new(Scratch {
                input: vec![0; READ_BYTES],
                output: Vec::new(),
                body: Vec::new(),
            }),
            date: RefCell::default(),
            lanes: RefCell::new(engines.iter().map(|(lane, _)| Rc::clone(lane)).collect()),
            shared: setup.shared,
            stopping: Gate::default(),
        });
        state.renew_date();
        Ok(Self { state, engines })
    }

    /// Serves connections of `listener` until `shutdown` is begun, then drains: what was accepted
    /// is answered, within `drain_ms_max`. To be awaited in a glommio executor.
    pub async fn run(self, listener: TcpListener, shutdown: Shutdown) -> std::io::Result<()> {
        let state = self.state;
        for (lane, engine) in self.engines {
            glommio::spawn_local(pipeline::run(lane, engine, Rc::clone(&state))).detach();
        }
        let accepting = Rc::new(listener::adopt(listener.try_clone()?));
        let accept = glommio::spawn_local(listener::accept(accepting, Rc::clone(&state)));
        let ticking = glommio::spawn_local(tick_forever(Rc::clone(&state), shutdown));
        state.stopping.pass().await;

        state.draining.set(true);
        state.links.wake_all();
        let refused = listener::refuse_new(&listener).await;
        accept.cancel().await;
        listener::accept_rest(&listener, &state);
        drop(listener);
        drain(&state).await;
        for lane in state.lanes.borrow().iter() {
            lane.retire();
        }
        ticking.cancel().await;
        state.shared.handover.answer(&state.histograms.borrow());
        refused
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

fn open_lane(
    directory: &ModelDirectory,
    setup: &ShardSetup,
) -> Result<(Rc<Lane>, Engine), ShardError> {
    let model = Model::load(directory, &setup.load)?;
    let reader = EmbeddedReader::new(&setup.store)?;
    let manifest = model.manifest();
    let inputs = match &manifest.columns {
        Some(columns) => ModelInputs::Columns(columns),
        None => ModelInputs::Width(model.columns()),
    };
    let plan = JoinPlan::bind(inputs, reader.schema(), &manifest.policies, model.precision())
        .map_err(|source| ShardError::Join { model: directory.name.clone(), source })?;
    let settings = LaneSettings {
        model: directory.name.clone(),
        version: directory.version,
        request_fields: plan.request_fields().iter().map(|field| field.name.clone()).collect(),
        score_is_f32: model.score_precision() == Precision::F32,
        policy: setup.settings.batch,
        queue_rows_max: setup.settings.queue_rows_max,
    };
    let lane = Lane::new(settings, Arc::clone(&setup.shared));
    let engine = Engine {
        directory: directory.clone(),
        load: setup.load,
        model: RefCell::new(model),
        plan,
        reader: RefCell::new(reader),
    };
    Ok((lane, engine))
}
