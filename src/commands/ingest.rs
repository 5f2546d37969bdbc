//! `shardgate ingest`: writes rows and events to a feature store as they come, a JSON object a line, from
//! the standard input or from clients of a Unix socket.
//!
//! What has come by the time that the disk is ready is committed at once. [`lines`] cuts what is read
//! into lines, [`sink`] writes them.

mod lines;
mod sink;
mod socket;

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use shards::escape::Escaped;
use shards::features::address::StoreAddress;
use shards::features::written_rows::LineForm;

use self::lines::Lines;
use self::sink::{LineReader, Sink};
use crate::cli::ServeFlags;
use crate::config::Config;
use crate::output::{complain, say};
use crate::serve::writes::entities::Entities;
use crate::serve::writes::settings::AnsweredOnce;

/// How many lines that are skipped are told, of each reason to stop telling.
const TOLD_MAX: u64 = 10;

/// Write rows and events to a feature store as they come, a JSON object a line, so that
/// `kafka-console-consumer ... | shardgate ingest` works. A gateway on the same embedded store has them in
/// its next batch.
#[derive(Debug, Args)]
pub(crate) struct IngestArguments {
    /// The store: `embedded:DIR`, or `scylla://HOST:PORT[,HOST:PORT...]/KEYSPACE` [default: that of the
    /// configuration].
    #[arg(long, env = "SHARDGATE_STORE", value_name = "STORE")]
    store: Option<StoreAddress>,
    /// The gateway's configuration file, which declares aggregates and says how a cluster is reached.
    #[arg(long, env = "SHARDGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The entity that lines are about.
    #[arg(long, default_value = "user", value_name = "NAME")]
    entity: String,
    /// The members that hold the key, in the order of the table's.
    #[arg(long, default_value = "key", value_name = "NAME,...", value_delimiter = ',')]
    key: Vec<String>,
    /// The members to write, others are left [default: all, which have to be the table's columns].
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// The members that are fields of an event, for aggregates; columns are then those of --columns.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    event: Vec<String>,
    /// The member that says when a row was written, or an event was.
    #[arg(long, default_value = "last_updated", value_name = "NAME")]
    time: String,
    /// The member by which a line is known that comes again within 15 minutes: it is written once.
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// What to do with a line that cannot be written.
    #[arg(long, value_enum, default_value_t = OnBadLine::Fatal)]
    on_error: OnBadLine,
    /// Do not wait for the disk: a machine that fails loses the last lines.
    #[arg(long = "async")]
    is_async: bool,
    /// Listen on this Unix socket rather than read the standard input, until a signal ends it. Each piece
    /// that a client sends is answered with a line once it is written.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// What to do with a line that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnBadLine {
    /// End; what came before it is written.
    Fatal,
    /// Tell it, and go on.
    Skip,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    written: u64,
    repeated: u64,
    skipped: u64,
}

/// Writes until the input ends.
pub(crate) fn run(arguments: &IngestArguments) -> anyhow::Result<()> {
    let flags = ServeFlags {
        config: arguments.config.clone(),
        store: arguments.store.clone(),
        ..ServeFlags::default()
    };
    let config = Config::load(flags)?;
    let entities = Entities::of(&config);
    let reader = LineReader {
        form: LineForm {
            key: arguments.key.clone(),
            columns: (!arguments.columns.is_empty() || !arguments.event.is_empty())
                .then(|| arguments.columns.clone()),
            event: arguments.event.clone(),
            time: arguments.time.clone(),
        },
        id: arguments.id.clone(),
    };
    let durability =
        if arguments.is_async { AnsweredOnce::Async } else { config.writes.durability };
    let mut sink = Sink::open(&config, &entities, &arguments.entity, reader, durability)?;
    if let Some(path) = &arguments.socket {
        return socket::serve(path, &mut sink);
    }
    let done = read_all(&mut std::io::stdin().lock(), &mut sink, arguments.on_error)?;
    say!("{} lines written, {} repeated, {} skipped", done.written, done.repeated, done.skipped);
    Ok(())
}

fn read_all(input: &mut impl Read, sink: &mut Sink, on_error: OnBadLine) -> anyhow::Result<Done> {
    let (mut lines, mut done) = (Lines::default(), Done::default());
    loop {
        let is_end = !lines.fill(input).context("reading the standard input")?;
        let piece = lines.take(is_end);
        let outcomes = sink.write(piece.iter())?;
        for (at, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(true) => done.written += 1,
                Ok(false) => done.repeated += 1,
                Err(reason) => {
                    let line = piece.first_number() + at as u64;
                    ensure!(on_error == OnBadLine::Skip, "line {line}: {reason}");
                    done.skipped += 1;
                    if done.skipped <= TOLD_MAX {
                        complain!("line {line} is skipped: {}", Escaped(&reason));
                    }
                }
            }
        }
        if is_end {
            return Ok(done);
        }
    }
}
