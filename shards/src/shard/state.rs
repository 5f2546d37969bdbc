//! The parts of a shard, and its tick.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::{Command, ShardShared, Shutdown};
use crate::batch::pipeline;
use crate::batch::work::Engine;
use crate::batch::{Clients, Host, Lane, Lanes, Notify, PreparedModel, QueueLimits, expiry};
use crate::context::ShardContext;
use crate::executor::runtime::spawn;
use crate::features::FeatureStore;
use crate::features::schema::Schema;
use crate::http::ShardSettings;
use crate::http::front::Front;
use crate::http2;
use crate::journal::Journal;
use crate::keys::{KeyFile, KeyRing};
use crate::spans::Tracer;
use crate::tls::{TlsError, TlsIdentity, TlsServer};

/// How often connections are looked at for time limits, in ms.
const SWEEP_MS: u64 = 100;

/// The parts of one shard, on its one thread.
#[derive(Debug)]
pub(crate) struct ShardState {
    pub(super) context: Rc<ShardContext>,
    /// The models, the default one first.
    pub(super) lanes: Rc<Lanes>,
    pub(super) front: Rc<Front>,
    /// Opened when the shard is to stop.
    pub(super) stopping: Notify,
    shared: Arc<ShardShared>,
    store: Rc<FeatureStore>,
    /// The store's fingerprint when the lanes were told last.
    fingerprint: Cell<u64>,
}

impl ShardState {
    /// Lets requests in by the keys of `file` from now on.
    pub(super) fn take_keys(&self, file: &KeyFile) {
        let ring = KeyRing::new(file);
        self.shared.telemetry.set_keys(Arc::clone(ring.counters()));
        self.front.keys.replace(Some(ring));
        self.front.api.description.forget(true);
    }

    /// Encrypts connections by `identity` from now on.
    pub(super) fn encrypt(&self, identity: &TlsIdentity) -> Result<(), TlsError> {
        self.front.tls.replace(Some(TlsServer::new(identity, self.front.settings.http2.enabled)?));
        let expires = identity.expires().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.front.counters().tls_expires_s.set(expires.as_secs());
        Ok(())
    }

    pub(super) fn new(
        settings: ShardSettings,
        shared: Arc<ShardShared>,
        store: FeatureStore,
    ) -> Rc<Self> {
        let journal = Journal::new(&settings.journal);
        let tracer = settings.spans.map(Tracer::new);
        let context = ShardContext::new(Arc::clone(&shared.telemetry), journal, tracer);
        let context = Rc::new(context);
        let lanes = Rc::<Lanes>::default();
        Rc::new(Self {
            front: Front::new(settings, Rc::clone(&context), Rc::clone(&lanes), http2::serve),
            context,
            lanes,
            stopping: Notify::default(),
            shared,
            fingerprint: Cell::new(store.fingerprint()),
            store: Rc::new(store),
        })
    }

    /// The columns that the store has, where it has any that can be bound to.
    fn schema(&self) -> Option<Rc<Schema>> {
        self.store.schema().ok()
    }

    /// Serves a model from now on. A lane of the same name answers what it has admitted and goes:
    /// that is the batch boundary at which versions change.
    pub(super) fn install(&self, prepared: PreparedModel) {
        let ShardSettings { batch, queue_rows_max, queue_us_max, .. } = &self.front.settings;
        let limits =
            QueueLimits { batch: *batch, rows_max: *queue_rows_max, us_max: *queue_us_max };
        let telemetry = self.context.telemetry.add_lane(prepared.facts());
        let lane = Lane::new(prepared.lane_settings(limits), telemetry);
        lane.count_scored(&self.front.settings.aggregates);
        let engine = Engine::new(prepared, Rc::clone(&self.store));
        self.lanes.install(&lane);
        self.front.api.description.forget(false);
        let host = Host {
            context: Rc::clone(&self.context),
            lanes: Rc::clone(&self.lanes),
            clients: Rc::clone(&self.front) as Rc<dyn Clients>,
        };
        spawn(async move {
            // It is cancelled when the lane has nothing left to do.
            let _watching = spawn(expiry::watch(Rc::clone(&lane), host.clone()));
            pipeline::run(lane, engine, host).await;
        })
        .detach();
    }

