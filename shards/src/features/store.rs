//! A feature store as a shard owns it: its tables, and what batches ask of them.
//!
//! What is *not* here: which store it is (`store_source`).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::embedded::EmbeddedReader;
use super::fit::{Fetched, Unfit};
use super::join::{EntityPlan, JoinPlan};
use super::joined::Joined;
use super::requests::FetchRequests;
use super::requests_alone::RequestsAlone;
use super::schema::{NamedTable, Schema, fingerprint_of_all, fingerprint_of_reason};
use super::scylla::{Asked, CqlCounters, CqlStore};
use super::simulated::SimulatedStore;
use super::store_source::{StoreError, StoreSource};
use crate::executor::runtime::now;
use crate::telemetry::StoreCounters;

/// A shard's own handle on the feature store; it belongs to the thread that opened it.
#[derive(Debug)]
pub struct FeatureStore {
    pub(super) source: StoreSource,
    /// The table of users, which every store has.
    pub(super) own: Rc<TableStore>,
    /// The tables that models name beside it, in the order of their names.
    pub(super) named: RefCell<Vec<OpenTable>>,
}

/// A table that a model names.
#[derive(Debug)]
pub(super) struct OpenTable {
    name: String,
    store: Result<Rc<TableStore>, Arc<str>>,
}

/// One table of a store, as a shard reads it.
#[derive(Debug)]
pub(super) enum TableStore {
    /// A file of this machine, read without waiting.
    Embedded(Box<EmbeddedReader>),
    /// A table of a cluster that speaks CQL, asked over the shard's own connections.
    Cql(CqlStore),
    /// No store.
    RequestsAlone(RequestsAlone),
    /// A file of this machine, behind a simulated way there.
    Simulated(Box<SimulatedStore>),
}

/// What came of asking a table for an entity's part of the rows.
enum EntityAsked {
    /// It is joined.
    Joined,
    /// It comes later.
    Waits(Asked),
    /// Its columns are not those of the plan.
    SchemaChanged,
}

impl TableStore {
    fn schema(&self) -> Result<Rc<Schema>, Unfit> {
        match self {
            Self::Embedded(reader) => Ok(reader.schema()),
            Self::Cql(store) => store.columns(),
            Self::RequestsAlone(none) => Ok(none.schema()),
            Self::Simulated(store) => Ok(store.reader.schema()),
        }
    }

    fn fingerprint(&self) -> u64 {
        match self {
            Self::Embedded(reader) => reader.fingerprint(),
            Self::Cql(store) => store.fingerprint(),
            Self::RequestsAlone(none) => none.fingerprint(),
            Self::Simulated(store) => store.reader.fingerprint(),
        }
    }

    fn look(&self) {
        match self {
            Self::Embedded(reader) => reader.look(),
            Self::Simulated(store) => store.reader.look(),
            // Its shard asks the cluster by itself.
            Self::Cql(_) | Self::RequestsAlone(_) => {}
        }
    }

    /// Joins an entity's part of the rows, or asks for what it has to wait for.
    fn ask(&self, plan: &EntityPlan, requests: &FetchRequests, joined: &mut Joined) -> EntityAsked {
        let found = |fetched| match fetched {
            Fetched::Joined => EntityAsked::Joined,
            Fetched::SchemaChanged => EntityAsked::SchemaChanged,
        };
        match self {
            Self::Embedded(reader) => found(reader.join(plan, requests, joined)),
            // Only the first entity's way is simulated.
            Self::Simulated(store) => found(store.reader.join(plan, requests, joined)),
            Self::Cql(store) => match store.ask(plan, requests, joined) {
                Some(asked) => EntityAsked::Waits(asked),
                None => EntityAsked::SchemaChanged,
            },
            Self::RequestsAlone(_) => EntityAsked::Joined,
        }
    }
}

impl OpenTable {
    fn fingerprint(&self) -> u64 {
        match &self.store {
            Ok(store) => store.fingerprint(),
            Err(reason) => fingerprint_of_reason(reason),
        }
    }

    fn describe(&self) -> NamedTable {
        let schema = match &self.store {
            Ok(store) => match store.schema() {
                Ok(schema) => Ok(Schema::clone(&schema)),
                Err(unfit) => Err(unfit.to_string().into()),
            },
            Err(reason) => Err(Arc::clone(reason)),
        };
        NamedTable { name: self.name.clone(), schema }
    }
}

