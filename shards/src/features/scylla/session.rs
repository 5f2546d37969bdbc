//! Connects to the cluster, has the table described, and prepares the statements that read it.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::frame::types::Consistency as CqlConsistency;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::prepared::PreparedStatement;

use super::decode::{FeatureNames, RowShape};
use super::describe::{RowChoice, TableDescription};
use super::error::{ScyllaError, said};
use super::feast;
use super::password::FromFile;
use super::settings::{Compression, Consistency, ScyllaSettings};
use super::{probe, sample, tls, watch};
use crate::features::record::RecordLayout;
use crate::features::schema::Schema;

/// How often the driver asks whether a connection lives, and how long it waits for the answer: then
/// it makes another. A connection whose packets were lost would hang for as long again as they were.
const KEEPALIVE: Duration = Duration::from_secs(2);
const KEEPALIVE_WAIT: Duration = Duration::from_secs(3);

/// A table as batches read it: its columns, and how the rows of its answers look.
#[derive(Debug)]
pub(super) struct FoundTable {
    pub(super) schema: Arc<Schema>,
    pub(super) shape: RowShape,
    /// The columns of the partition key.
    key_names: Vec<String>,
    rows: RowChoice,
}

impl FoundTable {
    pub(super) fn of(
        description: &TableDescription,
        settings: &ScyllaSettings,
    ) -> Result<Self, ScyllaError> {
        let key = description.check_key(settings)?;
        let rows = description.row_choice(settings)?;
        let has_last_updated = description.check_last_updated(settings)?;
        let schema = Arc::new(description.features(settings)?);
        let features = (rows == RowChoice::All).then(|| FeatureNames::of(&schema));
        let layout = RecordLayout::new(&schema);
        let shape = RowShape { layout, has_last_updated, key: key.key, features };
        Ok(Self { schema, shape, key_names: key.names, rows })
    }

    /// Whether rows of both mean the same.
    fn reads_as(&self, other: &Self) -> bool {
        let (own, others) = (&self.shape, &other.shape);
        self.schema == other.schema
            && own.has_last_updated == others.has_last_updated
            && own.key == others.key
            && self.key_names == other.key_names
            && self.rows == other.rows
    }

    /// Whether one statement may ask for several keys.
    fn is_grouped(&self) -> bool {
        self.shape.key.is_grouped() && !matches!(self.rows, RowChoice::LastBy(_))
    }

    /// Asks for the columns in the order of the shape, of any key.
    fn select(&self, settings: &ScyllaSettings) -> String {
        let mut names: Vec<&str> = self.key_names.iter().map(String::as_str).collect();
        if self.rows == RowChoice::All {
            names = feast::COLUMNS.iter().map(|(name, _)| *name).collect();
        } else {
            if self.shape.has_last_updated {
                names.push(&settings.last_updated_column);
            }
            names.extend(self.schema.columns().iter().map(|column| column.name.as_str()));
        }
        let names: Vec<_> = names.into_iter().map(quoted).collect();
        format!("SELECT {} FROM {}", names.join(","), qualified(settings))
    }

    /// Asks for one key.
    pub(super) fn select_one(&self, settings: &ScyllaSettings) -> String {
        let key: Vec<_> =
            self.key_names.iter().map(|name| format!("{} = ?", quoted(name))).collect();
        let rows = match &self.rows {
            RowChoice::Only | RowChoice::All => String::new(),
            RowChoice::First => " LIMIT 1".to_owned(),
            RowChoice::LastBy(column) => format!(" ORDER BY {} DESC LIMIT 1", quoted(column)),
        };
        format!("{} WHERE {}{rows}", self.select(settings), key.join(" AND "))
    }

    /// Asks for a list of keys, where one statement may do that.
    fn select_some(&self, settings: &ScyllaSettings) -> Option<String> {
        let [key] = &self.key_names[..] else { return None };
        let first = if self.rows == RowChoice::First { " PER PARTITION LIMIT 1" } else { "" };
        let select = self.select(settings);
        self.is_grouped().then(|| format!("{select} WHERE {} IN ?{first}", quoted(key)))
    }
}

