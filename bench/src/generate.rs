//! Makes a store of many users out of a file with a few: each value is that of a random row.
//!
//! The result has the header of the file it is made like, so it can be imported wherever that one
//! can, and each column keeps its distribution (not its correlation with the others).

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::random::Random;

/// How many users, and like whom.
#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {
    /// CSV file with a header, whose first column is the user's id.
    #[arg(long, default_value = "models/credit-risk/features.csv")]
    like: PathBuf,
    /// Number of users, called user-0000001, user-0000002 and so on.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
}

/// The id of user `number`, counted from 1: what `scripts/wrk` makes with `user-%07d`.
pub(crate) fn user_id(number: u64) -> String {
    format!("user-{number:07}")
}

/// Writes the CSV to standard output.
pub(crate) fn run(args: &GenerateArgs) -> Result<()> {
    write_users(&args.like, args.users, io::stdout().lock())
}

/// Writes a CSV of `users` rows with the header, and in each column the values, of `like`.
pub(crate) fn write_users(like: &Path, users: u64, output: impl Write) -> Result<()> {
    let text =
        std::fs::read_to_string(like).with_context(|| format!("can't read {}", like.display()))?;
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').skip(1).collect()).collect();
    let columns = header.split(',').count() - 1;
    ensure!(!rows.is_empty(), "{}: no rows", like.display());
    for (index, row) in rows.iter().enumerate() {
        let found = row.len();
        let line = index + 2;
        ensure!(found == columns, "{} line {line}: {found} values for {columns}", like.display());
    }

    let mut output = BufWriter::new(output);
    let mut random = Random::new(1);
    writeln!(output, "{header}")?;
    for user in 1..=users {
        output.write_all(user_id(user).as_bytes())?;
        for column in 0..columns {
            let row = random.below(rows.len() as u64) as usize;
            write!(output, ",{}", rows[row][column])?;
        }
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_keeps_its_values() {
        let folder = tempfile::tempdir().unwrap();
        let like = folder.path().join("like.csv");
        std::fs::write(&like, "user_id,a,b\nx,1,2\ny,3,4\n").unwrap();
        let mut written = Vec::new();
        write_users(&like, 50, &mut written).unwrap();
        let written = String::from_utf8(written).unwrap();
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 51);
        assert_eq!(lines[0], "user_id,a,b");
        for (number, line) in (1..).zip(&lines[1..]) {
            let cells: Vec<_> = line.split(',').collect();
            assert_eq!(cells[0], user_id(number));
            assert!(["1", "3"].contains(&cells[1]) && ["2", "4"].contains(&cells[2]), "{line}");
        }
    }
}
