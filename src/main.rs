//! The `shardgate` binary: what exists once per process.
//!
//! [`cli`] reads the command line and [`config`] joins it with the environment and the file;
//! [`placement`] says which cores the shards get; [`serve`] starts the shards, listens to signals
//! and stops them; [`admin`] answers operators and scrapers meanwhile; [`commands`] are the other
//! subcommands, which print by [`output`]; [`journal`] writes the prediction log; [`logging`] sets
//! up the log; [`quiet`] keeps threads off the shards' cores; [`system`] is what the system lets the
//! process have, [`allocator`] how its memory is given back, and [`bus_fault`] has it survive a store's
//! file that somebody cuts.
//!
//! What is *not* here: anything that happens to a request. That is the `shards` library, which
//! knows nothing of signals, the process and the command line.

// They panic where nobody reads: `output` has what does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod admin;
mod allocator;
mod bus_fault;
mod cli;
mod commands;
mod config;
mod journal;
mod logging;
mod otlp;
mod output;
mod placement;
mod quiet;
mod serve;
mod system;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use shards::escape::escaped;
use signal_hook::consts::SIGXFSZ;

fn main() -> ExitCode {
    allocator::set_up();
    let arguments = cli::Arguments::parse();
    // A limit on a file's size (`ulimit -f`) is an error of the write that reaches it, not the end
    // of the process. Where the handler is refused it stays the end.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    match run(arguments) {
        Ok(_) if output::is_cut_off() => ExitCode::FAILURE,
        Ok(code) => code,
        Err(error) => {
            output::complain!("shardgate: {}", in_one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes; a cause that the line tells already is left out.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    // An excerpt that a parser drew over several lines reads best so; what a file or a server wrote
    // is to reach no terminal as it is.
    escaped(&line.replace('\n', " ")).into_owned()
}

fn run(arguments: cli::Arguments) -> anyhow::Result<ExitCode> {
    bus_fault::handle()?;
    let command = arguments.command.unwrap_or_else(|| {
        let flags = arguments.serve;
        cli::Command::Serve(cli::FileArguments { flags, ..cli::FileArguments::default() })
    });
    match command {
        cli::Command::Serve(arguments) => serve::run(&config::Config::load_file(arguments)?),
        cli::Command::Import(arguments) => {
            commands::import::run(&arguments).map(|()| ExitCode::SUCCESS)
        }
        cli::Command::Check(arguments) => {
            Ok(commands::check::run(&config::Config::load_file(arguments)?))
        }
        cli::Command::Ingest(arguments) => {
            commands::ingest::run(&arguments).map(|()| ExitCode::SUCCESS)
        }
        cli::Command::Init(arguments) => {
            commands::init::run(&arguments).map(|()| ExitCode::SUCCESS)
        }
        cli::Command::Schema(arguments) => commands::look::schema(&arguments),
        cli::Command::Get(arguments) => commands::look::get(&arguments),
        cli::Command::Explain(arguments) => commands::explain::run(&arguments),
        cli::Command::Replay(arguments) => commands::replay::run(&arguments),
        cli::Command::Transform(arguments) => {
            commands::transform::run(&arguments).map(|()| ExitCode::SUCCESS)
        }
        cli::Command::Man { folder } => {
            commands::documents::man(&folder).map(|()| ExitCode::SUCCESS)
        }
        cli::Command::Completions { shell } => {
            commands::documents::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
        cli::Command::Models(flags) => commands::models::run(&config::Config::load(flags)?),
    }
}