impl FeatureStore {
    /// Opens those of these tables that are not open. A table that can't be read is one for whose
    /// models no plan can be bound; it is tried again at the next call.
    ///
    /// # Errors
    /// What the first that can't be read says. The others are open then.
    pub async fn open_tables(
        &self,
        names: impl IntoIterator<Item = &str>,
    ) -> Result<(), StoreError> {
        let mut failed = Ok(());
        for name in names {
            if matches!(self.source, StoreSource::RequestsAlone) || self.named_table(name).is_some()
            {
                continue;
            }
            let store = match self.open_table(name).await {
                Ok(store) => Ok(store),
                Err(error) => {
                    let reason = error.to_string();
                    let told = Err(reason.as_str().into());
                    failed = failed.and(Err(StoreError::Table { table: name.to_owned(), reason }));
                    told
                }
            };
            let mut named = self.named.borrow_mut();
            let table = OpenTable { name: name.to_owned(), store };
            match named.binary_search_by(|other| other.name.as_str().cmp(name)) {
                Ok(at) => named[at] = table,
                Err(at) => named.insert(at, table),
            }
        }
        failed
    }

    async fn open_table(&self, name: &str) -> Result<Rc<TableStore>, StoreError> {
        match (&self.source, &*self.own) {
            (StoreSource::Cql { settings, .. }, _) if settings.table == name => {
                Ok(Rc::clone(&self.own))
            }
            (StoreSource::Cql { settings, addresses }, TableStore::Cql(own)) => {
                let settings = Arc::new(settings.of_table(name));
                let opened = own.open_beside(settings, addresses.clone()).await?;
                Ok(Rc::new(TableStore::Cql(opened)))
            }
            (StoreSource::Embedded(store), _) => {
                let table = store.table(&name.parse()?);
                Ok(Rc::new(TableStore::Embedded(Box::new(EmbeddedReader::new(&table)?))))
            }
            _ => Ok(Rc::clone(&self.own)),
        }
    }

    /// A table that is open; `None` is one that is not, or can't be read.
    fn named_table(&self, name: &str) -> Option<Rc<TableStore>> {
        let named = self.named.borrow();
        let found = named.iter().find(|table| table.name == name)?;
        found.store.as_ref().ok().map(Rc::clone)
    }

    /// The columns that plans are to be bound to, as far as the store knows them now.
    pub fn schema(&self) -> Result<Rc<Schema>, Unfit> {
        let own = self.own.schema()?;
        let named = self.named.borrow();
        if named.is_empty() {
            return Ok(own);
        }
        let tables = named.iter().map(OpenTable::describe).collect();
        Ok(Rc::new(Schema::clone(&own).with_tables(tables)))
    }

    /// A number that is another one whenever [`FeatureStore::schema`] is: the fingerprint of the
    /// schema, or a number of its own where there is none.
    pub fn fingerprint(&self) -> u64 {
        let named = self.named.borrow();
        fingerprint_of_all(self.own.fingerprint(), named.iter().map(OpenTable::fingerprint))
    }

    /// Looks whether the store's columns have changed, where that costs next to nothing. To be
    /// called some times a second: so a change is noticed where nothing is fetched, too.
    pub fn look(&self) {
        self.own.look();
        for table in &*self.named.borrow() {
            if let Ok(store) = &table.store {
                store.look();
            }
        }
    }

    /// Whether a fetch never waits: then there is nothing to gain from a second batch in flight.
    pub fn is_immediate(&self) -> bool {
        matches!(*self.own, TableStore::Embedded(_) | TableStore::RequestsAlone(_))
    }

    /// Joins the batch's rows into `joined`, ages counted at `now_us` (µs since 1970). It does not
    /// fail: a row that could not be fetched says so in its outcome. Where the store's columns are
    /// not those of `plan`, nothing is joined. A cluster's statements, those for all entities, are on
    /// the wire once the future was polled.
    pub async fn fetch(
        &self,
        plan: &JoinPlan,
        requests: &FetchRequests,
        now_us: i64,
        joined: &mut Joined,
    ) -> Fetched {
        if let [only] = plan.entities()
            && only.table().is_none()
        {
            return match &*self.own {
                TableStore::Embedded(reader) => reader.fetch(plan, requests, now_us, joined),
                TableStore::Cql(store) => store.fetch(plan, requests, now_us, joined).await,
                TableStore::RequestsAlone(none) => none.fetch(plan, requests, now_us, joined),
                TableStore::Simulated(store) => store.fetch(plan, requests, now_us, joined).await,
            };
        }
        self.fetch_all(plan, requests, now_us, joined).await
    }

