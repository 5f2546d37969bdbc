//! `shardgate import --dry-run`: the columns that a file has, and what is in them.

use shards::escape::{Escaped, escaped};
use shards::features::import::{ColumnSurvey, CsvOptions, ImportInput, TypeOrigin, survey_input};
use shards::features::schema::Schema;

use crate::output::{complain, say};

/// Reads all of the file and prints a line for each column.
pub(super) fn run(
    input: &mut ImportInput,
    options: &CsvOptions,
    stored: Option<&Schema>,
) -> anyhow::Result<()> {
    let found = survey_input(input, options, stored)?;
    for note in &found.notes {
        complain!("note: {}", Escaped(note));
    }
    say!("{:<32} {:<10} {:<6} {:>9} {:>9} examples", "column", "type", "by", "null", "distinct");
    for column in &found.columns {
        say!("{}", line(column));
    }
    let count = found.columns.len();
    say!(
        "{} rows, {count} columns, keys by `{}`: nothing was written",
        found.rows,
        escaped(&found.key)
    );
    for ColumnSurvey { name, column_type, wrong, .. } in &found.columns {
        if let Some((cells, line)) = wrong {
            let name = escaped(name);
            complain!(
                "`{name}`: {cells} cells are not of type {column_type}, the first in line {line}"
            );
        }
    }
    if found.ragged > 0 {
        complain!("{} lines have another number of cells than the header", found.ragged);
    }
    Ok(())
}

fn line(column: &ColumnSurvey) -> String {
    let by = match column.origin {
        TypeOrigin::Given => "given",
        TypeOrigin::Cells => "cells",
    };
    let (distinct, is_more) = column.distinct;
    let distinct = format!("{distinct}{}", if is_more { "+" } else { "" });
    let examples = column.examples.iter().map(|it| escaped(it)).collect::<Vec<_>>().join(", ");
    format!(
        "{:<32} {:<10} {by:<6} {:>9} {distinct:>9} {examples}",
        escaped(&column.name),
        column.column_type.as_str(),
        column.nulls,
    )
}
