//! A feature store as the process configures it, and as a shard owns it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use super::embedded::{BadTableName, EmbeddedError, EmbeddedReader, EmbeddedStore};
use super::fit::{Fetched, Unfit};
use super::join::{EntityPlan, JoinPlan};
use super::joined::Joined;
use super::requests::FetchRequests;
use super::requests_alone::RequestsAlone;
use super::schema::{NamedTable, Schema, fingerprint_of_all, fingerprint_of_reason};
use super::scylla::{Asked, CqlCounters, CqlStore, ScyllaError, ScyllaSettings, describe_table};
use super::simulated::{SimulatedStore, Weather};
use crate::telemetry::StoreCounters;

/// Where every shard's features come from; each opens its own [`FeatureStore`] from it.
#[derive(Debug, Clone)]
pub enum StoreSource {
    /// A file of this machine, opened once by the process.
    Embedded(EmbeddedStore),
    /// A cluster that speaks CQL, to which each shard connects.
    Cql {
        /// How to reach it and what to read there.
        settings: Arc<ScyllaSettings>,
        /// The contact points' addresses: [`ScyllaSettings::resolve`].
        addresses: Vec<SocketAddr>,
    },
    /// Nothing: each request gives all that its model reads.
    RequestsAlone,
    /// An embedded store behind a simulated way there.
    Simulated {
        /// Its rows.
        store: EmbeddedStore,
        /// How the way is.
        weather: Arc<Weather>,
    },
}

/// Why a shard has no store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The embedded store cannot be read.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// It is no table's name.
    #[error(transparent)]
    TableName(#[from] BadTableName),
    /// The cluster's table cannot be read.
    #[error(transparent)]
    Cql(#[from] ScyllaError),
    /// A table that a model names beside the store's own cannot be read.
    #[error("the table `{table}`: {reason}")]
    Table {
        /// The table.
        table: String,
        /// What the store said.
        reason: String,
    },
}

impl StoreSource {
    /// The columns that the store has at this moment; `None` where only the shards know, each by
    /// its connections.
    pub fn current_schema(&self) -> Result<Option<Schema>, StoreError> {
        match self {
            Self::Embedded(store) | Self::Simulated { store, .. } => Ok(store.schema()?),
            Self::Cql { .. } => Ok(None),
            Self::RequestsAlone => Ok(Some(Schema::none())),
        }
    }

    /// [`Self::current_schema`] with these tables beside the store's own.
    pub fn current_schema_with<'t>(
        &self,
        names: impl IntoIterator<Item = &'t str>,
    ) -> Result<Option<Schema>, StoreError> {
        let own = self.current_schema()?;
        let Self::Embedded(store) = self else { return Ok(own) };
        match own {
            Some(schema) => self.with_tables(schema, names).map(Some),
            None if store.has_tables() => self.with_tables(Schema::none(), names).map(Some),
            None => Ok(None),
        }
    }

    /// The store's own columns with those of these tables, which a cluster is asked for by connections
    /// that are closed again: for tools. It blocks. A table that can't be read says why.
    pub fn with_tables<'t>(
        &self,
        schema: Schema,
        names: impl IntoIterator<Item = &'t str>,
    ) -> Result<Schema, StoreError> {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let described = |name: &str| match self.table(Some(name))? {
            Self::Cql { settings, addresses } => {
                Ok(Some(describe_table(ScyllaSettings::clone(&settings), addresses)?))
            }
            table => table.current_schema(),
        };
        let read = |name: &str| {
            let found = described(name).map_err(|error: StoreError| error.to_string());
            found.and_then(|schema| schema.ok_or_else(|| "there is no such table".to_owned()))
        };
        let table = |name: &str| NamedTable {
            name: name.to_owned(),
            schema: read(name).map_err(Into::into),
        };
        let tables = names.into_iter().map(table).collect();
        Ok(schema.with_tables(tables))
    }

    /// Where the rows of the table `name` of the same store are; the default table's for none. A shard
    /// opens each table that it reads: [`StoreSource::open`].
    ///
    /// # Errors
    /// It is no table's name.
    pub fn table(&self, name: Option<&str>) -> Result<Self, StoreError> {
        let Some(name) = name else { return Ok(self.clone()) };
        Ok(match self {
            Self::Embedded(store) => Self::Embedded(store.table(&name.parse()?)),
            Self::Cql { settings, addresses } => {
                let settings = Arc::new(settings.of_table(name));
                Self::Cql { settings, addresses: addresses.clone() }
            }
            Self::RequestsAlone => Self::RequestsAlone,
            Self::Simulated { store, weather } => {
                let (store, weather) = (store.table(&name.parse()?), Arc::clone(weather));
                Self::Simulated { store, weather }
            }
        })
    }

    /// What is wrong with the store, while its readers go on with what they have; `None` where
    /// nothing is known to be. Asks the file system: not for shards.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Embedded(store) => store.trouble(),
            Self::Cql { .. } | Self::RequestsAlone | Self::Simulated { .. } => None,
        }
    }

    /// A shard's own handle, without the tables that models name beside its own:
    /// [`FeatureStore::open_tables`]. To be awaited in the executor that is to use it.
    pub async fn open(&self) -> Result<FeatureStore, StoreError> {
        let own = match self {
            Self::Embedded(store) => match EmbeddedReader::new(store) {
                // Models may read its other tables alone.
                Err(error) if error.is_absent() && store.has_tables() => {
                    TableStore::RequestsAlone(RequestsAlone::default())
                }
                opened => TableStore::Embedded(Box::new(opened?)),
            },
            Self::Cql { settings, addresses } => {
                let opened = CqlStore::open(Arc::clone(settings), addresses.clone());
                TableStore::Cql(opened.await?)
            }
            Self::RequestsAlone => TableStore::RequestsAlone(RequestsAlone::default()),
            Self::Simulated { store, weather } => {
                let (reader, weather) = (EmbeddedReader::new(store)?, Arc::clone(weather));
                TableStore::Simulated(Box::new(SimulatedStore { reader, weather }))
            }
        };
        let (own, named) = (Rc::new(own), RefCell::default());
        Ok(FeatureStore { source: self.clone(), own, named })
    }
}

