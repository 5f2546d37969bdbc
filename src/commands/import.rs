//! `shardgate import`: rows of CSV, or Parquet, into a feature store.

mod dry_run;
mod models;
mod observer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use shards::escape::Escaped;
use shards::features::embedded::{EmbeddedStore, ImportTurn};
#[cfg(not(feature = "parquet"))]
use shards::features::import::PARQUET_ADVICE;
use shards::features::import::{
    AskedDialect, CqlImportOptions, CsvOptions, DecimalMark, Encoding, ImportInput, ImportOptions,
    ImportProgress, OnBadRow, PackedColumns, Replication, add_types, import_cql,
    import_embedded_in, now_us,
};
use shards::features::schema::Schema;
use shards::features::scylla::{ScyllaSettings, find_table};

use self::models::ServedModels;
use self::observer::Observer;
use super::store::{StoreArguments, StorePlace};
use crate::output::{complain, say};

/// Imports rows of CSV into a feature store; a gateway may serve from it meanwhile.
///
/// Rows and columns are merged by key: a column that the store has and the file has not keeps its
/// values, and a new one is null for rows that the file does not have. --replace makes the store anew.
///
/// Into the embedded store all rows are imported or none: the store is one file, DIR/features.store,
/// which an import writes anew beside the old one and renames into its place. It takes the disk space
/// of one more copy until then, and some 50 bytes of memory a row. While a gateway serves from the
/// file it may be read, copied elsewhere, and replaced by renaming another one over it (`mv`); it must
/// not be written, cut, or copied onto (`cp`): rows are then answered as `error` until it is whole
/// again.
///
/// A cluster gets them one after the other, and an import that broke off can be run again, with
/// --resume from where it was. New columns are added to its table.
///
/// The header names the columns, each with its type where that is not known: `user_id,income,
/// age:int,score:double`. The type is otherwise the store's, that of --model, or found out by a first
/// pass over the file: numbers are float, True and False boolean, the rest text. The file may be
/// compressed by gzip or zstd. What separates and encloses its cells and the decimal mark are found
/// out by its first lines, and said. An empty cell is null, and so are NA, NaN, null, None and `\N`
/// except in columns of text. Of a key that occurs more than once the last row counts. A column
/// `last_updated` holds RFC 3339 times or milliseconds since 1970.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The file, of CSV or of Parquet, `-` for the standard input.
    file: PathBuf,
    #[command(flatten)]
    store: StoreArguments,
    /// The column that holds the keys; where it is not given the one called `user_id`, else the first
    /// one, which is said. Several columns, as in `--key country,bin`, make one key; of a cluster's table they are
    /// those of its partition key, in its order.
    #[arg(long, alias = "key-column", value_name = "COLUMN,...", value_delimiter = ',')]
    key: Vec<String>,
    /// The columns to take, beside the key and `last_updated`; the others are left out [default: all].
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// What to do with a line that is no row.
    #[arg(long, value_enum, default_value_t = OnError::Fatal)]
    on_error: OnError,
    /// Remove the store's rows and columns first.
    #[arg(long)]
    replace: bool,
    /// Show the columns that the file has, their types and values, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Import though a model of --models would then not fit the store any more.
    #[arg(long)]
    force: bool,
    /// A model whose columns say the types; may be given more than once.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    model: Vec<String>,
    /// The model repository: an import after which one of its models, or of --model, would not fit the
    /// store any more is refused.
    #[arg(long, env = "SHARDGATE_MODELS", value_name = "DIR")]
    models: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// How the file is written, where that is not to be found out.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options for the file")]
pub(super) struct FormatArguments {
    /// csv or parquet [default: what its first bytes say]. Parquet needs a gateway that was built with
    /// the feature `parquet`.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FileFormat>,
    /// What separates columns: one character, or `tab`.
    #[arg(long, value_name = "CHARACTER", value_parser = one_byte)]
    delimiter: Option<u8>,
    /// What encloses cells.
    #[arg(long, value_name = "CHARACTER", value_parser = one_byte)]
    quote: Option<u8>,
    /// What stands before the fraction of a number: `.` or `,`.
    #[arg(long, value_name = "MARK")]
    decimal: Option<DecimalMark>,
    /// utf-8, utf-16le, utf-16be or windows-1252 (latin-1) [default: utf-8, or what a byte-order mark
    /// says].
    #[arg(long, value_name = "NAME")]
    encoding: Option<Encoding>,
    /// A word for a value that is not known, in the place of the usual ones; may be given more than
    /// once, and be empty.
    #[arg(long, value_name = "WORD")]
    null: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    Csv,
    Parquet,
}

