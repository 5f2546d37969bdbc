//! What the flights of a table share: its session, cache, texts, counters and what is known of its
//! nodes.
//!
//! What is *not* here: the join of records (`landing`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::budget::RetryBudget;
use super::counters::CqlCounters;
use super::faults::{Fault, FaultsSeen};
use super::flight::Flight;
use super::pending::Pending;
use super::routing::{Router, Target};
use super::runtime::Driver;
use super::session::CqlSession;
use super::settings::ScyllaSettings;
use super::table_watch::TableWatch;
use super::{probe, recovery};
use crate::features::cache::RecordCache;
use crate::features::texts::{Interner, Texts};

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
    pub(super) cache: RefCell<RecordCache>,
    /// What the codes of texts mean in the records of the cache and of new flights.
    pub(super) texts: RefCell<Rc<RefCell<Interner>>>,
    pub(super) pending: RefCell<Pending>,
    pub(super) counters: Cell<CqlCounters>,
    faults_seen: FaultsSeen,
    /// Since when no statement was answered, where some were asked.
    pub(super) silent_since: Cell<Option<Instant>>,
    /// What is known of the table beside what batches read.
    pub(super) watch: TableWatch,
}

impl Inner {
    pub(super) fn new(
        driver: Rc<Driver>,
        session: CqlSession,
        settings: Arc<ScyllaSettings>,
    ) -> Self {
        Self {
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
        }
    }

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
    pub(super) fn fingerprint(&self) -> u64 {
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
    pub(super) fn texts(&self) -> Rc<RefCell<Interner>> {
        Rc::clone(&self.texts.borrow())
    }

    /// Forgets all texts where they take more than they may, and the records that have their codes.
    /// Flights keep the texts that they departed with.
    pub(super) fn bound_texts(&self) {
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
}
