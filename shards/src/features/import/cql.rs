//! Writes CSV to a cluster that speaks CQL, row by row: many at a time, in order from one
//! checkpoint to the next, so that an import that broke off can go on where it was.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlTimestamp, CqlValue};
use tokio::task::JoinSet;

use super::csv::{CsvError, CsvRows, Row};
use super::notes::ImportNote;
use super::options::{ImportObserver, ImportOptions, ImportProgress, OnBadRow};
use super::replication::Replication;
use crate::features::schema::{Schema, StoreColumn};
use crate::features::scylla::{
    KeyColumns, ScyllaError, ScyllaSettings, TableKey, TableSession, block_on, said,
};

/// How many rows lie between two checkpoints.
const CHECKPOINT_ROWS: usize = 2048;
/// How often a row is tried.
const ATTEMPTS_MAX: u32 = 6;
/// The pause after the first failed attempt; each further one doubles it.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// How rows are to be written to a cluster.
#[derive(Debug, Clone, Default)]
pub struct CqlImportOptions {
    /// Make the keyspace and the table where they are not there, copied like this.
    pub create: Option<Replication>,
    /// How many rows may be on their way at a time.
    pub concurrency: usize,
    /// The table's columns, by which those of the CSV are typed and ordered, where it is there.
    pub stored: Option<Schema>,
    /// A file that keeps how many rows are written: where it exists, the import goes on after
    /// them; when the import is done, it is removed.
    pub resume: Option<PathBuf>,
}

