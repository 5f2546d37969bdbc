//! A shard's store: the cache, then keys that other batches already ask for, then new flights.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::attempts::{self, Deadlines};
use super::budget::RetryBudget;
use super::counters::CqlCounters;
use super::error::ScyllaError;
use super::faults::{Fault, FaultsSeen};
use super::flight::{Flight, KeyState};
use super::pending::Pending;
use super::routing::{Router, Target};
use super::runtime::{Driver, Ended};
use super::session::CqlSession;
use super::settings::ScyllaSettings;
use super::table_watch::TableWatch;
use super::{probe, recovery};
use crate::executor::runtime::spawn;
use crate::failure::{FaultReason, Refusal};
use crate::features::cache::{Cached, RecordCache};
use crate::features::fit::{Fetched, Unfit};
use crate::features::join::{EntityPlan, JoinPlan};
use crate::features::joined::Joined;
use crate::features::requests::{FetchRequests, KEY_BYTES_MAX};
use crate::features::schema::Schema;
use crate::features::texts::{Interner, Texts};
use crate::provenance::FeatureStatus;

/// A shard's handle on a cluster. It works on the thread, and in the executor, that opened it.
#[derive(Debug)]
pub struct CqlStore {
    inner: Rc<Inner>,
    /// The last of the tables of one cluster stops its driver.
    stops: Rc<Stops>,
}

/// What a store's flights share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) driver: Rc<Driver>,
    session: RefCell<Rc<CqlSession>>,
    pub(super) settings: Arc<ScyllaSettings>,
    pub(super) router: Router,
    pub(super) budget: RefCell<RetryBudget>,
    /// How many statements for single keys are in flight.
    pub(super) singles: Cell<usize>,
    cache: RefCell<RecordCache>,
    /// What the codes of texts mean in the records of the cache and of new flights.
    texts: RefCell<Rc<RefCell<Interner>>>,
    pending: RefCell<Pending>,
    counters: Cell<CqlCounters>,
    faults_seen: FaultsSeen,
    /// Since when no statement was answered, where some were asked.
    pub(super) silent_since: Cell<Option<Instant>>,
    /// What is known of the table beside what batches read.
    pub(super) watch: TableWatch,
}

/// What a batch has asked of a table.
pub(crate) struct Asked {
    waiting: Vec<Waiting>,
    at: Instant,
}

impl Asked {
    /// When it was asked, and when the last of it had come or was given up.
    pub(crate) fn times(&self) -> (Instant, Instant) {
        let landed = self.waiting.iter().filter_map(|wait| wait.flight.landed_at());
        (self.at, landed.max().map_or(self.at, |last| last.max(self.at)))
    }
}

/// A batch's rows of one key, which wait for a flight.
struct Waiting {
    first: u32,
    flight: Rc<Flight>,
    index: usize,
}

