//! The table `[features.scylla]`.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ScyllaError;
use super::frames::FrameLimit;
use super::password::{self, PasswordError};
use super::secret::Secret;
use crate::features::cache::CacheSettings;
use crate::features::schema::LAST_UPDATED;

/// The most keys that one statement may ask for: more would make one coordinator's memory and one
/// slow partition everybody's.
const GROUP_KEYS_MAX: usize = 100;

/// A limit on frames below this would keep ordinary answers out.
const FRAME_BYTES_MIN: u32 = 65_536;

/// How to reach a cluster and what to read there.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScyllaSettings {
    /// Nodes to ask first, each `HOST:PORT`; the rest of the cluster is found from there.
    pub contact_points: Vec<String>,
    /// Where nodes are reached whose own addresses can't be, from behind a port forward or a
    /// network address translation: each node's address, as the cluster says it, with the one to
    /// use. Where any are given, all have to be.
    pub address_map: HashMap<SocketAddr, SocketAddr>,
    /// The keyspace.
    pub keyspace: String,
    /// The table.
    pub table: String,
    /// The column that holds the users' keys, which is the partition key; where it is empty, the
    /// partition key is what the table has, of one column or several.
    pub key_column: String,
    /// The feature columns in the order that a model without columns reads; all that the table has,
    /// in its own order, where none are given. Of Feast's layout the features, each with its type:
    /// `conv_rate:float`.
    pub columns: Vec<String>,
    /// The timestamp column that says when a row was written; where it is empty, a row counts as
    /// written when it is read.
    pub last_updated_column: String,
    /// The user name, with `password` or `password_file`.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// A file that holds the password in its one line; it is read for each connection.
    pub password_file: Option<PathBuf>,
    /// Encrypts the connections.
    pub tls: Option<TlsSettings>,
    /// Ask only nodes of this datacenter where there are some.
    pub local_datacenter: Option<String>,
    /// How many replicas have to answer.
    pub consistency: Consistency,
    /// Connections per node, or per shard of a node where it has some.
    pub pool_size: usize,
    /// How long a batch waits for its features at most, in milliseconds.
    pub fetch_deadline_ms: u64,
    /// How many keys one statement asks for at most: 1 to 100.
    #[serde(rename = "max_group_keys", alias = "group_keys_max")]
    pub group_keys_max: usize,
    /// Ask another replica for a key that has not been answered after this many milliseconds, where
    /// keys are asked for singly.
    pub speculative_execution_ms: Option<u64>,
    /// Compresses the frames.
    pub compression: Compression,
    /// The longest frame that is taken from a node, in bytes, with and without compression: one that
    /// announces more loses its connection. Encrypted connections are not held to it.
    pub max_frame_bytes: u32,
    /// How many statements for single keys may be in flight.
    #[serde(rename = "max_single_statements", alias = "single_statements_max")]
    pub single_statements_max: usize,
    /// How many of a hundred keys may be asked for again, singly, after a group failed.
    pub retry_budget_percent: f64,
    /// How long connecting may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// What each shard keeps of what it fetched, of each table.
    pub cache: CacheSettings,
    /// A clustering column of the table: of a key's rows the one with its greatest value is read.
    /// Without it a table with clustering columns is refused.
    pub latest_by: Option<String>,
    /// How rows lie in the table.
    pub layout: TableLayout,
    /// Of Feast's layout: the join keys of its entities, each with its type, in the order in which a
    /// model's entity names their fields: `driver_id:bigint`.
    pub join_keys: Vec<String>,
    /// Of Feast's layout: the version by which entity keys are serialised, 2 or 3.
    pub entity_key_version: u8,
    /// The other tables of the keyspace that models name, where they are read otherwise.
    pub tables: BTreeMap<String, TableSettings>,
}

/// How rows lie in a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TableLayout {
    /// A row for each key, a column for each feature.
    #[default]
    Columns,
    /// As Feast writes them: a partition for each key, a row for each feature.
    Feast,
}

/// How a table is read that a model names beside the store's own.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableSettings {
    /// As [`ScyllaSettings::columns`].
    pub columns: Vec<String>,
    /// As [`ScyllaSettings::last_updated_column`], which it is where it is not given.
    pub last_updated_column: Option<String>,
    /// As [`ScyllaSettings::latest_by`].
    pub latest_by: Option<String>,
    /// As [`ScyllaSettings::layout`].
    pub layout: TableLayout,
    /// As [`ScyllaSettings::join_keys`].
    pub join_keys: Vec<String>,
    /// As [`ScyllaSettings::entity_key_version`].
    pub entity_key_version: u8,
    /// As [`ScyllaSettings::cache`], which it is where it is not given.
    pub cache: Option<CacheSettings>,
}

/// How connections are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The authorities to trust, PEM.
    pub ca: PathBuf,
    /// The client's certificate chain, PEM, with `key`.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The client's private key, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// How many replicas have to answer a read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// One.
    One,
    /// One of the local datacenter.
    #[default]
    LocalOne,
    /// Most.
    Quorum,
    /// Most of the local datacenter.
    LocalQuorum,
    /// All.
    All,
}

