//! Connects to the cluster, checks that the table can be read, and prepares the statements.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::frame::response::result::{ColumnType as CqlType, NativeType};
use scylla::frame::types::Consistency as CqlConsistency;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::prepared::PreparedStatement;

use super::decode::RowShape;
use super::error::{ScyllaError, said};
use super::password::FromFile;
use super::settings::{Compression, Consistency, ScyllaSettings};
use super::{tls, watch};
use crate::features::inputs::ColumnType;
use crate::features::record::RecordLayout;
use crate::features::schema::{Schema, StoreColumn};

/// A shard's session, and what it asks with it.
#[derive(Debug)]
pub(super) struct CqlSession {
    pub(super) session: Arc<Session>,
    /// Asks for a list of keys.
    pub(super) group: PreparedStatement,
    /// Asks for one key.
    pub(super) single: PreparedStatement,
}

/// A session that was opened, and what it found.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) session: CqlSession,
    pub(super) schema: Schema,
    /// How the rows of its answers look.
    pub(super) shape: RowShape,
}

impl CqlSession {
    /// Connects to the cluster at `addresses`. To be run on the runtime that drives the session.
    pub(super) async fn open(
        settings: Arc<ScyllaSettings>,
        addresses: Vec<SocketAddr>,
    ) -> Result<Opened, ScyllaError> {
        let session = connect(&settings, addresses).await?;
        let columns = TableColumns::describe(&session, &settings).await?;
        let schema = columns.features(&settings)?;
        let mut names = vec![settings.key_column.clone()];
        let has_last_updated = columns.check_last_updated(&settings)?;
        if has_last_updated {
            names.push(settings.last_updated_column.clone());
        }
        names.extend(schema.columns().iter().map(|column| column.name.clone()));
        let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
        let select = format!(
            "SELECT {} FROM {} WHERE {}",
            names.join(","),
            qualified(&settings),
            quoted(&settings.key_column)
        );
        let mut group = prepare(&session, format!("{select} IN ?")).await?;
        let mut single = prepare(&session, format!("{select} = ?")).await?;
        for statement in [&mut group, &mut single] {
            statement.set_is_idempotent(true);
            statement.set_use_cached_result_metadata(true);
        }
        let layout = RecordLayout::new(&schema);
        let shape = RowShape { layout, has_last_updated };
        let session = Self { session: Arc::new(session), group, single };
        Ok(Opened { session, schema, shape })
    }
}