impl FormatArguments {
    /// How a file is to be read by what was said of it.
    pub(super) fn options(&self) -> CsvOptions {
        let Self { delimiter, quote, decimal, encoding, null, .. } = self;
        CsvOptions {
            encoding: *encoding,
            dialect: AskedDialect { delimiter: *delimiter, quote: *quote, decimal: *decimal },
            nulls: null.clone(),
            ..CsvOptions::default()
        }
    }

    /// Makes CSV of a file that is none, and adds the types that it says to those that are known.
    pub(super) fn unpack(
        &self,
        input: &mut ImportInput,
        options: &mut CsvOptions,
    ) -> anyhow::Result<()> {
        let is_parquet = match self.format {
            Some(format) => format == FileFormat::Parquet,
            None => input.is_parquet()?,
        };
        if !is_parquet {
            return Ok(());
        }
        let columns = unpack_parquet(input)?;
        for (name, column_type) in columns.types {
            options.types.entry(name).or_insert(column_type);
        }
        if !columns.left_out.is_empty() {
            let names = columns.left_out.join(", ");
            complain!("note: left out, as a store has no such types: {}", Escaped(names));
        }
        let (delimiter, quote) = (Some(b','), Some(b'"'));
        options.dialect = AskedDialect { delimiter, quote, decimal: ".".parse().ok() };
        options.encoding = Some(Encoding::Utf8);
        Ok(())
    }
}

#[cfg(feature = "parquet")]
fn unpack_parquet(input: &mut ImportInput) -> anyhow::Result<PackedColumns> {
    Ok(input.unpack_parquet()?)
}

#[cfg(not(feature = "parquet"))]
fn unpack_parquet(_: &mut ImportInput) -> anyhow::Result<PackedColumns> {
    anyhow::bail!("Parquet is not read: {PARQUET_ADVICE}")
}

fn one_byte(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if matches!(text, "tab" | "\\t") => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
        _ => Err("one ASCII character, or `tab`".to_owned()),
    }
}

/// What is asked of a cluster only.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options for scylla://")]
struct ClusterArguments {
    /// Make the keyspace and the table where they are not there.
    #[arg(long)]
    create: bool,
    /// The copies of a keyspace that is made, by datacenter: `dc1=3` or `dc1=3,dc2=2`.
    #[arg(long, requires = "create", conflicts_with = "dev")]
    replication: Option<Replication>,
    /// One copy, anywhere, of a keyspace that is made: for trying things out.
    #[arg(long, requires = "create")]
    dev: bool,
    /// How many rows are on their way at a time.
    #[arg(long, default_value_t = 128)]
    concurrency: usize,
    /// A file that keeps how far the import is; where it exists, the import goes on from there.
    #[arg(long)]
    resume: Option<PathBuf>,
}

