//! Other programs that do one thing and end.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Runs a command to its end, which has to be a good one.
pub(crate) fn run_to_end(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} didn't start"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
