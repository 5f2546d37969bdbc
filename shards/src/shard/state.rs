//! What the parts of one shard share, on its one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::desk::Desk;
use super::{PreparedModel, ShardSettings, ShardShared, Shutdown};
use crate::batch::pipeline::{self, Engine};
use crate::batch::{Gate, Lane, LaneSettings, expiry};
use crate::features::FeatureStore;
use crate::features::schema::Schema;
use crate::http::HttpLimits;
use crate::http::intake::Intake;
use crate::http::links::Links;
use crate::http::origin::RequestIdMaker;
use crate::journal::Journal;
use crate::model::canary::Canary;
use crate::model::repository::Role;
use crate::shard::Command;
use crate::telemetry::{Histograms, ShardCounters};

const READ_BYTES: usize = 65_536;
/// How often connections are looked at for time limits, in ms.
const SWEEP_MS: u64 = 100;

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

/// How many models an answer names that are not the one asked for.
const MODELS_NAMED_MAX: usize = 10;

/// What is kept of a buffer that any connection uses.
const SCRATCH_BYTES_MAX: usize = 1_048_576;

/// Buffers that any connection uses within one poll.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Scratch {
    /// Empties what answers are made in, and gives back what unusually large ones took.
    pub(crate) fn clear(&mut self) {
        for buffer in [&mut self.output, &mut self.body] {
            buffer.clear();
            buffer.shrink_to(SCRATCH_BYTES_MAX);
        }
    }
}

/// What the parts of one shard share.
#[derive(Debug)]
pub(crate) struct ShardState {
    pub(crate) settings: ShardSettings,
    pub(crate) clock: Clock,
    pub(crate) request_ids: RequestIdMaker,
    /// The clock at the last tick, in ms; what time limits are counted by.
    pub(crate) coarse_ms: Cell<u64>,
    pub(crate) draining: Cell<bool>,
    pub(crate) links: Links,
    /// When connections are read.
    pub(crate) intake: Intake,
    /// The clock at the last tick, in ns.
    ticked_ns: Cell<u64>,
    /// What the process is to answer.
    pub(crate) desk: Desk,
    /// Of answers that no model was asked for; each lane has its own.
    pub(crate) histograms: RefCell<Histograms>,
    pub(crate) scratch: RefCell<Scratch>,
    /// The `Date` field's value, renewed each second.
    pub(crate) date: RefCell<String>,
    /// What it writes down, where that is configured.
    pub(crate) journal: Option<Journal>,
    /// Opened when the shard is to stop.
    pub(super) stopping: Gate,
    pub(super) shared: Arc<ShardShared>,
    store: Rc<FeatureStore>,
    /// The store's fingerprint when the lanes were told last.
    fingerprint: Cell<u64>,
    /// The models, the default one first.
    lanes: RefCell<Vec<Rc<Lane>>>,
}

