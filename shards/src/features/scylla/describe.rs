//! What the cluster says of a table, and whether shards can read it: its key and its columns.
//!
//! The answer comes from `system_schema`, where every role may look, and not from the driver's
//! own metadata: the driver gives up a whole keyspace for one type that it can't parse.

use std::fmt::Display;

use scylla::client::session::Session;
use scylla::response::query_result::QueryRowsResult;

use super::error::ScyllaError;
use super::feast::{self, FeastKey};
use super::keys::KeyType;
use super::session::prepare;
use super::settings::{ScyllaSettings, TableLayout};
use super::table_key::{KeyColumns, TableKey};
use crate::features::column::ColumnType;
use crate::features::schema::{Schema, StoreColumn, UnreadColumn};

/// What a column is to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ColumnKind {
    PartitionKey,
    Clustering,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TableColumn {
    name: String,
    kind: ColumnKind,
    /// Where it stands in the key it is part of.
    position: i32,
    /// As CQL writes it.
    cql_type: String,
    /// Whether rows of a partition lie from its greatest value to its least.
    is_descending: bool,
}

/// Which of the rows that a key has is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum RowChoice {
    /// It has one.
    #[default]
    Only,
    /// The first, by the table's own order.
    First,
    /// The last by this clustering column: the table's own order is the other way.
    LastBy(String),
    /// All of them: each is a feature.
    All,
}

/// The columns of a table: those of its key in the key's order, then the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableDescription {
    table: String,
    columns: Vec<TableColumn>,
}

impl TableDescription {
    /// Asks the cluster.
    pub(super) async fn fetch(
        session: &Session,
        settings: &ScyllaSettings,
    ) -> Result<Self, ScyllaError> {
        let (keyspace, name) = (literal(&settings.keyspace), literal(&settings.table));
        let columns = format!(
            "SELECT column_name, kind, position, type, clustering_order FROM system_schema.columns \
             WHERE keyspace_name = {keyspace} AND table_name = {name}"
        );
        let answer = ask(session, &columns).await?;
        let found = rows(&columns, answer.rows::<(String, String, i32, String, String)>())?;
        let columns = found.into_iter().map(|(name, kind, position, cql_type, order)| {
            let kind = match kind.as_str() {
                "partition_key" => ColumnKind::PartitionKey,
                "clustering" => ColumnKind::Clustering,
                _ => ColumnKind::Other,
            };
            let is_descending = order.eq_ignore_ascii_case("desc");
            TableColumn { name, kind, position, cql_type, is_descending }
        });
        let mut columns: Vec<_> = columns.collect();
        // As `SELECT *` has them: the key in its order, then the others by name.
        columns.sort_by_key(|column| (column.kind, column.position));
        let views = format!(
            "SELECT base_table_name FROM system_schema.views \
             WHERE keyspace_name = {keyspace} AND view_name = {name}"
        );
        let answer = ask(session, &views).await?;
        let views = rows(&views, answer.rows::<(String,)>())?;
        let table = settings.table.clone();
        if let Some((base,)) = views.into_iter().next() {
            return Err(ScyllaError::View { table, base });
        }
        if columns.is_empty() {
            return Err(absent(session, settings).await?);
        }
        Ok(Self { table, columns })
    }

    /// The columns of the key, where a key is all that a row is found by.
    pub(super) fn check_key(&self, settings: &ScyllaSettings) -> Result<KeyColumns, ScyllaError> {
        if settings.layout == TableLayout::Feast {
            return self.check_feast_key(settings);
        }
        let key = &settings.key_column;
        let partition_key = self.key_part(ColumnKind::PartitionKey);
        if !key.is_empty() {
            self.find(key)?;
            if partition_key != [key.as_str()] {
                return Err(ScyllaError::PartitionKey {
                    table: self.table.clone(),
                    column: key.clone(),
                    partition_key: partition_key.into_iter().map(str::to_owned).collect(),
                });
            }
        }
        let names: Vec<_> = partition_key.into_iter().map(str::to_owned).collect();
        let types = names.iter().map(|name| self.key_type(name));
        let types = types.collect::<Result<Vec<_>, ScyllaError>>()?;
        Ok(KeyColumns { names, key: TableKey::of(types) })
    }

