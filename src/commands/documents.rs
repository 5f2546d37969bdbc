//! `shardgate man` and `shardgate completions`: what packages install, made of the command line
//! itself, so that none of it can be out of date.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Arguments;
use crate::output::say;

/// Writes a manual page for the program and one for each of its commands into `folder`, which is
/// made where it does not exist.
pub(crate) fn man(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder))
        .with_context(|| format!("{}: the manual pages cannot be written", folder.display()))
}

/// Prints what makes a shell complete commands and flags.
pub(crate) fn completions(shell: Shell) {
    // In memory first: it panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "shardgate", &mut script);
    say!("{}", String::from_utf8_lossy(&script).trim_end());
}