/// A shard's session, and what it asks with it.
#[derive(Debug, Clone)]
pub(super) struct CqlSession {
    pub(super) session: Arc<Session>,
    /// Asks for a list of keys; `None` where a statement asks for one at a time.
    pub(super) group: Option<PreparedStatement>,
    /// Asks for one key.
    pub(super) single: PreparedStatement,
    /// What both ask for.
    pub(super) table: Arc<FoundTable>,
    /// What the cluster said of the table when they were prepared.
    pub(super) description: Arc<TableDescription>,
}

impl CqlSession {
    /// Connects to the cluster at `addresses`, and has a row of the table read: a table that may
    /// not be read is found here. `known` is the table that batches read so far; where it is still
    /// the same, it stays. To be run on the runtime that drives the session.
    pub(super) async fn open(
        settings: Arc<ScyllaSettings>,
        addresses: Vec<SocketAddr>,
        known: Option<Arc<FoundTable>>,
    ) -> Result<Self, ScyllaError> {
        let session = Arc::new(connect(&settings, addresses).await?);
        Self::bind_in_time(session, &settings, known).await
    }

    /// [`Self::bind`], for as long as connecting may take.
    pub(super) async fn bind_in_time(
        session: Arc<Session>,
        settings: &ScyllaSettings,
        known: Option<Arc<FoundTable>>,
    ) -> Result<Self, ScyllaError> {
        let waited_ms = 2 * settings.connect_timeout_ms;
        let bound = Self::bind(session, settings, known);
        match tokio::time::timeout(Duration::from_millis(waited_ms), bound).await {
            Ok(bound) => bound,
            Err(_) => Err(ScyllaError::Unanswered {
                table: qualified(settings),
                waited_ms,
                reason: "nothing was said".to_owned(),
            }),
        }
    }

    /// Looks at the table, and prepares the statements that read it as it is now.
    pub(super) async fn bind(
        session: Arc<Session>,
        settings: &ScyllaSettings,
        known: Option<Arc<FoundTable>>,
    ) -> Result<Self, ScyllaError> {
        let description = TableDescription::fetch(&session, settings).await?;
        let found = FoundTable::of(&description, settings)?;
        let table = known.filter(|known| known.reads_as(&found));
        let table = table.unwrap_or_else(|| Arc::new(found));
        let group = match table.select_some(settings) {
            Some(statement) => Some(prepare_select(&session, statement).await?),
            None => None,
        };
        let single = prepare_select(&session, table.select_one(settings)).await?;
        let description = Arc::new(description);
        let bound = Self { session, group, single, table, description };
        probe::first_answer(&bound, settings).await?;
        sample::check(&bound, settings).await?;
        Ok(bound)
    }
}

/// The columns of the table that shards would read, from a connection of its own that is closed
/// again: for who wants to know before a shard runs. It blocks.
pub fn describe_table(
    settings: ScyllaSettings,
    addresses: Vec<SocketAddr>,
) -> Result<Schema, ScyllaError> {
    let settings = Arc::new(settings);
    let opened = block_on(&settings, CqlSession::open(Arc::clone(&settings), addresses, None))??;
    Ok(Schema::clone(&opened.table.schema))
}

/// Runs what a tool does with the driver to its end, on a runtime of its own.
pub(crate) fn block_on<F: Future>(
    settings: &ScyllaSettings,
    work: F,
) -> Result<F::Output, ScyllaError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(watch::watched(settings.frame_limit(), || runtime.block_on(work)))
}