impl CqlStore {
    /// Connects to the cluster at `addresses` (see [`ScyllaSettings::resolve`]) and checks that its
    /// table can be read. To be called in the executor that is to use it.
    pub async fn open(
        settings: Arc<ScyllaSettings>,
        addresses: Vec<SocketAddr>,
    ) -> Result<Self, ScyllaError> {
        let driver = Driver::start(settings.frame_limit())?;
        let opening = driver.run(CqlSession::open(Arc::clone(&settings), addresses.clone(), None));
        let session = match opening.await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => {
                driver.stop();
                return Err(error);
            }
            Err(Ended) => {
                driver.stop();
                return Err(ScyllaError::Runtime(std::io::Error::other("the driver ended")));
            }
        };
        let stops = Rc::new(Stops(Rc::clone(&driver)));
        Ok(Self::read_by(driver, stops, session, settings, addresses).await)
    }

    /// Another table of the same keyspace, by the same connections.
    pub(crate) async fn open_beside(
        &self,
        settings: Arc<ScyllaSettings>,
        addresses: Vec<SocketAddr>,
    ) -> Result<Self, ScyllaError> {
        let driver = Rc::clone(&self.inner.driver);
        let (session, bound) = (Arc::clone(&self.inner.session().session), Arc::clone(&settings));
        let bind = async move { CqlSession::bind_in_time(session, &bound, None).await };
        // Requests go on meanwhile.
        let session = driver.run(bind).await.unwrap_or_else(|Ended| {
            Err(ScyllaError::Runtime(std::io::Error::other("the driver ended")))
        })?;
        let stops = Rc::clone(&self.stops);
        Ok(Self::read_by(driver, stops, session, settings, addresses).await)
    }

    async fn read_by(
        driver: Rc<Driver>,
        stops: Rc<Stops>,
        session: CqlSession,
        settings: Arc<ScyllaSettings>,
        addresses: Vec<SocketAddr>,
    ) -> Self {
        let (warming, warmed) = (session.clone(), Arc::clone(&settings));
        let warm = driver.run(async move { probe::warm_up(&warming, &warmed).await });
        // A cluster that is slow at first is slow for a while: it has been asked, that is all.
        let _ = warm.await;
        let inner = Inner {
            driver,
            router: Router::new(&settings),
            budget: RefCell::new(RetryBudget::new(settings.retry_budget_percent)),
            singles: Cell::new(0),
            cache: RefCell::new(RecordCache::new(settings.cache)),
            texts: RefCell::default(),
            pending: RefCell::default(),
            counters: Cell::default(),
            faults_seen: FaultsSeen::default(),
            silent_since: Cell::default(),
            watch: TableWatch::default(),
            session: RefCell::new(Rc::new(session)),
            settings,
        };
        let inner = Rc::new(inner);
        inner.learn_group_keys().await;
        let kept = recovery::look_after(Rc::downgrade(&inner), addresses);
        spawn(kept).detach();
        Self { inner, stops }
    }

    /// The columns of the table as it was read last.
    pub fn schema(&self) -> Rc<Schema> {
        Rc::new(Schema::clone(&self.inner.session().table.schema))
    }

    /// The columns that plans are to be bound to, where the table can be read as it is now.
    pub(crate) fn columns(&self) -> Result<Rc<Schema>, Unfit> {
        match self.inner.watch.unreadable() {
            Some(reason) => Err(Unfit::Store(reason)),
            None => Ok(self.schema()),
        }
    }

    /// A number that is another one whenever [`Self::columns`] is.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.inner.fingerprint()
    }

    /// Forgets what is known of a key: it was written, and the next batch is to have it.
    pub(crate) fn forget(&self, key: &[u8]) {
        self.inner.cache.borrow_mut().forget(key);
        self.inner.pending.borrow_mut().forget(key);
    }

    /// How many bytes its cache holds.
    pub fn cache_bytes(&self) -> usize {
        self.inner.cache.borrow().bytes()
    }

    /// What it did since it was opened.
    pub fn counters(&self) -> CqlCounters {
        let cache = self.inner.cache.borrow().counters();
        let group_keys_max = self.inner.router.group_keys_max() as u64;
        CqlCounters { group_keys_max, cache, ..self.inner.counters.get() }
    }

    /// Joins the batch's rows into `joined`, ages counted at `now_us` (µs since 1970). It does not
    /// fail, and takes no longer than the fetch deadline: what the cluster does not answer has the
    /// status `Stale` or `Error`. Where the table's columns are not those of `plan`, nothing is
    /// joined. Once it has been polled, its statements are on the wire.
    pub async fn fetch(
        &self,
        plan: &JoinPlan,
        requests: &FetchRequests,
        now_us: i64,
        joined: &mut Joined,
    ) -> Fetched {
        joined.reset(requests.len(), now_us);
        let plan = plan.first();
        let Some(asked) = self.ask(plan, requests, joined) else { return Fetched::SchemaChanged };
        if self.landed(plan, &asked).await == Fetched::SchemaChanged {
            return Fetched::SchemaChanged;
        }
        self.join(plan, requests, &asked, joined);
        Fetched::Joined
    }

    /// Joins an entity's part of the rows as far as the cache knows it, and sends statements for the
    /// rest; `None` where the table's columns are not those of `plan`.
    pub(crate) fn ask(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        joined: &mut Joined,
    ) -> Option<Asked> {
        let inner = &self.inner;
        if plan.schema().fingerprint() != inner.fingerprint() {
            return None;
        }
        let now = Instant::now();
        let mut waiting = Vec::new();
        let mut unknown = Vec::new();
        inner.serve_known(plan, requests, now, joined, &mut waiting, &mut unknown);
        if !unknown.is_empty() {
            joined.keys_fetched += unknown.len() as u64;
            inner.launch(plan, requests, now, joined, &mut waiting, &unknown);
        }
        Some(Asked { waiting, at: now })
    }

    /// Waits until all that was asked for has come, or will not. Where it shows that the table has
    /// other columns by now, none of it is to be joined.
    pub(crate) async fn landed(&self, plan: &EntityPlan, asked: &Asked) -> Fetched {
        let inner = &self.inner;
        for wait in &asked.waiting {
            wait.flight.landed().await;
        }
        if asked.waiting.iter().any(|wait| wait.flight.doubts_table()) {
            inner.watch.looked(asked.at + inner.settings.fetch_deadline()).await;
            if plan.schema().fingerprint() != inner.fingerprint() {
                return Fetched::SchemaChanged;
            }
        }
        Fetched::Joined
    }

    /// Joins what has come.
    pub(crate) fn join(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        asked: &Asked,
        joined: &mut Joined,
    ) {
        for wait in &asked.waiting {
            self.inner.join_landed(plan, requests, wait, joined);
        }
    }
}

