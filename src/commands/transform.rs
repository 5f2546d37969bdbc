//! `shardgate transform`: the columns that a model's expressions compute, for its training.

mod rows;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use shards::escape::Escaped;
use shards::features::expressions::Expressions;
use shards::features::import::{CsvTable, ImportInput, time_us};
use shards::features::inputs::InputColumn;
use shards::model::manifest::{MANIFEST_FILE, Manifest};

use self::rows::{Clock, Transformer};
use super::import::{FormatArguments, open};
use crate::output::complain;

/// Computes the columns of a model's expressions for the rows of a file, as serving does.
///
/// The file has a column for each thing that the expressions read, by its name in model.toml; others
/// pass through. It may be CSV, compressed or not, or Parquet where the gateway reads it. A cell has
/// the type of model.toml, unless the header says another (`amount:double`), as in an import. The
/// output is CSV: the file's columns, and behind them those that are computed.
///
/// Only model.toml is needed, not the model: it is what the model is trained on.
#[derive(Debug, Args)]
pub(crate) struct TransformArguments {
    /// The file, of CSV or of Parquet, `-` for the standard input.
    file: PathBuf,
    /// The model whose expressions are computed.
    #[arg(long, env = "SHARDGATE_MODEL", value_name = "NAME", default_value = "credit-risk")]
    model: String,
    /// The model repository.
    #[arg(long, env = "SHARDGATE_MODELS", value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Where the output goes; the standard output without it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The column with the time at which a row's request came: the clock of its expressions.
    #[arg(long, value_name = "COLUMN")]
    clock: Option<String>,
    /// The clock of all rows, as `2026-01-31T12:00:00Z`.
    #[arg(long, value_name = "TIME", conflicts_with = "clock")]
    at: Option<String>,
    /// Write the computed columns alone.
    #[arg(long)]
    only: bool,
    /// Write which rule decides a row before the model, too: its `decision` and its `rule`.
    #[arg(long)]
    rules: bool,
    #[command(flatten)]
    format: FormatArguments,
}

/// Transforms the file.
pub(crate) fn run(arguments: &TransformArguments) -> anyhow::Result<()> {
    let folder = arguments.models.join(&arguments.model);
    let manifest = Manifest::read(&folder)?;
    let path = folder.join(MANIFEST_FILE);
    let columns = manifest.columns.as_deref().unwrap_or_default();
    let bound = Expressions::bind(columns, &manifest.expression_spec(), &[])?;
    let Some(expressions) = bound else {
        bail!("{}: it has neither `expr` in a column nor `[[rules]]`", path.display());
    };
    let name = arguments.file.display().to_string();
    let mut input = open(&arguments.file)?;
    let mut options = arguments.format.options();
    arguments.format.unpack(&mut input, &mut options).with_context(|| name.clone())?;
    let table = CsvTable::open(input, &options).with_context(|| name.clone())?;
    for note in table.notes() {
        complain!("note: {}", Escaped(note));
    }
    let clock = clock(arguments, &expressions, &table)?;
    let mut transformer = Transformer::new(expressions, &manifest, columns, &table, clock)?;
    transformer.is_only = arguments.only;
    transformer.has_rules = arguments.rules;
    let written = match &arguments.output {
        None => transformer.run(table, &mut BufWriter::new(io::stdout().lock())),
        Some(path) => {
            let file = File::create(path).with_context(|| path.display().to_string())?;
            transformer.run(table, &mut BufWriter::new(file))
        }
    };
    match written {
        Err(error) if is_cut_off(&error) => {}
        written => written.with_context(|| name.clone())?,
    }
    transformer.say_refused();
    Ok(())
}

/// Whether nobody reads the output any more, as of `| head`.
fn is_cut_off(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn clock(
    arguments: &TransformArguments,
    expressions: &Expressions,
    table: &CsvTable<ImportInput>,
) -> anyhow::Result<Clock> {
    if let Some(text) = &arguments.at {
        let us = time_us(text);
        return Ok(Clock::Fixed(us.with_context(|| {
            format!("--at: found `{text}`, expected a time as 2026-01-31T12:00:00Z")
        })?));
    }
    if let Some(name) = &arguments.clock {
        let at = table.names().iter().position(|column| column == name);
        let at = at.with_context(|| {
            format!("--clock: there is no column `{name}`; there is: {}", table.names().join(", "))
        })?;
        return Ok(Clock::Column(at));
    }
    ensure!(
        !expressions.reads_clock(),
        "the expressions read the time of the request: say it by --clock COLUMN, or by --at TIME for \
         all rows"
    );
    Ok(Clock::Fixed(0))
}

/// The column of the manifest at a place of [`Expressions::columns`].
fn computed_columns<'m>(
    expressions: &Expressions,
    columns: &'m [InputColumn],
) -> Vec<&'m InputColumn> {
    expressions.columns().map(|place| &columns[place]).collect()
}

/// Writes a cell of CSV, in quotes where it needs them.
fn write_cell(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |byte: &u8| !matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if text.iter().all(is_plain) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Writes the shortest digits that are read as the same number.
fn write_number(out: &mut Vec<u8>, number: f64) {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    // Writing to a Vec cannot fail.
    let _ = if number.is_nan() {
        Ok(())
    } else if number.fract() == 0.0 && number.abs() < EXACT_MAX && number.to_bits() != 1 << 63 {
        write!(out, "{}", number as i64)
    } else {
        write!(out, "{number:?}")
    };
}
