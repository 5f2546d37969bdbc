//! The store that a command is about, and how it is reached.

use std::path::{Path, PathBuf};

use clap::Args;
use shards::escape::Escaped;
use shards::features::address::StoreAddress;
use shards::features::embedded::{EmbeddedError, EmbeddedStore, TableName};
use shards::features::entities::Entity;
use shards::features::schema::Schema;
use shards::features::scylla::{ScyllaSettings, find_table};
use shards::features::stored::StoredRow;

use crate::config::read_scylla;
use crate::output::complain;
use crate::serve::features::EXPOSED_PASSWORD;

/// The store that a command is about.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The store: `embedded:DIR`, or `scylla://HOST:PORT[,HOST:PORT...]/KEYSPACE`.
    #[arg(long, env = "SHARDGATE_STORE")]
    pub(crate) store: StoreAddress,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// How a cluster is reached.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// The table [default: that of the users; of a scylla:// store `user_profiles`].
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The configuration file, for what its [features.scylla] says of tables and of the cluster.
    #[arg(
        long,
        env = "SHARDGATE_CONFIG",
        value_name = "FILE",
        help_heading = "Options for scylla://"
    )]
    config: Option<PathBuf>,
    /// The user name; the password comes from the environment or from a file.
    #[arg(long, env = "SHARDGATE_CQL_USER", help_heading = "Options for scylla://")]
    user: Option<String>,
    /// The password of `--user`.
    #[arg(
        long,
        env = "SHARDGATE_CQL_PASSWORD",
        hide_env_values = true,
        requires = "user",
        help_heading = "Options for scylla://"
    )]
    password: Option<String>,
    /// A file that holds the password of `--user` in its one line.
    #[arg(
        long,
        env = "SHARDGATE_CQL_PASSWORD_FILE",
        value_name = "FILE",
        requires = "user",
        conflicts_with = "password",
        help_heading = "Options for scylla://"
    )]
    password_file: Option<PathBuf>,
}

impl StoreArguments {
    /// The table of a cluster, or the folder of an embedded store and the table in it. Warns of a password that others
    /// may read.
    pub(crate) fn place(&self) -> anyhow::Result<StorePlace> {
        self.cluster.place(&self.store)
    }

    /// The table, where one is named.
    pub(crate) fn table(&self) -> Option<&str> {
        self.cluster.table.as_deref()
    }

    /// As [`Self::place`], of the table of an entity.
    pub(crate) fn place_of(&self, entity: Option<&Entity>) -> anyhow::Result<StorePlace> {
        match entity {
            Some(entity) => self.cluster.table_place(&self.store, entity.table.as_deref()),
            None => self.place(),
        }
    }
}

impl ClusterArguments {
    /// As [`StoreArguments::place`], of a store that is named elsewhere.
    pub(crate) fn place(&self, store: &StoreAddress) -> anyhow::Result<StorePlace> {
        self.table_place(store, self.table.as_deref())
    }

    fn table_place(&self, store: &StoreAddress, table: Option<&str>) -> anyhow::Result<StorePlace> {
        let (contact_points, keyspace) = match store {
            StoreAddress::Embedded(folder) => {
                let table = table.map(str::parse).transpose()?;
                return Ok(StorePlace::Folder(folder.clone(), table));
            }
            StoreAddress::Scylla { contact_points, keyspace } => (contact_points, keyspace),
        };
        let mut settings = self.config.as_deref().map(read_scylla).transpose()?.unwrap_or_default();
        settings.contact_points.clone_from(contact_points);
        settings.keyspace.clone_from(keyspace);
        if self.user.is_some() {
            settings.user.clone_from(&self.user);
            settings.password = self.password.clone().map(Into::into);
            settings.password_file.clone_from(&self.password_file);
        }
        if let Some(table) = table {
            settings = settings.of_table(table);
        }
        if let Some(file) = settings.exposed_password_file() {
            complain!("{}: {EXPOSED_PASSWORD}", Escaped(file.display()));
        }
        Ok(StorePlace::Table(Box::new(settings)))
    }
}

/// Where a store is.
#[derive(Debug)]
pub(crate) enum StorePlace {
    /// In the folder of an embedded store, in this table or the default one.
    Folder(PathBuf, Option<TableName>),
    /// In the table of a cluster.
    Table(Box<ScyllaSettings>),
}

impl StorePlace {
    /// The columns of the store; `None` where there is none.
    pub(crate) fn schema(&self) -> anyhow::Result<Option<Schema>> {
        match self {
            Self::Table(settings) => Ok(find_table(settings, settings.resolve()?)?),
            Self::Folder(folder, table) => match open(folder, table.as_ref()) {
                Err(error) if error.is_absent() => Ok(None),
                opened => Ok(opened?.schema()?),
            },
        }
    }

    /// What the store has of a key; `None` where it has nothing.
    pub(crate) fn row(&self, key: &str) -> anyhow::Result<Option<StoredRow>> {
        match self {
            Self::Table(settings) => Ok(StoredRow::in_table(settings, settings.resolve()?, key)?),
            Self::Folder(folder, table) => {
                Ok(StoredRow::embedded(&open(folder, table.as_ref())?, key)?)
            }
        }
    }
}

fn open(folder: &Path, table: Option<&TableName>) -> Result<EmbeddedStore, EmbeddedError> {
    EmbeddedStore::open_table(folder, table)
}
