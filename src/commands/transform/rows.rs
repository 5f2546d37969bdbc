//! The rows of a file, block by block: what they give the expressions, and what these compute.

use std::io::Write;

use anyhow::{bail, ensure};
use shards::escape::Escaped;
use shards::expression::{BLOCK_ROWS, Type, Value};
use shards::features::column::{CellValue, ColumnType};
use shards::features::expressions::{ComputedCell, Expressions};
use shards::features::import::{CsvTable, ImportInput};
use shards::features::inputs::{InputColumn, NanMeaning};
use shards::model::manifest::Manifest;

use super::{computed_columns, write_cell, write_number};
use crate::output::complain;

/// When the requests of rows came.
#[derive(Debug, Clone, Copy)]
pub(super) enum Clock {
    /// All at this time, in µs since 1970.
    Fixed(i64),
    /// At the time of a column.
    Column(usize),
}

/// Something that is read of a row: where it stands, and how.
struct Read {
    at: usize,
    cell_type: ColumnType,
    /// The type of model.toml.
    column_type: ColumnType,
    value_type: Type,
    is_given: bool,
}

/// Transforms rows.
pub(super) struct Transformer<'m> {
    expressions: Expressions,
    reads: Vec<Read>,
    columns: Vec<&'m InputColumn>,
    manifest: &'m Manifest,
    clock: Clock,
    pub(super) is_only: bool,
    pub(super) has_rules: bool,
    /// By computed column: rows that serving would refuse.
    refused: Vec<u64>,
}

impl<'m> Transformer<'m> {
    pub(super) fn new(
        expressions: Expressions,
        manifest: &'m Manifest,
        columns: &'m [InputColumn],
        table: &CsvTable<ImportInput>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let names = table.names();
        let mut reads = Vec::new();
        for read in expressions.reads() {
            let mut found = names.iter().enumerate().filter(|(_, name)| *name == read.name);
            let Some((at, _)) = found.next() else {
                bail!(
                    "line 1: there is no column `{}`, which the expressions read; there is: {}",
                    read.name,
                    names.join(", ")
                );
            };
            ensure!(found.next().is_none(), "line 1: two columns are called `{}`", read.name);
            let cell_type = table.column_type(at).unwrap_or(read.column_type);
            ensure!(
                cell_type.is_text() == read.column_type.is_text(),
                "line 1: column `{}` is {cell_type}, and model.toml says {}",
                read.name,
                read.column_type
            );
            let (value_type, is_given) = (read.value_type, read.is_given);
            let column_type = read.column_type;
            reads.push(Read { at, cell_type, column_type, value_type, is_given });
        }
        let columns = computed_columns(&expressions, columns);
        let refused = vec![0; columns.len()];
        let (is_only, has_rules) = (false, false);
        Ok(Self { expressions, reads, columns, manifest, clock, is_only, has_rules, refused })
    }

    /// Reads all rows and writes them.
    pub(super) fn run(
        &mut self,
        mut table: CsvTable<ImportInput>,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        out.write_all(&self.header(&table)?)?;
        let (mut texts, mut ends) = (Vec::new(), Vec::new());
        loop {
            texts.clear();
            ends.clear();
            self.expressions.begin(BLOCK_ROWS, 0);
            while ends.len() < BLOCK_ROWS && table.next_row()? {
                self.take(&table, ends.len())?;
                if !self.is_only {
                    pass_through(&table, &mut texts);
                }
                ends.push(texts.len());
            }
            if ends.is_empty() {
                return Ok(out.flush()?);
            }
            self.expressions.compute();
            let mut start = 0;
            for (row, end) in ends.iter().enumerate() {
                let mut line = texts[start..*end].to_vec();
                self.write_row(row, &mut line);
                if line.is_empty() {
                    // A blank line is none to those who read it.
                    line.extend_from_slice(b"\"\"");
                }
                line.push(b'\n');
                out.write_all(&line)?;
                start = *end;
            }
        }
    }

    fn header(&self, table: &CsvTable<ImportInput>) -> anyhow::Result<Vec<u8>> {
        let rules = if self.has_rules { &["decision", "rule"][..] } else { &[] };
        let computed = self.columns.iter().map(|column| column.name.as_str());
        let mut names: Vec<&str> = Vec::new();
        if !self.is_only {
            names.extend(table.names().iter().map(String::as_str));
        }
        for name in computed.chain(rules.iter().copied()) {
            ensure!(
                !names.contains(&name),
                "line 1: the file has a column `{name}` already, and it is computed: leave it out, or \
                 ask for the computed columns alone (--only)"
            );
            names.push(name);
        }
        let mut line = Vec::new();
        for (place, name) in names.iter().enumerate() {
            separate(&mut line, place);
            write_cell(&mut line, name.as_bytes());
        }
        line.push(b'\n');
        Ok(line)
    }