/// Why an import ended. What was written stays; importing it again writes the same.
#[derive(Debug, thiserror::Error)]
pub enum CqlImportError {
    /// The CSV can't be read, or a line is no row and that is fatal.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// The cluster can't be reached, or its table can't be written.
    #[error(transparent)]
    Scylla(#[from] ScyllaError),
    /// The table has other columns than the CSV.
    #[error("the table `{table}` has {found} and the import {expected}")]
    Columns {
        /// The table.
        table: String,
        /// The first of its columns that differs.
        found: String,
        /// What the CSV has there.
        expected: String,
    },
    /// The table cannot have these columns, or who asked for the import does not want them.
    #[error("{reason}")]
    Unwanted {
        /// Why not.
        reason: String,
    },
    /// A key is not of the type of the table's.
    #[error("line {line}: the key `{key}` is no key of the table, which has {expected}")]
    Key {
        /// The line, from 1.
        line: u64,
        /// The key.
        key: String,
        /// What a key has to be.
        expected: &'static str,
    },
    /// A row was refused again and again.
    #[error("after {rows} rows, a row was refused {ATTEMPTS_MAX} times: {reason}")]
    Refused {
        /// How many rows are written for certain.
        rows: u64,
        /// What the cluster said last.
        reason: String,
    },
    /// Tables are not emptied by an import.
    #[error(
        "--replace is for the embedded store: a table keeps its rows, and imported ones replace theirs"
    )]
    Replace,
    /// The file that keeps how far the import is can't be used.
    #[error("{path}: {reason}")]
    Resume {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Imports the rows of `input` to the table of `settings`. It blocks. An import that ends with an
/// error has written the rows before it, maybe.
pub fn import_cql(
    settings: &ScyllaSettings,
    addresses: Vec<SocketAddr>,
    input: impl Read,
    options: &ImportOptions,
    cql: &CqlImportOptions,
    observer: &mut dyn ImportObserver,
) -> Result<ImportProgress, CqlImportError> {
    if options.replace {
        return Err(CqlImportError::Replace);
    }
    let mut rows = CsvRows::open(input, &options.csv, cql.stored.as_ref())?;
    rows.header_notes().iter().for_each(|note| observer.noted(note));
    let work = async {
        let table = TableSession::connect(settings, addresses).await?;
        if let Some(replication) = &cql.create {
            let key = created_key(settings, options);
            table.create(rows.schema(), &key, &replication.to_string()).await?;
        }
        let (stored, key) = table.describe().await?;
        compare_keys(settings, &key, &options.csv.key_columns)?;
        let added = compare(settings, &stored, rows.schema())?;
        let wanted = observer.columns_change(Some(&stored), &with_columns(&stored, &added)?);
        wanted.map_err(|reason| CqlImportError::Unwanted { reason })?;
        if !added.is_empty() {
            let kept = stored.columns().len() + added.len() - rows.schema().columns().len();
            let added_names = added.iter().map(|column| column.name.clone()).collect();
            observer.noted(&ImportNote::Merged { added: added_names, kept });
            table.add_columns(&added).await?;
        }
        let insert = table.prepare_insert(rows.schema(), &key.names).await?;
        let (session, concurrency) = (table.into_session(), cql.concurrency.max(1));
        let writer = Writer { session, insert, key: key.key, concurrency };
        writer.write(&mut rows, options, cql.resume.as_deref(), observer).await
    };
    block_on(settings, work)?
}

/// The columns of the key of a table that is made: those of the CSV, where they are named.
fn created_key(settings: &ScyllaSettings, options: &ImportOptions) -> Vec<String> {
    let given = &options.csv.key_columns;
    if !settings.key_column.is_empty() {
        return vec![settings.key_column.clone()];
    }
    if given.is_empty() { vec![ScyllaSettings::default().key_column] } else { given.clone() }
}

/// Refuses a key of several columns that are not those of the table's, in its order.
fn compare_keys(
    settings: &ScyllaSettings,
    key: &KeyColumns,
    given: &[String],
) -> Result<(), CqlImportError> {
    let count = given.len().max(1);
    if key.names.len() == count && (count == 1 || key.names == given) {
        return Ok(());
    }
    let reason = format!(
        "the key of the table `{}` is ({}), and --key says ({}): name its columns in its order",
        settings.table,
        key.names.join(", "),
        given.join(", ")
    );
    Err(CqlImportError::Unwanted { reason })
}

/// The columns that the table lacks. Those that it has are of the CSV's types, or it is refused.
fn compare<'a>(
    settings: &ScyllaSettings,
    stored: &Schema,
    given: &'a Schema,
) -> Result<Vec<&'a StoreColumn>, CqlImportError> {
    let (mut added, known) = (Vec::new(), stored.positions());
    for column in given.columns() {
        let found = known.get(&*column.name).map(|at| stored.columns()[*at].column_type);
        let found = match (found, stored.unread_type(&column.name)) {
            (Some(found), _) if found == column.column_type => continue,
            (Some(found), _) => found.to_string(),
            (None, Some(found)) => found.to_owned(),
            (None, None) => {
                added.push(column);
                continue;
            }
        };
        return Err(CqlImportError::Columns {
            table: settings.table.clone(),
            found: format!("`{}` as {found}", column.name),
            expected: format!("has it as {}", column.column_type),
        });
    }
    Ok(added)
}

/// The table's columns with those that are added.
fn with_columns(stored: &Schema, added: &[&StoreColumn]) -> Result<Schema, CqlImportError> {
    let columns = stored.columns().iter().chain(added.iter().copied()).cloned().collect();
    Schema::new(columns).map_err(|error| CqlImportError::Unwanted { reason: error.to_string() })
}

struct Writer {
    session: Session,
    insert: PreparedStatement,
    key: TableKey,
    concurrency: usize,
}

