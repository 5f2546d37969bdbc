//! Why a cluster can't serve a model's features.

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
        expected: &'static str,
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