    /// Gives the expressions what they read of a row.
    fn take(&mut self, table: &CsvTable<ImportInput>, row: usize) -> anyhow::Result<()> {
        let us = match self.clock {
            Clock::Fixed(us) => us,
            Clock::Column(at) => match table.cell(at, ColumnType::Timestamp)? {
                CellValue::Timestamp(us) => us,
                _ => bail!("a row has no time in column `{}`, its clock", table.names()[at]),
            },
        };
        self.expressions.arrive(row, us);
        for (place, read) in self.reads.iter().enumerate() {
            if read.is_given && read.value_type != Type::Text {
                let number = request_number(table, read)?;
                if let Err(reason) = self.expressions.put_number(row, place, number) {
                    // An import's words name the line, where it refuses the cell too.
                    table.cell(read.at, read.column_type)?;
                    bail!("line {}: {reason}", table.line());
                }
            } else {
                let cell = table.cell(read.at, read.cell_type)?;
                self.expressions.put_stored(row, place, cell);
            }
        }
        Ok(())
    }

    /// Writes the computed cells of a row behind what passed through.
    fn write_row(&mut self, row: usize, line: &mut Vec<u8>) {
        let mut place = usize::from(!self.is_only);
        for (at, column) in self.columns.iter().enumerate() {
            separate(line, place);
            place += 1;
            let is_refused = if column.column_type.is_text() {
                write_text(line, column, self.expressions.value(at, row))
            } else {
                match self.expressions.cell(at, row) {
                    ComputedCell::Number(number) => {
                        write_number(line, number);
                        false
                    }
                    ComputedCell::Refused => true,
                }
            };
            self.refused[at] += u64::from(is_refused);
        }
        if self.has_rules {
            let rule = self.expressions.rule(row).map(usize::from);
            let found = rule.and_then(|at| Some((at, self.manifest.rules.get(at)?)));
            let [decision, name] = match found {
                Some((at, rule)) => [rule.decision.clone(), rule.name(at)],
                None => [String::new(), String::new()],
            };
            for text in [decision, name] {
                separate(line, place);
                place += 1;
                write_cell(line, text.as_bytes());
            }
        }
    }

    /// Says how many rows serving would refuse.
    pub(super) fn say_refused(&self) {
        for (column, rows) in self.columns.iter().zip(&self.refused).filter(|(_, rows)| **rows > 0)
        {
            complain!(
                "note: {rows} rows have no `{}`, which model.toml rejects: they would not be scored",
                Escaped(&column.name)
            );
        }
    }
}

/// Writes the cells of the file's own columns.
fn pass_through(table: &CsvTable<ImportInput>, out: &mut Vec<u8>) {
    for at in 0..table.names().len() {
        if at > 0 {
            out.push(b',');
        }
        write_cell(out, table.text(at));
    }
}

fn separate(line: &mut Vec<u8>, place: usize) {
    if place > 0 {
        line.push(b',');
    }
}

/// A cell as the number that a request's JSON would give; NaN where it is not known.
fn request_number(table: &CsvTable<ImportInput>, read: &Read) -> anyhow::Result<f64> {
    let is_calendar = matches!(read.cell_type, ColumnType::Timestamp | ColumnType::Date);
    let cell_type = if is_calendar { read.cell_type } else { ColumnType::Double };
    Ok(match table.cell(read.at, cell_type)? {
        CellValue::Double(number) => number,
        CellValue::Timestamp(us) => us as f64,
        CellValue::Date(days) => f64::from(days),
        _ => f64::NAN,
    })
}

/// Writes the text that the model reads; whether its row would be refused.
fn write_text(line: &mut Vec<u8>, column: &InputColumn, value: Value<'_>) -> bool {
    match value {
        Value::Text(text) => write_cell(line, text.as_bytes()),
        _ if column.nan == NanMeaning::Reject => return true,
        _ if column.nan == NanMeaning::Default => {
            let default = column.text.default.as_deref().unwrap_or_default();
            write_cell(line, default.as_bytes());
        }
        _ => {}
    }
    false
}