pub(super) async fn connect(
    settings: &ScyllaSettings,
    addresses: Vec<SocketAddr>,
) -> Result<Session, ScyllaError> {
    let pool_size = NonZeroUsize::new(settings.pool_size).unwrap_or(NonZeroUsize::MIN);
    let mut builder = SessionBuilder::new()
        .known_nodes_addr(addresses)
        .pool_size(PoolSize::PerShard(pool_size))
        .keyspaces_to_fetch([&settings.keyspace])
        // What routing needs. The whole of it would have to be parsed, other tables' types too.
        .fetch_full_schema_metadata(false)
        .connection_timeout(Duration::from_millis(settings.connect_timeout_ms))
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE_WAIT)
        .compression(match settings.compression {
            Compression::None => None,
            Compression::Lz4 => Some(scylla::frame::Compression::Lz4),
            Compression::Snappy => Some(scylla::frame::Compression::Snappy),
        })
        .default_execution_profile_handle(profile(settings).into_handle());
    match (&settings.user, &settings.password, &settings.password_file) {
        (Some(user), Some(password), _) => builder = builder.user(user, password.reveal()),
        (Some(user), None, Some(path)) => {
            let from_file = FromFile { user: user.clone(), path: path.clone() };
            builder = builder.authenticator_provider(Arc::new(from_file));
        }
        _ => {}
    }
    if let Some(tls) = &settings.tls {
        builder = builder.tls_context(Some(tls::client_config(tls)?));
    }
    if !settings.address_map.is_empty() {
        builder = builder.address_translator(Arc::new(settings.address_map.clone()));
    }
    watch::forget();
    let connected = tokio::time::timeout(
        Duration::from_millis(2 * settings.connect_timeout_ms),
        builder.build(),
    );
    match (connected.await, watch::last()) {
        (Ok(Ok(session)), _) => Ok(session),
        // The driver only says that the connection broke.
        (_, Some(refused)) => Err(ScyllaError::Connect {
            contact_points: settings.contact_points.join(", "),
            reason: refused.to_string(),
        }),
        (Ok(Err(error)), None) => Err(ScyllaError::of_connecting(settings, &error.to_string())),
        (Err(_), None) => Err(ScyllaError::Connect {
            contact_points: settings.contact_points.join(", "),
            reason: format!("none did within {} ms", 2 * settings.connect_timeout_ms),
        }),
    }
}

fn profile(settings: &ScyllaSettings) -> ExecutionProfile {
    let mut balancing = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &settings.local_datacenter {
        balancing = balancing.prefer_datacenter(datacenter.clone());
    }
    let mut profile = ExecutionProfile::builder()
        .consistency(match settings.consistency {
            Consistency::One => CqlConsistency::One,
            Consistency::LocalOne => CqlConsistency::LocalOne,
            Consistency::Quorum => CqlConsistency::Quorum,
            Consistency::LocalQuorum => CqlConsistency::LocalQuorum,
            Consistency::All => CqlConsistency::All,
        })
        .request_timeout(Some(Duration::from_millis(settings.connect_timeout_ms)))
        // What is asked again, where and how often is decided by the flight.
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .load_balancing_policy(balancing.build());
    if let Some(after_ms) = settings.speculative_execution_ms {
        profile = profile.speculative_execution_policy(Some(Arc::new(
            SimpleSpeculativeExecutionPolicy {
                max_retry_count: 1,
                retry_interval: Duration::from_millis(after_ms),
            },
        )));
    }
    profile.build()
}

pub(super) async fn prepare(
    session: &Session,
    statement: String,
) -> Result<PreparedStatement, ScyllaError> {
    session
        .prepare(statement.as_str())
        .await
        .map_err(|error| ScyllaError::Statement { reason: said(&error), statement })
}

/// Prepares a statement that reads rows.
async fn prepare_select(
    session: &Session,
    statement: String,
) -> Result<PreparedStatement, ScyllaError> {
    let mut prepared = prepare(session, statement).await?;
    prepared.set_is_idempotent(true);
    // Each answer says what its columns are: a table may be made anew under a statement.
    prepared.set_use_cached_result_metadata(false);
    Ok(prepared)
}

/// The table's name with its keyspace's.
pub(super) fn qualified(settings: &ScyllaSettings) -> String {
    format!("{}.{}", quoted(&settings.keyspace), quoted(&settings.table))
}

/// An identifier as CQL takes it whatever its characters and their case.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