impl ShardState {
    pub(super) fn new(
        settings: ShardSettings,
        shared: Arc<ShardShared>,
        store: FeatureStore,
    ) -> Rc<Self> {
        let state = Self {
            journal: Journal::new(&settings.journal),
            intake: Intake::new(settings.refusal_percent_max),
            settings,
            clock: Clock { start: Instant::now() },
            request_ids: RequestIdMaker::default(),
            coarse_ms: Cell::new(0),
            draining: Cell::new(false),
            links: Links::default(),
            ticked_ns: Cell::default(),
            desk: Desk::default(),
            histograms: RefCell::default(),
            scratch: RefCell::new(Scratch {
                input: vec![0; READ_BYTES],
                output: Vec::new(),
                body: Vec::new(),
            }),
            date: RefCell::default(),
            stopping: Gate::default(),
            shared,
            fingerprint: Cell::new(store.fingerprint()),
            store: Rc::new(store),
            lanes: RefCell::default(),
        };
        state.renew_date();
        Rc::new(state)
    }

    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.shared.telemetry.counters
    }

    /// The columns that the store has, where it has any that can be bound to.
    pub(super) fn schema(&self) -> Option<Rc<Schema>> {
        self.store.schema().ok()
    }

    pub(crate) fn limits(&self) -> &HttpLimits {
        &self.settings.http
    }

    /// The lane of a model's stable version, or of the default model's.
    pub(crate) fn lane(&self, model: Option<&str>) -> Option<Rc<Lane>> {
        let lanes = self.lanes.borrow();
        let mut stable = lanes.iter().filter(|lane| lane.settings.role == Role::Stable);
        let lane = match model {
            None => stable.next(),
            Some(name) => stable.find(|lane| lane.settings.model == name),
        };
        lane.cloned()
    }

    /// The lane of one version of a model, stable or tried out; `version` as a path spells it.
    pub(crate) fn version(&self, model: &str, version: &str) -> Option<Rc<Lane>> {
        let lanes = self.lanes.borrow();
        let is_it = |lane: &&Rc<Lane>| {
            let LaneSettings { model: name, version: number, role, .. } = &lane.settings;
            name == model && *role != Role::Shadow && number.to_string() == version
        };
        lanes.iter().find(is_it).cloned()
    }

    /// The versions of a model that may be asked, the stable one first.
    pub(crate) fn versions(&self, model: &str) -> Vec<u64> {
        let lanes = self.lanes.borrow();
        let of = |role| lanes.iter().find(move |lane| lane.settings.is(model, role));
        let answering = [Role::Stable, Role::Canary].into_iter().filter_map(of);
        answering.map(|lane| lane.settings.version).collect()
    }

    /// The names of the models that may be asked, for people: some of them where there are many.
    pub(crate) fn model_names(&self) -> String {
        let lanes = self.lanes.borrow();
        let stable = lanes.iter().filter(|lane| lane.settings.role == Role::Stable);
        let mut names: Vec<&str> = stable.map(|lane| lane.settings.model.as_str()).collect();
        let others = names.len().saturating_sub(MODELS_NAMED_MAX);
        names.truncate(MODELS_NAMED_MAX);
        let named = names.join(", ");
        if others > 0 { format!("{named} and {others} more") } else { named }
    }

    /// The share of the users of `lane` whom the version that is tried out scores, and the lane of
    /// that version, if there is one.
    #[inline]
    pub(crate) fn canary(&self, lane: &Lane) -> Option<(Canary, Rc<Lane>)> {
        let LaneSettings { model, canary, .. } = &lane.settings;
        let share = (*canary)?;
        Some((share, self.lane_for(model, Role::Canary)?))
    }

    /// The lane of the candidate that scores copies of the rows of `lane`, if there is one.
    pub(crate) fn shadow(&self, lane: &Lane) -> Option<Rc<Lane>> {
        let LaneSettings { model, role, shadow, .. } = &lane.settings;
        if *role != Role::Stable || shadow.is_none() {
            return None;
        }
        self.lane_for(model, Role::Shadow)
    }

    fn lane_for(&self, model: &str, role: Role) -> Option<Rc<Lane>> {
        self.lanes.borrow().iter().find(|lane| lane.settings.is(model, role)).cloned()
    }

    /// Whether the store does not fit a model that clients ask for.
    pub(crate) fn is_unfit(&self) -> bool {
        let is_stable = |lane: &&Rc<Lane>| lane.settings.role == Role::Stable;
        self.lanes.borrow().iter().filter(is_stable).any(|lane| lane.is_unfit())
    }

    /// Whether rows wait that somebody waits for.
    pub(crate) fn is_busy(&self) -> bool {
        let answers = |lane: &&Rc<Lane>| lane.settings.role != Role::Shadow;
        self.lanes.borrow().iter().filter(answers).any(|lane| lane.waiting_rows() > 0)
    }

    /// The lanes of all models, the default one first.
    pub(crate) fn lanes(&self) -> Vec<Rc<Lane>> {
        self.lanes.borrow().clone()
    }

    /// Serves a model from now on. A lane of the same name answers what it has admitted and goes:
    /// that is the batch boundary at which versions change.
    pub(super) fn install(self: &Rc<Self>, prepared: PreparedModel) {
        let settings = prepared.lane_settings(&self.settings);
        let lane = Lane::new(settings, self.shared.telemetry.add_lane(prepared.facts()));
        let engine = Engine::new(prepared, Rc::clone(&self.store));
        {
            let mut lanes = self.lanes.borrow_mut();
            let LaneSettings { model, role, canary, shadow, .. } = &lane.settings;
            // Those that an earlier manifest had: no user is theirs any more.
            if canary.is_none() {
                retire(&mut lanes, |known| known.settings.is(model, Role::Canary));
            }
            if shadow.is_none() {
                retire(&mut lanes, |known| known.settings.is(model, Role::Shadow));
            }
            let same = |known: &&mut Rc<Lane>| known.settings.is(model, *role);
            match lanes.iter_mut().find(same) {
                Some(known) => std::mem::replace(known, Rc::clone(&lane)).retire(),
                None => lanes.push(Rc::clone(&lane)),
            }
        }
        let shard = Rc::clone(self);
        glommio::spawn_local(async move {
            // It is cancelled when the lane has nothing left to do.
            let watch = expiry::watch(Rc::clone(&lane), Rc::clone(&shard));
            let _watching = glommio::spawn_local(watch);
            pipeline::run(lane, engine, shard).await;
        })
        .detach();
    }

    fn remove(&self, model: &str) {
        retire(&mut self.lanes.borrow_mut(), |lane| lane.settings.model == model);
    }

    /// Ends every lane once it has answered what it admitted.
    pub(super) fn retire_all(&self) {
        for lane in self.lanes.borrow_mut().drain(..) {
            lane.retire();
        }
    }

    /// Whether connections keep more memory together than they may. Clients that are slow are cut
    /// off before anybody else is refused for it.
    pub(crate) fn is_memory_scarce(&self) -> bool {
        let limit_bytes = self.limits().buffered_bytes_max;
        let excess_bytes = || {
            let kept_bytes = self.counters().buffered_bytes.get() as usize;
            kept_bytes.saturating_sub(self.links.leaving_bytes()).saturating_sub(limit_bytes)
        };
        if excess_bytes() == 0 {
            return false;
        }
        // Some more than is needed now, so that the next one does not stand there again.
        self.links.cut_slow(excess_bytes() + limit_bytes / 8, self.coarse_ms.get());
        excess_bytes() > 0
    }

    /// Looks at the clock and at what the process asks.
    pub(super) fn tick(self: &Rc<Self>, shutdown: &Shutdown) {
        let now_ns = self.clock.now_ns();
        let now_ms = now_ns / 1_000_000;
        let before_ms = self.coarse_ms.replace(now_ms);
        self.counters().heartbeat.add(1);
        if now_ms / SWEEP_MS != before_ms / SWEEP_MS {
            self.links.sweep(now_ms, !self.limits().answer_half_closed);
            self.store.look();
        }
        self.follow_store();
        self.earn(now_ns);
        self.hand_over();
        self.store.count_into(&self.shared.telemetry.store);
        if let Some(journal) = &self.journal {
            journal.hand_over(&self.shared.journal);
        }
        self.shared.receive(|command| match command {
            Command::Install(prepared) => self.install(*prepared),
            Command::Remove(model) => self.remove(&model),
            Command::Answer { number, reply } => {
                if let Some(connection) = self.desk.answered(number, reply) {
                    self.links.wake(connection);
                }
            }
        });
        self.shared.hand_in(&mut self.desk.outgoing.borrow_mut());
        if now_ms / 1_000 != before_ms / 1_000 {
            self.renew_date();
            self.lanes.borrow().iter().for_each(|lane| lane.rows.borrow_mut().shrink());
        }
        if shutdown.is_begun() {
            self.stopping.open();
        }
    }

    /// Where the store's columns have changed, has every lane bind to them, and the process know.
    fn follow_store(&self) {
        let found = self.store.fingerprint();
        if self.fingerprint.replace(found) != found {
            self.shared.set_schema(self.schema());
            self.lanes.borrow().iter().for_each(|lane| lane.gate.open());
        }
    }

    /// Lets so many of the connections be read that wait for it and came last.
    pub(crate) fn read_newest(&self, count: usize) {
        self.read_waiting(count, |_| self.intake.newest());
    }

    /// Lets so many connections be read; `next` says which, by how many were before it.
    fn read_waiting(&self, count: usize, next: impl Fn(usize) -> Option<u32>) {
        if self.intake.waiting() == 0 {
            return;
        }
        let end_is_gone = !self.limits().answer_half_closed;
        let (mut called, start_ns) = (0, self.clock.now_ns());
        while called < count
            && let Some(connection) = next(called)
        {
            called += usize::from(self.links.call(connection, start_ns, end_is_gone));
        }
        self.intake.spend(self.clock.now_ns().saturating_sub(start_ns));
        self.counters().connections_unread.set(self.intake.waiting() as u64);
    }

    /// Tells the intake how busy the shard has been since the last tick.
    fn earn(&self, now_ns: u64) {
        // By the wall: while another process has the core, the shard isn't idle. It is counted from 0
        // again each time.
        let busy_ns = glommio::executor().executor_stats().total_runtime().as_nanos() as u64;
        let before_ns = self.ticked_ns.replace(now_ns);
        self.intake.earn(now_ns.saturating_sub(before_ns), busy_ns);
        let intake = &self.intake;
        self.read_waiting(intake.affordable(), |before| match before % 2 {
            0 => intake.newest(),
            _ => intake.oldest(),
        });
    }

    /// Copies histograms for those who asked: one lane's at most, as a copy takes some 100 µs and
    /// the next tick comes soon enough. True if there was one to copy.
    pub(super) fn hand_over(&self) -> bool {
        self.shared.telemetry.handover.answer(&self.histograms.borrow())
            || self
                .lanes
                .borrow()
                .iter()
                .any(|lane| lane.telemetry().handover.answer(&lane.histograms.borrow()))
    }

    /// Hands over what was written down since the last tick: there will be no other.
    pub(super) fn close_journal(&self) {
        if let Some(journal) = &self.journal {
            journal.close(&self.shared.journal);
        }
    }

    fn renew_date(&self) {
        *self.date.borrow_mut() = httpdate::fmt_http_date(SystemTime::now());
    }
}

/// Takes out the lanes that `goes` holds for; each answers what it has admitted.
fn retire(lanes: &mut Vec<Rc<Lane>>, goes: impl Fn(&Lane) -> bool) {
    lanes.retain(|lane| {
        let stays = !goes(lane);
        if !stays {
            lane.retire();
        }
        stays
    });
}
