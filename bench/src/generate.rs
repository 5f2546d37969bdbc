//! Makes a store of many users out of a file with a few: each value is that of a random row.
//!
//! The result has the header of the file it is made like, so it can be imported wherever that one
//! can, and each column keeps its distribution (not its correlation with the others).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::random::Random;

/// How many users, and like whom.
#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {
    /// CSV file with a header, whose first column is the user's id.
    #[arg(long, default_value = "models/bench-credit-numeric/features.csv")]
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
    let of = || like.display().to_string();
    let mut reader = csv::Reader::from_path(like).with_context(of)?;
    let header = reader.headers().with_context(of)?.clone();
    // A row of another width than the header's is an error.
    let rows = reader.records().collect::<Result<Vec<_>, _>>().with_context(of)?;
    ensure!(!rows.is_empty(), "{}: no rows", like.display());

    let mut output = csv::Writer::from_writer(output);
    let mut random = Random::new(1);
    output.write_record(&header)?;
    for user in 1..=users {
        output.write_field(user_id(user))?;
        for column in 1..header.len() {
            let row = random.below(rows.len() as u64) as usize;
            output.write_field(&rows[row][column])?;
        }
        output.write_record(None::<&[u8]>)?;
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
        std::fs::write(&like, "user_id,a,b\nx,1,\"a, b\"\ny,3,c\n").unwrap();
        let mut written = Vec::new();
        write_users(&like, 50, &mut written).unwrap();
        let written = String::from_utf8(written).unwrap();
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 51);
        assert_eq!(lines[0], "user_id,a,b");
        for (number, line) in (1..).zip(&lines[1..]) {
            let cells: Vec<_> = line.splitn(3, ',').collect();
            assert_eq!(cells[0], user_id(number));
            let (first, second) = (["1", "3"], ["\"a, b\"", "c"]);
            assert!(first.contains(&cells[1]) && second.contains(&cells[2]), "{line}");
        }
    }
}
