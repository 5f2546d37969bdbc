//! `shardgate import`: rows of CSV into a feature store.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shards::escape::Escaped;
use shards::features::address::StoreAddress;
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{
    CqlImportOptions, CsvOptions, ImportNote, ImportObserver, ImportOptions, ImportProgress,
    OnBadRow, Replication, RowError, import_cql, import_embedded, now_us,
};
use shards::features::scylla::ScyllaSettings;

use crate::output::{complain, say};
use crate::serve::features::EXPOSED_PASSWORD;

/// How many skipped lines are named; the rest are only counted.
const SKIPPED_SHOWN_MAX: u64 = 20;

/// Imports rows of CSV into a feature store; a gateway may serve from it meanwhile.
///
/// Into the embedded store all rows are imported or none: the store is one file, DIR/features.store,
/// which an import writes anew beside the old one and renames into its place. It takes the disk space
/// of one more copy until then, and some 50 bytes of memory a row. While a gateway serves from the
/// file it may be read, copied elsewhere, and replaced by renaming another one over it (`mv`); it must
/// not be written, cut, or copied onto (`cp`): rows are then answered as `error` until it is whole
/// again.
///
/// A cluster gets them one after the other, and an import that broke off can be run again, with
/// --resume from where it was.
///
/// The header names the columns, each with its type where it is not float: `user_id,income,
/// age:int,score:double`. Types are float, double, int, bigint and boolean; an empty cell is null,
/// and so are NA, NaN, null, None and `\N`. Columns may be separated by commas, semicolons or tabs.
/// Of a key that occurs more than once the last row counts. A column `last_updated` holds RFC 3339
/// times or milliseconds since 1970.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The CSV file, `-` for the standard input.
    file: PathBuf,
    /// The store: `embedded:DIR`, made where it does not exist, or
    /// `scylla://HOST:PORT[,HOST:PORT...]/KEYSPACE`.
    #[arg(long, env = "SHARDGATE_STORE")]
    store: StoreAddress,
    /// The column that holds the users' keys; where it is not given the one called `user_id`, else
    /// the first one, which is said.
    #[arg(long)]
    key_column: Option<String>,
    /// What to do with a line that is no row.
    #[arg(long, value_enum, default_value_t = OnError::Fatal)]
    on_error: OnError,
    /// Remove the store's rows first; its columns may then change.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// What is asked of a cluster only.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options for scylla://")]
struct ClusterArguments {
    /// The table.
    #[arg(long, default_value = "user_profiles")]
    table: String,
    /// Make the keyspace and the table where they are not there.
    #[arg(long)]
    create: bool,
    /// The copies of a keyspace that is made, by datacenter: `dc1=3` or `dc1=3,dc2=2`.
    #[arg(long, requires = "create", conflicts_with = "dev")]
    replication: Option<Replication>,
    /// One copy, anywhere, of a keyspace that is made: for trying things out.
    #[arg(long, requires = "create")]
    dev: bool,
    /// The user name; the password comes from the environment or from a file.
    #[arg(long, env = "SHARDGATE_CQL_USER")]
    user: Option<String>,
    /// The password of `--user`.
    #[arg(long, env = "SHARDGATE_CQL_PASSWORD", hide_env_values = true, requires = "user")]
    password: Option<String>,
    /// A file that holds the password of `--user` in its one line.
    #[arg(
        long,
        env = "SHARDGATE_CQL_PASSWORD_FILE",
        value_name = "FILE",
        requires = "user",
        conflicts_with = "password"
    )]
    password_file: Option<PathBuf>,
    /// How many rows are on their way at a time.
    #[arg(long, default_value_t = 128)]
    concurrency: usize,
    /// A file that keeps how far the import is; where it exists, the import goes on from there.
    #[arg(long)]
    resume: Option<PathBuf>,
}