    fn key_type(&self, name: &str) -> Result<KeyType, ScyllaError> {
        let found = self.find(name)?;
        let key_type = KeyType::named(&found.cql_type);
        self.expect(found, KeyType::WORDS, key_type.is_some())?;
        Ok(key_type.unwrap_or_default())
    }

    /// The same of a table that Feast made: its columns are known.
    fn check_feast_key(&self, settings: &ScyllaSettings) -> Result<KeyColumns, ScyllaError> {
        for (name, expected) in feast::COLUMNS {
            let found = self.find(name)?;
            let is_text = expected == "text" && found.cql_type == "varchar";
            self.expect(found, expected, found.cql_type == expected || is_text)?;
        }
        let (partition_key, clustering) =
            (self.key_part(ColumnKind::PartitionKey), self.key_part(ColumnKind::Clustering));
        if partition_key != [feast::ENTITY_KEY] || clustering != [feast::FEATURE_NAME] {
            return Err(ScyllaError::NotFeast {
                table: self.table.clone(),
                found: self.primary_key(),
            });
        }
        let key = FeastKey::of(settings)?;
        Ok(KeyColumns { names: vec![feast::ENTITY_KEY.to_owned()], key: TableKey::Feast(key) })
    }

    /// Which row of a key's is read; a table where it has many needs `latest_by` to say so.
    pub(super) fn row_choice(&self, settings: &ScyllaSettings) -> Result<RowChoice, ScyllaError> {
        if settings.layout == TableLayout::Feast {
            return Ok(RowChoice::All);
        }
        let clustering = self.key_part(ColumnKind::Clustering);
        let names = || clustering.iter().map(|name| (*name).to_owned()).collect();
        match (clustering.first(), &settings.latest_by) {
            (None, None) => Ok(RowChoice::Only),
            (Some(first), Some(by)) if by == first => {
                let is_descending = self.find(by)?.is_descending;
                let last = || RowChoice::LastBy(by.clone());
                Ok(if is_descending { RowChoice::First } else { last() })
            }
            (Some(_), None) => Err(ScyllaError::Clustering {
                table: self.table.clone(),
                key: self.key_part(ColumnKind::PartitionKey).join(", "),
                clustering: names(),
            }),
            (_, Some(by)) => Err(ScyllaError::LatestBy {
                table: self.table.clone(),
                column: by.clone(),
                clustering: names(),
            }),
        }
    }

    /// The primary key, as CQL writes it.
    fn primary_key(&self) -> String {
        let partition_key = self.key_part(ColumnKind::PartitionKey).join(", ");
        let clustering = self.key_part(ColumnKind::Clustering);
        let clustering = clustering.into_iter().map(|name| format!(", {name}"));
        format!("(({partition_key}){})", clustering.collect::<String>())
    }

    /// Whether there is a column that says when a row was written.
    pub(super) fn check_last_updated(
        &self,
        settings: &ScyllaSettings,
    ) -> Result<bool, ScyllaError> {
        if settings.layout == TableLayout::Feast {
            return Ok(true);
        }
        if settings.last_updated_column.is_empty() {
            return Ok(false);
        }
        let found = self.find(&settings.last_updated_column)?;
        self.expect(found, "timestamp", found.cql_type == "timestamp")?;
        Ok(true)
    }

    /// The feature columns: those that the settings name, or all that are nothing else and can be
    /// read. What can't be is named beside them, for models that ask for it.
    pub(super) fn features(&self, settings: &ScyllaSettings) -> Result<Schema, ScyllaError> {
        let (columns, unread) = if settings.layout == TableLayout::Feast {
            (feast::features(settings)?, Vec::new())
        } else if settings.columns.is_empty() {
            self.all_features(settings)
        } else {
            (self.named_features(settings)?, Vec::new())
        };
        let schema = Schema::new(columns)
            .map_err(|source| ScyllaError::Schema { table: self.table.clone(), source })?;
        let key_parts = match settings.layout {
            TableLayout::Feast => settings.join_keys.len(),
            TableLayout::Columns => self.key_part(ColumnKind::PartitionKey).len(),
        };
        Ok(schema.with_unread(unread).with_key_parts(key_parts))
    }