/// Stops the driver when the last table that is read by it goes.
#[derive(Debug)]
struct Stops(Rc<Driver>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Inner {
    /// The session to ask with.
    pub(super) fn session(&self) -> Rc<CqlSession> {
        Rc::clone(&self.session.borrow())
    }

    /// The session to ask a flight's keys with; `None` where its table is another by now.
    pub(super) fn session_for(&self, flight: &Flight) -> Option<Rc<CqlSession>> {
        let session = self.session();
        std::ptr::eq(&raw const *session.table, flight.table()).then_some(session)
    }

    /// What tells the table, as it is read now, from what it was.
    fn fingerprint(&self) -> u64 {
        let unreadable = self.watch.unreadable_fingerprint();
        unreadable.unwrap_or_else(|| self.session.borrow().table.schema.fingerprint())
    }

    /// How many nodes of the cluster are connected.
    pub(super) fn count_connected(&self) -> usize {
        let cluster = self.session().session.get_cluster_state();
        let connected = cluster.get_nodes_info().iter().filter(|node| node.is_connected()).count();
        self.count(|counters| counters.nodes_connected = connected as u64);
        connected
    }

    /// Asks with `session` from now on. Where its table is not the one that was asked so far, what
    /// is known of users' rows is forgotten.
    pub(super) fn renew(&self, session: CqlSession) {
        if !Arc::ptr_eq(&session.table, &self.session().table) {
            self.cache.borrow_mut().clear();
            self.pending.take();
        }
        self.session.replace(Rc::new(session));
        self.router.forget();
        self.silent_since.set(None);
    }

    /// Finds how many keys a statement may ask for, and says so where that is fewer than the
    /// settings do.
    pub(super) async fn learn_group_keys(&self) {
        let (session, settings) = (self.session().as_ref().clone(), Arc::clone(&self.settings));
        let asking = async move { probe::group_keys(&session, &settings).await };
        if self.session().group.is_none() {
            self.router.limit_groups(1);
        } else if let Ok((keys, Some(said))) = self.driver.run_aside(asking).await {
            self.limit_groups(keys, &said);
        }
    }

    /// The cluster took statements of `keys` keys, and said `said` to more.
    pub(super) fn limit_groups(&self, keys: usize, said: &str) {
        let configured = self.settings.group_keys_max;
        if self.router.limit_groups(keys) {
            tracing::error!(
                table = self.settings.table,
                said,
                "the cluster refuses statements for {configured} users and takes {keys}: they ask \
                 for {keys} at most from now on. Set max_group_keys = {keys} in [features.scylla], \
                 or raise the limit of the cluster"
            );
        }
    }

    /// What the codes of texts mean, of records that come from now on.
    fn texts(&self) -> Rc<RefCell<Interner>> {
        Rc::clone(&self.texts.borrow())
    }

    /// Forgets all texts where they take more than they may, and the records that have their codes.
    /// Flights keep the texts that they departed with.
    fn bound_texts(&self) {
        let texts = self.texts();
        let known = texts.borrow();
        if known.size_bytes() > self.settings.cache.max_texts_bytes {
            let next = Interner::new(known.generation() + 1);
            self.texts.replace(Rc::new(RefCell::new(next)));
            self.cache.borrow_mut().clear();
            self.count(|counters| counters.texts_forgotten += 1);
        }
    }

    /// Notes whether a node answered.
    pub(super) fn heard(&self, target: &Target, answered: bool, now: Instant) {
        self.router.report(target, answered, now);
        let silent_since = if answered { None } else { self.silent_since.get().or(Some(now)) };
        self.silent_since.set(silent_since);
    }

    pub(super) fn count_fault(&self, fault: &Fault) {
        self.count(|counters| counters.statements_failed[fault.reason as usize] += 1);
    }

    /// Says why `keys` keys were not read in the end, where that is news.
    pub(super) fn tell(self: &Rc<Self>, fault: &Fault, keys: usize) {
        if fault.reason.doubts_table() {
            recovery::doubt_table(self);
        }
        if keys > 0 && self.faults_seen.is_first(fault.reason, Instant::now()) {
            let ScyllaSettings { keyspace, table, .. } = &*self.settings;
            let (reason, said) = (fault.reason.as_str(), fault.said.as_str());
            tracing::error!(
                keyspace,
                table,
                reason,
                said,
                "the cluster gives no features for {keys} users: they are stale, defaults or \
                 refused, as the model's on_error says. More of the same are counted in \
                 shardgate_cluster_statements_failed_total"
            );
        }
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut CqlCounters)) {
        let mut counters = self.counters.get();
        add(&mut counters);
        self.counters.set(counters);
    }

    /// Joins what the cache knows; the other keys wait for a flight that has them, or are unknown.
    fn serve_known(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        now: Instant,
        joined: &mut Joined,
        waiting: &mut Vec<Waiting>,
        unknown: &mut Vec<u32>,
    ) {
        let mut cache = self.cache.borrow_mut();
        let texts = self.texts();
        let texts = &*texts.borrow();
        let session = self.session();
        let table_key = &session.table.shape.key;
        let pending = self.pending.borrow();
        let keys = requests.keys(plan.place());
        for &first in keys.distinct() {
            let key = keys.key(first as usize);
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                join_absent(plan, requests, first, FeatureStatus::Missing, joined);
                continue;
            }
            if !table_key.takes(key) {
                if table_key.has_spellings() {
                    refuse_key(plan, requests, first, table_key.expected_of(key), joined);
                } else {
                    join_absent(plan, requests, first, FeatureStatus::Missing, joined);
                }
                continue;
            }
            match cache.get(key, now) {
                Cached::Fresh(record) => {
                    join_found(
                        plan,
                        requests,
                        first,
                        (record, texts),
                        FeatureStatus::Cached,
                        joined,
                    );
                }
                Cached::FreshMissing => {
                    join_absent(plan, requests, first, FeatureStatus::Missing, joined);
                }
                Cached::Unknown => match pending.find(key) {
                    Some((flight, index)) => waiting.push(Waiting { first, flight, index }),
                    None => unknown.push(first),
                },
            }
        }
        self.count(|counters| counters.keys_coalesced += waiting.len() as u64);
    }

    /// Sends statements for the `unknown` keys.
    fn launch(
        self: &Rc<Self>,
        plan: &EntityPlan,
        requests: &FetchRequests,
        now: Instant,
        joined: &mut Joined,
        waiting: &mut Vec<Waiting>,
        unknown: &[u32],
    ) {
        self.bound_texts();
        let session = self.session();
        let cluster = session.session.get_cluster_state();
        let table_key = &session.table.shape.key;
        let asked = requests.keys(plan.place());
        let keys = unknown
            .iter()
            .filter_map(|&first| Some((first, table_key.wire(asked.key(first as usize))?)));
        let mut nowhere = Vec::new();
        let groups = self.router.group(&cluster, keys, now, &mut nowhere);
        self.count(|counters| {
            counters.keys_asked += (unknown.len() - nowhere.len()) as u64;
            counters.keys_refused += nowhere.len() as u64;
        });
        let deadline = self.settings.fetch_deadline();
        let deadlines = Deadlines { group: now + deadline / 2, all: now + deadline };
        for group in groups {
            let keys = group.keys.iter().map(|&first| asked.key(first as usize));
            let flight = Flight::new(keys, Rc::clone(&session), self.texts());
            let flight = Rc::new(flight);
            self.pending.borrow_mut().insert(&flight);
            for (index, &first) in group.keys.iter().enumerate() {
                waiting.push(Waiting { first, flight: Rc::clone(&flight), index });
            }
            let departed = attempts::depart(self, flight, group.target, deadlines);
            spawn(attempts::arrive(Rc::clone(self), departed)).detach();
        }
        self.driver.turn();
        if !nowhere.is_empty() {
            let said = "no node is connected, or none answered lately";
            self.tell(&Fault::new(FaultReason::Connection, said), nowhere.len());
        }
        for first in nowhere {
            self.join_failed(plan, requests, first, joined);
        }
    }

    fn join_landed(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        wait: &Waiting,
        joined: &mut Joined,
    ) {
        let (state, record) = wait.flight.result(wait.index);
        match state {
            KeyState::Found => {
                let found = (&*record, &*wait.flight.texts().borrow());
                join_found(plan, requests, wait.first, found, FeatureStatus::Stored, joined);
            }
            KeyState::Missing => {
                join_absent(plan, requests, wait.first, FeatureStatus::Missing, joined);
            }
            KeyState::Pending | KeyState::Failed => {
                self.join_failed(plan, requests, wait.first, joined);
            }
        }
    }

    /// Joins the last known record, where there is one and the model takes it, or none.
    fn join_failed(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        first: u32,
        joined: &mut Joined,
    ) {
        self.count(|counters| counters.keys_failed += 1);
        let cache = self.cache.borrow();
        let stale = plan
            .accepts_stale()
            .then(|| {
                let key = requests.keys(plan.place()).key(first as usize);
                cache.get_stale(key, Instant::now())
            })
            .flatten();
        match stale {
            Some(record) => {
                let texts = self.texts();
                let found = (record, &*texts.borrow());
                join_found(plan, requests, first, found, FeatureStatus::Stale, joined);
            }
            None => join_absent(plan, requests, first, FeatureStatus::Error, joined),
        }
    }

    /// Keeps what a flight brought, and forgets that its keys are in flight.
    pub(super) fn landed(&self, flight: &Rc<Flight>) {
        if self.session_for(flight).is_none() {
            return;
        }
        self.pending.borrow_mut().remove(flight);
        // The codes of a flight that departed before the texts were forgotten are not those of now.
        if !Rc::ptr_eq(flight.texts(), &self.texts()) {
            return;
        }
        let now = Instant::now();
        let mut cache = self.cache.borrow_mut();
        for index in 0..flight.len() {
            if flight.is_forgotten(index) {
                continue;
            }
            let (state, record) = flight.result(index);
            match state {
                KeyState::Found => cache.put(flight.key(index), Some(&record), now),
                KeyState::Missing => cache.put(flight.key(index), None, now),
                KeyState::Pending | KeyState::Failed => {}
            }
        }
    }
}

fn join_found(
    plan: &EntityPlan,
    requests: &FetchRequests,
    first: u32,
    (record, texts): (&[u8], &Interner),
    status: FeatureStatus,
    joined: &mut Joined,
) {
    for row in requests.keys(plan.place()).rows_like(first) {
        // Its records are not in a file that could be damaged.
        let _: bool = plan.join_found(record, texts, status, requests.cells(row), row, joined);
    }
}

/// Refuses the rows of a text that is no key of the table's type.
fn refuse_key(
    plan: &EntityPlan,
    requests: &FetchRequests,
    first: u32,
    expected: &'static str,
    joined: &mut Joined,
) {
    let (place, entity) = (plan.place(), plan.place() as u8);
    let refusal = Refusal::KeyNotOfType { entity, expected };
    for row in requests.keys(plan.place()).rows_like(first) {
        joined.refuse(place, row, FeatureStatus::Missing, refusal);
    }
}

fn join_absent(
    plan: &EntityPlan,
    requests: &FetchRequests,
    first: u32,
    status: FeatureStatus,
    joined: &mut Joined,
) {
    for row in requests.keys(plan.place()).rows_like(first) {
        plan.join_absent(status, requests.cells(row), row, joined);
    }
}