/// A shard's own handle on the feature store; it belongs to the thread that opened it.
#[derive(Debug)]
pub struct FeatureStore {
    source: StoreSource,
    /// The table of users, which every store has.
    own: Rc<TableStore>,
    /// The tables that models name beside it, in the order of their names.
    named: RefCell<Vec<OpenTable>>,
}

/// A table that a model names.
#[derive(Debug)]
struct OpenTable {
    name: String,
    store: Result<Rc<TableStore>, Arc<str>>,
}

/// One table of a store, as a shard reads it.
#[derive(Debug)]
enum TableStore {
    /// A file of this machine, read without waiting.
    Embedded(Box<EmbeddedReader>),
    /// A table of a cluster that speaks CQL, asked over the shard's own connections.
    Cql(CqlStore),
    /// No store.
    RequestsAlone(RequestsAlone),
    /// A file of this machine, behind a simulated way there.
    Simulated(Box<SimulatedStore>),
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

    /// Joins an entity's part of the rows, or asks for what it has to wait for; `None` where its
    /// columns are not those of `plan`.
    fn ask(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        joined: &mut Joined,
    ) -> Option<Option<Asked>> {
        match self {
            Self::Embedded(reader) => {
                (reader.join(plan, requests, joined) == Fetched::Joined).then_some(None)
            }
            Self::Cql(store) => store.ask(plan, requests, joined).map(Some),
            // What is simulated is one entity's store.
            Self::RequestsAlone(_) | Self::Simulated(_) => Some(None),
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
            let started = joined.is_timed.then(Instant::now);
            match table.ask(entity, requests, joined) {
                None => return Fetched::SchemaChanged,
                Some(None) => {
                    let now = Instant::now;
                    joined.note_times(place, || (started.unwrap_or_else(now), now()));
                }
                Some(Some(asked)) => waiting.push((place, entity, table, asked)),
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
