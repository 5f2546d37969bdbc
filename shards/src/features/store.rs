//! A feature store as the process configures it, and as a shard owns it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use thiserror::Error;

use super::embedded::{BadTableName, EmbeddedError, EmbeddedReader, EmbeddedStore};
use super::fit::{Fetched, Unfit};
use super::join::JoinPlan;
use super::joined::Joined;
use super::requests::FetchRequests;
use super::requests_alone::RequestsAlone;
use super::schema::Schema;
use super::scylla::{CqlStore, ScyllaError, ScyllaSettings};
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
}

impl StoreSource {
    /// The columns that the store has at this moment; `None` where only the shards know, each by
    /// its connections.
    pub fn current_schema(&self) -> Result<Option<Schema>, StoreError> {
        match self {
            Self::Embedded(store) => Ok(store.schema()?),
            Self::Cql { .. } => Ok(None),
            Self::RequestsAlone => Ok(Some(Schema::none())),
        }
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
                let settings = ScyllaSettings { table: name.to_owned(), ..(**settings).clone() };
                Self::Cql { settings: Arc::new(settings), addresses: addresses.clone() }
            }
            Self::RequestsAlone => Self::RequestsAlone,
        })
    }

    /// What is wrong with the store, while its readers go on with what they have; `None` where
    /// nothing is known to be. Asks the file system: not for shards.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Embedded(store) => store.trouble(),
            Self::Cql { .. } | Self::RequestsAlone => None,
        }
    }

    /// A shard's own handle. To be awaited in the executor that is to use it.
    pub async fn open(&self) -> Result<FeatureStore, StoreError> {
        match self {
            Self::Embedded(store) => {
                Ok(FeatureStore::Embedded(Box::new(EmbeddedReader::new(store)?)))
            }
            Self::Cql { settings, addresses } => {
                let opened = CqlStore::open(Arc::clone(settings), addresses.clone());
                Ok(FeatureStore::Cql(opened.await?))
            }
            Self::RequestsAlone => Ok(FeatureStore::RequestsAlone(RequestsAlone::default())),
        }
    }
}

/// A shard's own handle on the feature store; it belongs to the thread that opened it.
#[derive(Debug)]
pub enum FeatureStore {
    /// A file of this machine, read without waiting.
    Embedded(Box<EmbeddedReader>),
    /// A cluster that speaks CQL, asked over the shard's own connections.
    Cql(CqlStore),
    /// No store.
    RequestsAlone(RequestsAlone),
}

impl FeatureStore {
    /// The columns that plans are to be bound to, as far as the store knows them now.
    pub fn schema(&self) -> Result<Rc<Schema>, Unfit> {
        match self {
            Self::Embedded(reader) => Ok(reader.schema()),
            Self::Cql(store) => store.columns(),
            Self::RequestsAlone(none) => Ok(none.schema()),
        }
    }

    /// A number that is another one whenever [`FeatureStore::schema`] is: the fingerprint of the
    /// schema, or a number of its own where there is none.
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::Embedded(reader) => reader.fingerprint(),
            Self::Cql(store) => store.fingerprint(),
            Self::RequestsAlone(none) => none.fingerprint(),
        }
    }

    /// Looks whether the store's columns have changed, where that costs next to nothing. To be
    /// called some times a second: so a change is noticed where nothing is fetched, too.
    pub fn look(&self) {
        match self {
            Self::Embedded(reader) => reader.look(),
            // Its shard asks the cluster by itself.
            Self::Cql(_) | Self::RequestsAlone(_) => {}
        }
    }

    /// Whether a fetch never waits: then there is nothing to gain from a second batch in flight.
    pub fn is_immediate(&self) -> bool {
        !matches!(self, Self::Cql(_))
    }

    /// Copies what the store did into `counters`.
    pub(crate) fn count_into(&self, counters: &StoreCounters) {
        let store = match self {
            Self::Embedded(reader) => return counters.damaged.set(reader.damaged()),
            Self::Cql(store) => store,
            Self::RequestsAlone(_) => return,
        };
        let now = store.counters();
        counters.cache_hits.set(now.cache.hits);
        counters.cache_misses.set(now.cache.misses);
        counters.cache_evictions.set(now.cache.evictions);
        counters.cache_bytes.set(store.cache_bytes() as u64);
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

    /// Joins the batch's rows into `joined`, ages counted at `now_us` (µs since 1970). It does not
    /// fail: a row that could not be fetched says so in its outcome. Where the store's columns are
    /// not those of `plan`, nothing is joined. A cluster's statements are on the wire once the future
    /// was polled.
    pub async fn fetch(
        &self,
        plan: &JoinPlan,
        requests: &FetchRequests,
        now_us: i64,
        joined: &mut Joined,
    ) -> Fetched {
        match self {
            Self::Embedded(reader) => reader.fetch(plan, requests, now_us, joined),
            Self::Cql(store) => store.fetch(plan, requests, now_us, joined).await,
            Self::RequestsAlone(none) => none.fetch(plan, requests, now_us, joined),
        }
    }
}
