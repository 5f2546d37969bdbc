//! Why a cluster can't serve a model's features.

use super::settings::ScyllaSettings;
use crate::escape;
use crate::features::column::ColumnType;

/// How much is shown of what a cluster says, in bytes.
const SAID_BYTES_MAX: usize = 1_000;

/// What the driver says, with what a node said in it: escaped, and cut where that has no end.
pub(crate) fn said(error: &impl std::fmt::Display) -> String {
    escape::excerpt(error.to_string().as_bytes(), SAID_BYTES_MAX)
}

/// Why a cluster can't serve a model's features, found at start; later faults only change the
/// status of rows.
#[derive(Debug, thiserror::Error)]
pub enum ScyllaError {
    /// A setting is wrong.
    #[error("[features.scylla] {setting}: {reason}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The runtime that the driver needs can't be made.
    #[error("the CQL driver's runtime: {0}")]
    Runtime(#[from] std::io::Error),
    /// No contact point answers.
    #[error("no node answers at {contact_points}: {reason}")]
    Connect {
        /// The nodes that were asked.
        contact_points: String,
        /// What the last of them said.
        reason: String,
    },
    /// The user name or the password is wrong, or there is none where one is needed.
    #[error("{contact_points} refuse the user {user}: {reason}")]
    Credentials {
        /// The nodes that were asked.
        contact_points: String,
        /// The user name, or that there is none.
        user: String,
        /// What the node said.
        reason: String,
    },
    /// There is no encrypted connection: a certificate is not trusted, or not there.
    #[error("no encrypted connection to {contact_points}: {reason}")]
    Tls {
        /// The nodes that were asked.
        contact_points: String,
        /// What the last of them said, or what is wrong with its certificate.
        reason: String,
    },
    /// The keyspace does not exist.
    #[error("there is no keyspace `{keyspace}` at {contact_points}")]
    NoKeyspace {
        /// The nodes that were asked.
        contact_points: String,
        /// The keyspace.
        keyspace: String,
    },
    /// The table does not exist.
    #[error("there is no table `{table}` in the keyspace `{keyspace}`")]
    NoTable {
        /// The keyspace.
        keyspace: String,
        /// The table.
        table: String,
    },
    /// The name is a materialized view's.
    #[error(
        "`{table}` is a materialized view of the table `{base}`, and views are not read: name a \
         table whose primary key is the users' key alone"
    )]
    View {
        /// The view.
        table: String,
        /// The table that it is made from.
        base: String,
    },
    /// The column that holds the users' keys is not the partition key.
    #[error(
        "the partition key of the table `{table}` is ({}), and `key_column` says `{column}`: users \
         are looked up by the whole partition key, not by an index or a part of it. Name that \
         column; where it has several, set `key_column = \"\"` and name an entity's `key` fields in \
         model.toml, one for each",
        partition_key.join(", ")
    )]
    PartitionKey {
        /// The table.
        table: String,
        /// The column that is to be the key.
        column: String,
        /// The columns that are.
        partition_key: Vec<String>,
    },
    /// A key has many rows, and nothing says which of them is meant.
    #[error(
        "the table `{table}` has the clustering columns ({}) beside the key `{key}`: a key may \
         have many rows there, and the gateway reads one. Set `latest_by = \"{}\"` for the row with \
         its greatest value, or name a table whose primary key is `{key}` alone",
        clustering.join(", "),
        clustering.first().map_or("", String::as_str)
    )]
    Clustering {
        /// The table.
        table: String,
        /// The column that holds the users' keys.
        key: String,
        /// The clustering columns, in order.
        clustering: Vec<String>,
    },
    /// `latest_by` does not say which row of a key is meant.
    #[error(
        "`latest_by` of the table `{table}` is `{column}`, and its clustering columns are ({}): it \
         has to be the first of them, by which the rows of a key are ordered",
        clustering.join(", ")
    )]
    LatestBy {
        /// The table.
        table: String,
        /// The column that `latest_by` names.
        column: String,
        /// The clustering columns, in order.
        clustering: Vec<String>,
    },
    /// A table that is to be Feast's is none.
    #[error(
        "`layout = \"feast\"`: the primary key of the table `{table}` is {found}, and tables of \
         Feast have ((entity_key), feature_name)"
    )]
    NotFeast {
        /// The table.
        table: String,
        /// Its primary key.
        found: String,
    },
    /// A table with many rows of a key is to be written.
    #[error(
        "the table `{table}` has many rows of a key, and the gateway writes tables that have one: \
         write it as it is written now"
    )]
    ManyRows {
        /// The table.
        table: String,
    },
    /// A table of Feast is to be written.
    #[error(
        "the table `{table}` is written by Feast: `feast materialize` does that, and no import"
    )]
    FeastReadOnly {
        /// The table.
        table: String,
    },
    /// A feature in a table of Feast is of another type than the settings say.
    #[error(
        "the feature `{feature}` of the table `{table}` is {found}, and `columns` says {expected}"
    )]
    FeastValue {
        /// The table.
        table: String,
        /// The feature.
        feature: String,
        /// Its type, as Feast names it.
        found: String,
        /// The type that it is to have.
        expected: ColumnType,
    },
    /// The user may not read the table.
    #[error(
        "Unauthorized: the user {user} may not read the table `{table}`: {reason}. \
         GRANT SELECT ON {table} TO the user's role"
    )]
    Unauthorized {
        /// The table, with its keyspace.
        table: String,
        /// The user name, or that there is none.
        user: String,
        /// What the cluster said.
        reason: String,
    },
    /// The cluster is there, and gives no rows.
    #[error("no node answers a SELECT from the table `{table}` within {waited_ms} ms: {reason}")]
    Unanswered {
        /// The table, with its keyspace.
        table: String,
        /// How long it was asked, in milliseconds.
        waited_ms: u64,
        /// What was said last.
        reason: String,
    },
    /// The table has no such column.
    #[error("the table `{table}` has no column `{column}`; it has {}", available.join(", "))]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The columns that it has.
        available: Vec<String>,
    },
    /// A column's type can't be read.
    #[error("column `{column}` of the table `{table}` is {found}, and has to be {expected}")]
    ColumnType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The types that can be read.
        expected: String,
    },
    /// The columns can't form a schema.
    #[error("the table `{table}`: {source}")]
    Schema {
        /// The table.
        table: String,
        /// What is wrong.
        source: crate::features::schema::SchemaError,
    },
    /// A statement was refused.
    #[error("`{statement}` was refused: {reason}")]
    Statement {
        /// The statement.
        statement: String,
        /// What the cluster said.
        reason: String,
    },
}