    fn all_features(&self, settings: &ScyllaSettings) -> (Vec<StoreColumn>, Vec<UnreadColumn>) {
        let is_feature = |column: &&TableColumn| {
            column.kind != ColumnKind::PartitionKey && column.name != settings.last_updated_column
        };
        let (mut columns, mut unread) = (Vec::new(), Vec::new());
        for column in self.columns.iter().filter(is_feature) {
            let name = column.name.clone();
            match feature_type(&column.cql_type) {
                Some(column_type) => columns.push(StoreColumn { name, column_type }),
                None => unread.push(UnreadColumn { name, found: column.cql_type.clone() }),
            }
        }
        (columns, unread)
    }

    fn named_features(&self, settings: &ScyllaSettings) -> Result<Vec<StoreColumn>, ScyllaError> {
        let named = settings.columns.iter().map(|name| {
            let found = self.find(name)?;
            let column_type = feature_type(&found.cql_type);
            self.expect(found, &ColumnType::words(), column_type.is_some())?;
            Ok(StoreColumn { name: name.clone(), column_type: column_type.unwrap_or_default() })
        });
        named.collect()
    }

    fn find(&self, name: &str) -> Result<&TableColumn, ScyllaError> {
        let found = self.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| ScyllaError::NoColumn {
            table: self.table.clone(),
            column: name.to_owned(),
            available: self.columns.iter().map(|column| column.name.clone()).collect(),
        })
    }

    fn expect(&self, column: &TableColumn, expected: &str, fits: bool) -> Result<(), ScyllaError> {
        if fits {
            return Ok(());
        }
        Err(ScyllaError::ColumnType {
            table: self.table.clone(),
            column: column.name.clone(),
            found: column.cql_type.clone(),
            expected: expected.to_owned(),
        })
    }

    /// The columns of one part of the key, in its order.
    fn key_part(&self, kind: ColumnKind) -> Vec<&str> {
        let part = self.columns.iter().filter(|column| column.kind == kind);
        part.map(|column| column.name.as_str()).collect()
    }
}

/// Why a table without columns is none.
async fn absent(session: &Session, settings: &ScyllaSettings) -> Result<ScyllaError, ScyllaError> {
    let keyspaces = format!(
        "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = {}",
        literal(&settings.keyspace)
    );
    let answer = ask(session, &keyspaces).await?;
    let keyspaces = rows(&keyspaces, answer.rows::<(String,)>())?;
    let keyspace = settings.keyspace.clone();
    Ok(if keyspaces.is_empty() {
        ScyllaError::NoKeyspace { contact_points: settings.contact_points.join(", "), keyspace }
    } else {
        ScyllaError::NoTable { keyspace, table: settings.table.clone() }
    })
}

async fn ask(session: &Session, statement: &str) -> Result<QueryRowsResult, ScyllaError> {
    let prepared = prepare(session, statement.to_owned()).await?;
    let answer = session.execute_unpaged(&prepared, ()).await;
    let answer = answer.map_err(|error| refused(statement, &error))?;
    answer.into_rows_result().map_err(|error| refused(statement, &error))
}

/// A text as CQL takes it whatever its characters.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn rows<Row, E: Display>(
    statement: &str,
    rows: Result<impl Iterator<Item = Result<Row, impl Display>>, E>,
) -> Result<Vec<Row>, ScyllaError> {
    let rows = rows.map_err(|error| refused(statement, &error))?;
    rows.collect::<Result<_, _>>().map_err(|error| refused(statement, &error))
}

fn refused(statement: &str, error: &dyn Display) -> ScyllaError {
    ScyllaError::Statement { statement: statement.to_owned(), reason: error.to_string() }
}

fn feature_type(cql_type: &str) -> Option<ColumnType> {
    match cql_type {
        "ascii" | "varchar" => Some(ColumnType::Text),
        "timeuuid" => Some(ColumnType::Uuid),
        _ => cql_type.parse().ok(),
    }
}