impl Writer {
    async fn write<R: Read>(
        self,
        rows: &mut CsvRows<R>,
        options: &ImportOptions,
        resume: Option<&Path>,
        observer: &mut dyn ImportObserver,
    ) -> Result<ImportProgress, CqlImportError> {
        let start = Instant::now();
        let writer = Arc::new(self);
        let done = resume.map_or(Ok(0), written_before)?;
        let mut progress = ImportProgress::default();
        let mut pending = JoinSet::new();
        loop {
            let ended = match rows.read() {
                Ok(None) => true,
                Ok(Some(row)) => {
                    progress.rows += 1;
                    progress.bytes = row.bytes_read;
                    if progress.rows > done {
                        // The last row of a key is the one that stays, so it is written last.
                        let room = if row.is_repeated { 1 } else { writer.concurrency };
                        while pending.len() >= room {
                            join_one(&mut pending, progress.rows).await?;
                        }
                        let values = values(&row, &writer.key)?;
                        pending.spawn(Arc::clone(&writer).put(values));
                    }
                    false
                }
                Err(CsvError::Row(error)) if options.on_bad_row == OnBadRow::Skip => {
                    progress.skipped += 1;
                    observer.skipped(&error);
                    false
                }
                Err(error) => return Err(error.into()),
            };
            if ended || progress.rows.is_multiple_of(CHECKPOINT_ROWS as u64) {
                while !pending.is_empty() {
                    join_one(&mut pending, progress.rows).await?;
                }
                if let Some(path) = resume {
                    keep(path, (!ended).then_some(progress.rows))?;
                }
                progress.elapsed = start.elapsed();
                observer.progress(progress);
            }
            if ended {
                rows.notes().iter().for_each(|note| observer.noted(note));
                return Ok(progress);
            }
        }
    }

    /// Writes a row, again and again where it fails; says what the cluster said last.
    async fn put(self: Arc<Self>, values: Vec<Option<CqlValue>>) -> Result<(), String> {
        let mut pause = PAUSE_FIRST;
        let mut attempt = 1;
        loop {
            match self.session.execute_unpaged(&self.insert, &values).await {
                Ok(_) => return Ok(()),
                Err(error) if attempt == ATTEMPTS_MAX => return Err(said(&error)),
                Err(_) => tokio::time::sleep(pause).await,
            }
            attempt += 1;
            pause *= 2;
        }
    }
}

async fn join_one(
    pending: &mut JoinSet<Result<(), String>>,
    rows: u64,
) -> Result<(), CqlImportError> {
    let refused = |reason| CqlImportError::Refused {
        rows: rows.saturating_sub(1) / CHECKPOINT_ROWS as u64 * CHECKPOINT_ROWS as u64,
        reason,
    };
    match pending.join_next().await {
        Some(Ok(Err(reason))) => Err(refused(reason)),
        Some(Err(error)) => Err(refused(error.to_string())),
        Some(Ok(Ok(()))) | None => Ok(()),
    }
}

/// The values of a row's statement.
fn values(row: &Row<'_>, key: &TableKey) -> Result<Vec<Option<CqlValue>>, CqlImportError> {
    let parts = key.values(row.key).ok_or_else(|| CqlImportError::Key {
        line: row.line,
        key: String::from_utf8_lossy(row.key).into_owned(),
        expected: key.expected_of(row.key),
    })?;
    let last_updated = CqlTimestamp(row.last_updated_us.div_euclid(1000));
    let mut values = Vec::with_capacity(row.cells.len() + parts.len() + 1);
    values.extend(parts.into_iter().map(Some));
    values.push(Some(CqlValue::Timestamp(last_updated)));
    values.extend(row.cells.iter().map(|cell| cell.to_cql()));
    Ok(values)
}

/// How many rows an import that broke off has written.
fn written_before(path: &Path) -> Result<u64, CqlImportError> {
    let failed = |reason: String| CqlImportError::Resume { path: path.to_owned(), reason };
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|_| failed(format!("`{text}` is not a number"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Keeps how many rows are written; `None` when all are.
fn keep(path: &Path, rows: Option<u64>) -> Result<(), CqlImportError> {
    let kept = match rows {
        Some(rows) => {
            // Renamed into place: a reader sees the number before or the number after.
            let next = path.with_extension("next");
            std::fs::write(&next, rows.to_string()).and_then(|()| std::fs::rename(&next, path))
        }
        None => match std::fs::remove_file(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        },
    };
    kept.map_err(|error| CqlImportError::Resume {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