/// The driver wraps what went wrong in what it was doing, level by level.
const WRAPPINGS: [&str; 3] = ["reason: ", "Last connection failed with: ", "the frame header: "];
/// Words of a node that refuses a user.
const CREDENTIALS: [&str; 2] = ["uthenticat", "credentials"];
/// Words of a node, and of what checks its certificate, when nothing can be encrypted.
const ENCRYPTION: [&str; 3] = ["certificate", "fatal alert", "corrupt message"];

impl ScyllaError {
    /// Whether it is about what the table is like: it is there, and no row of it may be read.
    pub(super) fn is_about_table(&self) -> bool {
        matches!(
            self,
            Self::View { .. }
                | Self::PartitionKey { .. }
                | Self::Clustering { .. }
                | Self::LatestBy { .. }
                | Self::NotFeast { .. }
                | Self::FeastValue { .. }
                | Self::NoColumn { .. }
                | Self::ColumnType { .. }
                | Self::Schema { .. }
        )
    }

    /// What the driver said, in `text`, of a session that could not be made.
    pub(super) fn of_connecting(settings: &ScyllaSettings, text: &str) -> Self {
        let unwrapped = WRAPPINGS
            .iter()
            .fold(text, |text, wrapping| text.rsplit(wrapping).next().unwrap_or(text));
        let (contact_points, reason) = (settings.contact_points.join(", "), said(&unwrapped));
        let says = |words: &[&str]| words.iter().any(|word| unwrapped.contains(word));
        if says(&CREDENTIALS) {
            Self::Credentials { contact_points, user: user_of(settings), reason }
        } else if settings.tls.is_some() && says(&ENCRYPTION) {
            Self::Tls { contact_points, reason }
        } else {
            Self::Connect { contact_points, reason }
        }
    }
}

/// The user that a session logs in as, for people.
pub(super) fn user_of(settings: &ScyllaSettings) -> String {
    settings.user.as_ref().map_or_else(|| "(none given)".to_owned(), |user| format!("`{user}`"))
}