impl ClusterArguments {
    fn options(&self) -> anyhow::Result<CqlImportOptions> {
        ensure!(
            !self.create || self.dev || self.replication.is_some(),
            "--create needs --replication, for example dc1=3, or --dev"
        );
        let replication = self.replication.clone().unwrap_or(Replication::Single);
        Ok(CqlImportOptions {
            create: self.create.then_some(replication),
            concurrency: self.concurrency,
            resume: self.resume.clone(),
        })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnError {
    /// Report it and go on.
    Skip,
    /// End the import and leave the store as it was.
    Fatal,
}

/// Runs the import and prints one line that says what was imported.
pub(crate) fn run(arguments: ImportArguments) -> anyhow::Result<()> {
    let options = ImportOptions {
        csv: CsvOptions { key_column: arguments.key_column, last_updated_us: now_us() },
        on_bad_row: match arguments.on_error {
            OnError::Skip => OnBadRow::Skip,
            OnError::Fatal => OnBadRow::Fatal,
        },
        replace: arguments.replace,
    };
    let name = arguments.file.display().to_string();
    let (input, total_bytes) = open(&arguments.file)?;
    let mut observer = Observer::new(total_bytes);
    let imported = match &arguments.store {
        StoreAddress::Embedded(folder) => {
            let store = EmbeddedStore::open_or_create(folder)?;
            if store.is_being_imported() {
                let folder = Escaped(folder.display());
                complain!("{folder}: another import is under way: waiting for its end");
            }
            import_embedded(&store, input, &options, &mut observer).map_err(anyhow::Error::from)
        }
        StoreAddress::Scylla { contact_points, keyspace } => {
            let cluster = &arguments.cluster;
            let settings = ScyllaSettings {
                contact_points: contact_points.clone(),
                keyspace: keyspace.clone(),
                table: cluster.table.clone(),
                user: cluster.user.clone(),
                password: cluster.password.clone().map(Into::into),
                password_file: cluster.password_file.clone(),
                ..ScyllaSettings::default()
            };
            if let Some(file) = settings.exposed_password_file() {
                complain!("{}: {EXPOSED_PASSWORD}", Escaped(file.display()));
            }
            let (addresses, cql) = (settings.resolve()?, cluster.options()?);
            import_cql(&settings, addresses, input, &options, &cql, &mut observer)
                .map_err(anyhow::Error::from)
        }
    };
    observer.bar.finish_and_clear();
    let progress = imported.with_context(|| name.clone())?;
    say!(
        "imported {} rows from {} into {} in {:.1} s ({:.0} rows/s), {} skipped",
        progress.rows,
        Escaped(name),
        arguments.store,
        progress.elapsed.as_secs_f64(),
        progress.rows as f64 / progress.elapsed.as_secs_f64().max(1e-9),
        progress.skipped,
    );
    Ok(())
}

/// The input, and its length in bytes where it is known.
fn open(path: &PathBuf) -> anyhow::Result<(Box<dyn Read>, Option<u64>)> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin().lock()), None));
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let metadata = file.metadata().with_context(|| path.display().to_string())?;
    let length = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(file), length))
}

/// A progress bar on a terminal, silence elsewhere; skipped lines go to the standard error.
struct Observer {
    bar: ProgressBar,
    skipped: u64,
}

impl Observer {
    fn new(total_bytes: Option<u64>) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(total_bytes, target);
        let template = if total_bytes.is_some() {
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta} left"
        } else {
            "{spinner} {bytes} {bytes_per_sec} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, skipped: 0 }
    }
}

impl ImportObserver for Observer {
    fn progress(&mut self, progress: ImportProgress) {
        let seconds = progress.elapsed.as_secs_f64().max(1e-9);
        let rate = progress.rows as f64 / seconds;
        self.bar.set_position(progress.bytes);
        self.bar.set_message(format!("{} rows, {rate:.0} rows/s", progress.rows));
    }

    fn skipped(&mut self, error: &RowError) {
        self.skipped += 1;
        if self.skipped <= SKIPPED_SHOWN_MAX {
            self.bar.suspend(|| complain!("skipped: {}", Escaped(error)));
        } else if self.skipped == SKIPPED_SHOWN_MAX + 1 {
            self.bar.suspend(|| complain!("skipped: more lines, counted at the end"));
        }
    }

    fn noted(&mut self, note: &ImportNote) {
        self.bar.suspend(|| complain!("note: {note}"));
    }
}