    /// [`Self::fetch`] for a model with entities: all of them are asked for before one is waited for.
    async fn fetch_all(
        &self,
        plan: &JoinPlan,
        requests: &FetchRequests,
        now_us: i64,
        joined: &mut Joined,
    ) -> Fetched {
        joined.reset(requests.len(), now_us);
        let mut waiting = Vec::new();
        for (place, entity) in plan.entities().iter().enumerate() {
            let table = match entity.table() {
                None => Some(Rc::clone(&self.own)),
                Some(name) => self.named_table(name),
            };
            let Some(table) = table else { return Fetched::SchemaChanged };
            let started = joined.is_timed.then(now);
            match table.ask(entity, requests, joined) {
                EntityAsked::SchemaChanged => return Fetched::SchemaChanged,
                EntityAsked::Joined => {
                    joined.note_times(place, || (started.unwrap_or_else(now), now()));
                }
                EntityAsked::Waits(asked) => waiting.push((place, entity, table, asked)),
            }
        }
        for (_, entity, table, asked) in &waiting {
            if let TableStore::Cql(store) = &**table
                && store.landed(entity, asked).await == Fetched::SchemaChanged
            {
                return Fetched::SchemaChanged;
            }
        }
        for (place, entity, table, asked) in &waiting {
            joined.note_times(*place, || asked.times());
            if let TableStore::Cql(store) = &**table {
                store.join(entity, requests, asked, joined);
                joined.note_wait(entity.place(), asked.times());
            }
        }
        joined.merge(plan.defaulted_max());
        Fetched::Joined
    }

    /// Forgets what is known of a key of a table (the store's own for none): it was written.
    pub(crate) fn forget(&self, table: Option<&str>, key: &[u8]) {
        let named = self.named.borrow();
        let others = named.iter().filter(|open| Some(open.name.as_str()) == table);
        let others = others.filter_map(|open| open.store.as_ref().ok());
        let own = table.is_none().then_some(&self.own);
        for store in others.chain(own) {
            if let TableStore::Cql(store) = &**store {
                store.forget(key);
            }
        }
    }

    /// Copies what the store did into `counters`.
    pub(crate) fn count_into(&self, counters: &StoreCounters) {
        let named = self.named.borrow();
        let others = named.iter().filter_map(|table| table.store.as_ref().ok());
        let others = others.filter(|store| !Rc::ptr_eq(store, &self.own));
        let (mut damaged, mut cluster, mut cache_bytes) = (0, None, 0);
        for store in std::iter::once(&self.own).chain(others) {
            match &**store {
                TableStore::Embedded(reader) => damaged += reader.damaged(),
                TableStore::Simulated(store) => damaged += store.reader.damaged(),
                TableStore::Cql(store) => {
                    let now = store.counters();
                    cluster = Some(cluster.map_or(now, |own: CqlCounters| own.and(&now)));
                    cache_bytes += store.cache_bytes();
                }
                TableStore::RequestsAlone(_) => {}
            }
        }
        let Some(now) = cluster else { return counters.damaged.set(damaged) };
        counters.cache_hits.set(now.cache.hits);
        counters.cache_misses.set(now.cache.misses);
        counters.cache_evictions.set(now.cache.evictions);
        counters.cache_bytes.set(cache_bytes as u64);
        counters.texts_forgotten.set(now.texts_forgotten);
        counters.cells_lost.set(now.cells_lost);
        counters.statements.set(now.statements);
        for (counter, count) in counters.statements_failed.iter().zip(now.statements_failed) {
            counter.set(count);
        }
        counters.cluster.group_keys_max.set(now.group_keys_max);
        counters.cluster.nodes_connected.set(now.nodes_connected);
        counters.sessions_renewed.set(now.sessions_renewed);
        let keys = [
            now.keys_asked,
            now.keys_coalesced,
            now.keys_retried,
            now.keys_refused,
            now.keys_failed,
        ];
        for (counter, count) in counters.keys.iter().zip(keys) {
            counter.set(count);
        }
    }
}