impl ClusterArguments {
    fn options(&self, stored: Option<Schema>) -> anyhow::Result<CqlImportOptions> {
        ensure!(
            !self.create || self.dev || self.replication.is_some(),
            "--create needs --replication, for example dc1=3, or --dev"
        );
        let replication = self.replication.clone().unwrap_or(Replication::Single);
        Ok(CqlImportOptions {
            create: self.create.then_some(replication),
            concurrency: self.concurrency,
            stored,
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

impl ImportArguments {
    /// How the file is to be read. The types of the models are among it.
    fn csv(&self, models: &ServedModels) -> anyhow::Result<CsvOptions> {
        Ok(CsvOptions {
            key_columns: self.key.clone(),
            last_updated_us: now_us(),
            columns: self.columns.clone(),
            types: if self.model.is_empty() { BTreeMap::default() } else { models.types()? },
            ..self.format.options()
        })
    }

    /// The models that were named, or where only the repository was all of it.
    fn served_models(&self) -> anyhow::Result<ServedModels> {
        // Only the types of those that are named are asked for then.
        let asks_none = self.force || self.dry_run;
        match &self.models {
            _ if self.model.is_empty() && asks_none => Ok(ServedModels::default()),
            None if self.model.is_empty() => Ok(ServedModels::default()),
            root => {
                let root = root.clone().unwrap_or_else(|| PathBuf::from("models"));
                ServedModels::load(root, &self.model, self.store.table())
            }
        }
    }
}

/// Runs the import and prints one line that says what was imported.
pub(crate) fn run(arguments: &ImportArguments) -> anyhow::Result<()> {
    let mut models = arguments.served_models()?;
    let mut options = ImportOptions {
        csv: arguments.csv(&models)?,
        on_bad_row: match arguments.on_error {
            OnError::Skip => OnBadRow::Skip,
            OnError::Fatal => OnBadRow::Fatal,
        },
        replace: arguments.replace,
    };
    let name = arguments.file.display().to_string();
    let mut input = open(&arguments.file)?;
    arguments.format.unpack(&mut input, &mut options.csv).with_context(|| name.clone())?;
    let place = arguments.store.place()?;
    if arguments.dry_run {
        let stored = if arguments.replace { None } else { place.schema()? };
        return dry_run::run(&mut input, &options.csv, stored.as_ref()).context(name);
    }
    let destination = Destination::open(&place)?;
    let stored = if arguments.replace { None } else { destination.schema()? };
    add_types(&mut input, &mut options.csv, stored.as_ref()).with_context(|| name.clone())?;
    if let StorePlace::Folder(folder, _) = &place {
        models.look_beside(folder)?;
    }
    let asked = if arguments.force { ServedModels::default() } else { models };
    let mut observer = Observer::new(input.length_bytes(), &asked);
    let imported = destination.import(arguments, stored, input, &options, &mut observer);
    observer.bar.finish_and_clear();
    let progress = imported.with_context(|| name.clone())?;
    say!(
        "imported {} rows from {} into {} in {:.1} s ({:.0} rows/s), {} skipped",
        progress.rows,
        Escaped(name),
        arguments.store.store,
        progress.elapsed.as_secs_f64(),
        progress.rows as f64 / progress.elapsed.as_secs_f64().max(1e-9),
        progress.skipped,
    );
    Ok(())
}

/// Where rows go.
enum Destination<'a> {
    Folder(EmbeddedStore, ImportTurn),
    Table(&'a ScyllaSettings),
}

impl<'a> Destination<'a> {
    /// Waits for another import into the same folder. This one has its turn before it reads, as it may
    /// have to read all of its input before it writes.
    fn open(place: &'a StorePlace) -> anyhow::Result<Self> {
        Ok(match place {
            StorePlace::Folder(folder, table) => {
                let store = EmbeddedStore::open_or_create_table(folder, table.as_ref())?;
                if store.is_being_imported() {
                    let folder = Escaped(folder.display());
                    complain!("{folder}: another import is under way: waiting for its end");
                }
                let turn = store.take_turn()?;
                Self::Folder(store, turn)
            }
            StorePlace::Table(settings) => Self::Table(settings),
        })
    }

    /// The columns that are there.
    fn schema(&self) -> anyhow::Result<Option<Schema>> {
        match self {
            Self::Folder(store, _) => Ok(store.schema()?),
            Self::Table(settings) => Ok(find_table(settings, settings.resolve()?)?),
        }
    }

    fn import(
        self,
        arguments: &ImportArguments,
        stored: Option<Schema>,
        input: ImportInput,
        options: &ImportOptions,
        observer: &mut Observer<'_>,
    ) -> anyhow::Result<ImportProgress> {
        Ok(match self {
            Self::Folder(store, turn) => {
                import_embedded_in(turn, &store, input, options, observer)?
            }
            Self::Table(settings) => {
                let (addresses, cql) = (settings.resolve()?, arguments.cluster.options(stored)?);
                import_cql(settings, addresses, input, options, &cql, observer)?
            }
        })
    }
}

pub(super) fn open(path: &Path) -> anyhow::Result<ImportInput> {
    if path.as_os_str() == "-" {
        return Ok(ImportInput::stream(std::io::stdin()));
    }
    ImportInput::open(path).with_context(|| path.display().to_string())
}