/// The columns of the table that shards would read, from a connection of its own that is closed
/// again: for who wants to know before a shard runs. It blocks.
pub fn describe_table(
    settings: ScyllaSettings,
    addresses: Vec<SocketAddr>,
) -> Result<Schema, ScyllaError> {
    let settings = Arc::new(settings);
    let opened = block_on(&settings, CqlSession::open(Arc::clone(&settings), addresses))??;
    Ok(opened.schema)
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
        .connection_timeout(Duration::from_millis(settings.connect_timeout_ms))
        .compression(match settings.compression {
            Compression::None => None,
            Compression::Lz4 => Some(scylla::frame::Compression::Lz4),
            Compression::Snappy => Some(scylla::frame::Compression::Snappy),
        })
        .default_execution_profile_handle(profile(settings).into_handle());
    match (&settings.user, &settings.password, &settings.password_file) {
        (Some(user), Some(password), _) => builder = builder.user(user, password),
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

/// The columns of the table, in its own order.
pub(super) struct TableColumns {
    table: String,
    columns: Vec<(String, CqlType<'static>)>,
}

impl TableColumns {
    /// Asks for the columns, and checks that the key column is one.
    pub(super) async fn describe(
        session: &Session,
        settings: &ScyllaSettings,
    ) -> Result<Self, ScyllaError> {
        let cluster = session.get_cluster_state();
        let keyspace =
            cluster.get_keyspace(&settings.keyspace).ok_or_else(|| ScyllaError::NoKeyspace {
                contact_points: settings.contact_points.join(", "),
                keyspace: settings.keyspace.clone(),
            })?;
        if !keyspace.tables.contains_key(&settings.table) {
            return Err(ScyllaError::NoTable {
                keyspace: settings.keyspace.clone(),
                table: settings.table.clone(),
            });
        }
        let all = prepare(session, format!("SELECT * FROM {}", qualified(settings))).await?;
        let specs = all.get_current_result_set_col_specs();
        let columns = specs
            .get()
            .iter()
            .map(|spec| (spec.name().to_owned(), spec.typ().clone().into_owned()));
        let found = Self { table: settings.table.clone(), columns: columns.collect() };
        found.check(
            &settings.key_column,
            "text, and the whole of the partition key",
            |cql_type| matches!(cql_type, CqlType::Native(NativeType::Text | NativeType::Ascii)),
        )?;
        Ok(found)
    }

    fn check(
        &self,
        column: &str,
        expected: &'static str,
        fits: impl Fn(&CqlType<'_>) -> bool,
    ) -> Result<&CqlType<'static>, ScyllaError> {
        let found = self.columns.iter().find(|(name, _)| name == column);
        let Some((_, cql_type)) = found else {
            return Err(ScyllaError::NoColumn {
                table: self.table.clone(),
                column: column.to_owned(),
                available: self.columns.iter().map(|(name, _)| name.clone()).collect(),
            });
        };
        if !fits(cql_type) {
            return Err(ScyllaError::ColumnType {
                table: self.table.clone(),
                column: column.to_owned(),
                found: type_name(cql_type),
                expected,
            });
        }
        Ok(cql_type)
    }

    pub(super) fn check_last_updated(
        &self,
        settings: &ScyllaSettings,
    ) -> Result<bool, ScyllaError> {
        if settings.last_updated_column.is_empty() {
            return Ok(false);
        }
        self.check(&settings.last_updated_column, "timestamp", |cql_type| {
            matches!(cql_type, CqlType::Native(NativeType::Timestamp))
        })?;
        Ok(true)
    }

    /// The feature columns: those that the settings name, or all that are nothing else.
    pub(super) fn features(&self, settings: &ScyllaSettings) -> Result<Schema, ScyllaError> {
        let names = if settings.columns.is_empty() {
            let special = [&settings.key_column, &settings.last_updated_column];
            let names = self.columns.iter().map(|(name, _)| name.clone());
            names.filter(|name| !special.contains(&name)).collect()
        } else {
            settings.columns.clone()
        };
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let expected = "float, double, int, bigint or boolean";
            let cql_type =
                self.check(&name, expected, |cql_type| feature_type(cql_type).is_some())?;
            let column_type = feature_type(cql_type).unwrap_or_default();
            columns.push(StoreColumn { name, column_type });
        }
        Schema::new(columns)
            .map_err(|source| ScyllaError::Schema { table: self.table.clone(), source })
    }
}

fn feature_type(cql_type: &CqlType<'_>) -> Option<ColumnType> {
    match cql_type {
        CqlType::Native(NativeType::Float) => Some(ColumnType::Float),
        CqlType::Native(NativeType::Double) => Some(ColumnType::Double),
        CqlType::Native(NativeType::Int) => Some(ColumnType::Int),
        CqlType::Native(NativeType::BigInt) => Some(ColumnType::Bigint),
        CqlType::Native(NativeType::Boolean) => Some(ColumnType::Boolean),
        _ => None,
    }
}

/// The type as CQL writes it, near enough to be recognised.
fn type_name(cql_type: &CqlType<'_>) -> String {
    match cql_type {
        CqlType::Native(native) => format!("{native:?}").to_lowercase(),
        other => format!("{other:?}"),
    }
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

/// The table's name with its keyspace's.
pub(super) fn qualified(settings: &ScyllaSettings) -> String {
    format!("{}.{}", quoted(&settings.keyspace), quoted(&settings.table))
}

/// An identifier as CQL takes it whatever its characters and their case.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