    /// Opens tables for models to come, beside what goes on. One that can't be read is told by the
    /// schema.
    fn read_tables(&self, names: Vec<String>) {
        let (store, shared) = (Rc::clone(&self.store), Arc::clone(&self.shared));
        spawn(async move {
            if let Err(error) = store.open_tables(names.iter().map(String::as_str)).await {
                tracing::error!(%error, "a table for a model can't be read");
            }
            shared.set_schema(store.schema().ok());
            shared.count_tables_read();
        })
        .detach();
    }

    /// Looks at the clock and at what the process asks.
    pub(super) fn tick(&self, shutdown: &Shutdown) {
        let now_ns = self.context.clock.now_ns();
        let now_ms = now_ns / 1_000_000;
        let before_ms = self.front.coarse_ms.replace(now_ms);
        self.context.counters().heartbeat.add(1);
        if now_ms / SWEEP_MS != before_ms / SWEEP_MS {
            self.front.handles.sweep(now_ms, !self.front.limits().answer_half_closed);
            self.store.look();
        }
        self.follow_store();
        if let Some(keys) = &*self.front.keys.borrow() {
            keys.take_shares(now_ns);
        }
        self.front.earn(now_ns);
        self.hand_over();
        self.store.count_into(&self.context.telemetry.store);
        if let Some(journal) = &self.context.journal {
            journal.hand_over(&self.shared.journal);
        }
        if let Some(tracer) = &self.context.tracer {
            tracer.hand_over(&self.shared.spans);
        }
        self.shared.receive(|command| match command {
            Command::Install(prepared) => self.install(*prepared),
            Command::Remove(model) => {
                self.lanes.remove(&model);
                self.front.api.description.forget(false);
            }
            Command::ReadTables(names) => self.read_tables(names),
            Command::TakeKeys(file) => self.take_keys(&file),
            Command::Encrypt(identity) => {
                if let Err(error) = self.encrypt(&identity) {
                    tracing::error!(%error, "connections are encrypted as before");
                }
            }
            Command::Forget { table, keys } => {
                for key in &keys {
                    self.store.forget(table.as_deref(), key);
                }
            }
            Command::Reply { number, reply } => {
                if let Some(connection) = self.front.api.admin_queue.answered(number, reply) {
                    self.front.handles.wake(connection);
                }
            }
        });
        self.shared.hand_over_scored(&mut self.context.scored.borrow_mut());
        self.shared.hand_in(&mut self.front.api.admin_queue.outgoing.borrow_mut());
        if now_ms / 1_000 != before_ms / 1_000 {
            self.front.renew_date();
            self.lanes.each(|lane| lane.rows.borrow_mut().shrink());
        }
        if shutdown.is_begun() {
            self.stopping.notify();
        }
    }

    /// Hands writes to the process, and wakes those whose writes are done.
    pub(super) fn exchange_writes(&self) {
        let queue = &self.front.api.write_queue;
        self.shared.exchange_writes(&mut queue.outgoing.borrow_mut(), |number, reply| {
            if let Some(connection) = queue.answered(number, reply) {
                self.front.handles.wake(connection);
            }
        });
    }

    /// Where the store's columns have changed, has every lane bind to them, and the process know.
    fn follow_store(&self) {
        let found = self.store.fingerprint();
        if self.fingerprint.replace(found) != found {
            self.shared.set_schema(self.schema());
            self.lanes.each(|lane| lane.changed.notify());
        }
    }

    /// Copies histograms for those who asked: one lane's at most, as a copy takes some 100 µs and
    /// the next tick comes soon enough. True if there was one to copy.
    pub(super) fn hand_over(&self) -> bool {
        self.context.telemetry.handover.answer(&self.front.histograms.borrow())
            || self.lanes.any(|lane| lane.telemetry().handover.answer(&lane.histograms.borrow()))
    }

    /// Hands over what was written down since the last tick: there will be no other.
    pub(super) fn close_journal(&self) {
        if let Some(tracer) = &self.context.tracer {
            tracer.close(&self.shared.spans);
        }
        if let Some(journal) = &self.context.journal {
            journal.close(&self.shared.journal);
        }
    }
}
