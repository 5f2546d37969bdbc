//! `shardgate import`: rows of CSV into a feature store.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shards::features::address::StoreAddress;
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{
    CsvOptions, ImportObserver, ImportOptions, ImportProgress, OnBadRow, RowError, import_embedded,
    now_us,
};

/// How many skipped lines are named; the rest are only counted.
const SKIPPED_SHOWN_MAX: u64 = 20;

/// Imports rows of CSV into a feature store, all or none; a gateway may serve from it meanwhile.
///
/// The header names the columns, each with its type where it is not float: `user_id,income,
/// age:int,score:double`. Types are float, double, int, bigint and boolean; an empty cell is null.
/// A column `last_updated` holds RFC 3339 times or milliseconds since 1970.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The CSV file, `-` for the standard input.
    file: PathBuf,
    /// The store: `embedded:DIR`, made where it does not exist.
    #[arg(long, env = "SHARDGATE_STORE")]
    store: StoreAddress,
    /// The column that holds the users' keys; the first one where it is not given.
    #[arg(long)]
    key_column: Option<String>,
    /// What to do with a line that is no row.
    #[arg(long, value_enum, default_value_t = OnError::Fatal)]
    on_error: OnError,
    /// Remove the store's rows first; its columns may then change.
    #[arg(long)]
    replace: bool,
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
            import_embedded(&store, input, &options, &mut observer)
        }
        address @ StoreAddress::Scylla { .. } => bail!("{address}: importing is not supported"),
    };
    observer.bar.finish_and_clear();
    let progress = imported.with_context(|| name.clone())?;
    println!(
        "imported {} rows from {name} into {} in {:.1} s ({:.0} rows/s), {} skipped",
        progress.rows,
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
            self.bar.suspend(|| eprintln!("skipped: {error}"));
        } else if self.skipped == SKIPPED_SHOWN_MAX + 1 {
            self.bar.suspend(|| eprintln!("skipped: more lines, counted at the end"));
        }
    }
}
