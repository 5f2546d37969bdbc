//! A feature store as the process configures it: which one it is, and its tables.
//!
//! What is *not* here: what a shard reads (`store`).

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use thiserror::Error;

use super::embedded::{BadTableName, EmbeddedError, EmbeddedReader, EmbeddedStore};
use super::requests_alone::RequestsAlone;
use super::schema::{NamedTable, Schema};
use super::scylla::{CqlStore, ScyllaError, ScyllaSettings, describe_table};
use super::simulated::{SimulatedStore, Weather};
use super::store::{FeatureStore, TableStore};

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
            schema: read(name).map_err(std::convert::Into::into),
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