/// How frames are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all: a row of floats hardly shrinks.
    #[default]
    None,
    /// LZ4.
    Lz4,
    /// Snappy.
    Snappy,
}

/// The version by which Feast serialises entity keys where nothing else is said.
const ENTITY_KEY_VERSION: u8 = 3;

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            last_updated_column: None,
            latest_by: None,
            layout: TableLayout::default(),
            join_keys: Vec::new(),
            entity_key_version: ENTITY_KEY_VERSION,
            cache: None,
        }
    }
}

impl Default for ScyllaSettings {
    fn default() -> Self {
        Self {
            contact_points: Vec::new(),
            address_map: HashMap::new(),
            keyspace: "model_features".to_owned(),
            table: "user_profiles".to_owned(),
            key_column: "user_id".to_owned(),
            columns: Vec::new(),
            last_updated_column: LAST_UPDATED.to_owned(),
            user: None,
            password: None,
            password_file: None,
            tls: None,
            local_datacenter: None,
            consistency: Consistency::default(),
            pool_size: 1,
            fetch_deadline_ms: 20,
            group_keys_max: 64,
            speculative_execution_ms: None,
            compression: Compression::default(),
            max_frame_bytes: 16 << 20,
            single_statements_max: 128,
            retry_budget_percent: 10.0,
            connect_timeout_ms: 5000,
            cache: CacheSettings::default(),
            latest_by: None,
            layout: TableLayout::default(),
            join_keys: Vec::new(),
            entity_key_version: ENTITY_KEY_VERSION,
            tables: BTreeMap::new(),
        }
    }
}

impl ScyllaSettings {
    /// How long a batch waits for its features at most.
    pub fn fetch_deadline(&self) -> Duration {
        Duration::from_millis(self.fetch_deadline_ms)
    }

    /// The settings by which another table of the keyspace is read. Its key is the partition key that
    /// it has: the key column's name is empty.
    #[must_use]
    pub fn of_table(&self, name: &str) -> Self {
        if name == self.table {
            return self.clone();
        }
        let table = self.tables.get(name).cloned().unwrap_or_default();
        let last_updated_column = table.last_updated_column;
        Self {
            table: name.to_owned(),
            key_column: String::new(),
            columns: table.columns,
            last_updated_column: last_updated_column
                .unwrap_or_else(|| self.last_updated_column.clone()),
            latest_by: table.latest_by,
            layout: table.layout,
            join_keys: table.join_keys,
            entity_key_version: table.entity_key_version,
            cache: table.cache.unwrap_or(self.cache),
            tables: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// Says what is wrong with the settings, if anything.
    pub fn check(&self) -> Result<(), ScyllaError> {
        let wrong = |setting, reason: &'static str| {
            Err(ScyllaError::Setting { setting, reason: reason.to_owned() })
        };
        if self.contact_points.is_empty() {
            return wrong("contact_points", "there is none");
        }
        if !(1..=GROUP_KEYS_MAX).contains(&self.group_keys_max) {
            return wrong("max_group_keys", "it is not between 1 and 100");
        }
        if self.max_frame_bytes < FRAME_BYTES_MIN {
            return wrong("max_frame_bytes", "it is below 65536");
        }
        if self.pool_size == 0 {
            return wrong("pool_size", "it is 0");
        }
        if self.fetch_deadline_ms == 0 {
            return wrong("fetch_deadline_ms", "it is 0");
        }
        if !(0.0..=100.0).contains(&self.retry_budget_percent) {
            return wrong("retry_budget_percent", "it is not between 0 and 100");
        }
        if self.password.is_some() && self.password_file.is_some() {
            return wrong("password_file", "the password is given twice, here and by `password`");
        }
        if self.user.is_some() != (self.password.is_some() || self.password_file.is_some()) {
            return wrong("user", "user and password (or password_file) go together");
        }
        Ok(())
    }

    /// What frames may take, where they can be looked at.
    pub(super) fn frame_limit(&self) -> Option<FrameLimit> {
        let limit = FrameLimit { bytes_max: self.max_frame_bytes, compression: self.compression };
        self.tls.is_none().then_some(limit)
    }

    /// The file with the password, where every user of this machine may read it.
    pub fn exposed_password_file(&self) -> Option<&Path> {
        self.password_file.as_deref().filter(|path| password::is_exposed(path))
    }

    /// Looks up the contact points' addresses: to be done once, before threads are pinned, as name
    /// resolution starts threads of its own. A password in a file is looked at, too.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, ScyllaError> {
        self.check()?;
        if let Some(path) = &self.password_file {
            let wrong = |error: PasswordError| ScyllaError::Setting {
                setting: "password_file",
                reason: error.to_string(),
            };
            password::read(path).map_err(wrong)?;
        }
        let mut addresses = Vec::new();
        let mut reason = String::new();
        for contact_point in &self.contact_points {
            match contact_point.to_socket_addrs() {
                Ok(found) => addresses.extend(found),
                Err(error) => reason = format!("{contact_point}: {error}"),
            }
        }
        if addresses.is_empty() {
            return Err(ScyllaError::Setting { setting: "contact_points", reason });
        }
        Ok(addresses)
    }
}
