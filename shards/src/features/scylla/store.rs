//! A shard's store: how it is opened, and what batches ask of it.
//!
//! What is *not* here: how keys are found and joined (`landing`).

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::counters::CqlCounters;
use super::error::ScyllaError;
use super::landing::Asked;
use super::runtime::{Driver, Ended};
use super::session::CqlSession;
use super::settings::ScyllaSettings;
use super::shared::Inner;
use super::{probe, recovery};
use crate::executor::runtime::spawn;
use crate::features::fit::{Fetched, Unfit};
use crate::features::join::{EntityPlan, JoinPlan};
use crate::features::joined::Joined;
use crate::features::requests::FetchRequests;
use crate::features::schema::Schema;

/// A shard's handle on a cluster. It works on the thread, and in the executor, that opened it.
#[derive(Debug)]
pub struct CqlStore {
    inner: Rc<Inner>,
    /// The last of the tables of one cluster stops its driver.
    stops: Rc<Stops>,
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
        let inner = Inner::new(driver, session, settings);
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
