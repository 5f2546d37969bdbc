//! `shardgate replay`: scores the rows of a prediction log again, and says what has changed.

mod expressions;
mod subject;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use shards::escape::Escaped;
use shards::model::repository::Repository;

use self::subject::Subject;
use crate::journal::line::Line;
use crate::output::say;

/// Scores the rows of a prediction log again with the versions that are on disk now.
///
/// Each score must be the same to the last bit, and so must the reasons of rows that were explained,
/// the columns that expressions compute, and what rules decide.
/// Rows that were not scored then, and models that another server computes, are counted and not
/// replayed. The exit status is 1 where anything differs, a model's file is another, or a line
/// cannot be read.
#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// Files of the log.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The model repository.
    #[arg(long, env = "SHARDGATE_MODELS", value_name = "DIR", default_value = "models")]
    models: PathBuf,
}

/// Replays the files and prints what came of it.
pub(crate) fn run(arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let repository = Repository::new(&arguments.models);
    let mut replay = Replay { repository, subjects: BTreeMap::new(), unreadable: 0 };
    for path in &arguments.files {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        for (index, text) in BufReader::new(file).split(b'\n').enumerate() {
            let text = text.with_context(|| path.display().to_string())?;
            let place = Place { path, line: index + 1 };
            replay.take(&place, &text);
        }
        // What is shown names the file's path, which is lent: nothing stays for the next file.
        replay.finish_batches();
    }
    Ok(if replay.summarise() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a row was read.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) line: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", Escaped(self.path.display()), self.line)
    }
}

struct Replay {
    repository: Repository,
    subjects: BTreeMap<(String, u64), Subject>,
    unreadable: u64,
}

impl Replay {
    fn take(&mut self, place: &Place<'_>, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let line: Line<'_> = match serde_json::from_slice(text) {
            Ok(line) => line,
            Err(error) => {
                self.unreadable += 1;
                say!("{place}: not a line of a prediction log: {}", Escaped(error));
                return;
            }
        };
        let key = (line.model.clone().into_owned(), line.version);
        let repository = &self.repository;
        let subject = self
            .subjects
            .entry(key)
            .or_insert_with_key(|(name, version)| Subject::load(repository, name, *version));
        subject.take(place, &line);
    }

    fn finish_batches(&mut self) {
        self.subjects.values_mut().for_each(Subject::score);
    }

    /// Prints a line a model; whether nothing has changed.
    fn summarise(&self) -> bool {
        let mut is_same = self.unreadable == 0;
        for ((name, version), subject) in &self.subjects {
            let name = Escaped(name);
            if let Some(fault) = &subject.fault {
                say!("{name}/{version}: {}", Escaped(fault));
            }
            if subject.other_file > 0 {
                say!(
                    "{name}/{version}: the file is another (now {}) than {} rows were scored by",
                    subject.file_hash,
                    subject.other_file
                );
            }
            say!(
                "{name}/{version}: {} rows have the same score, {} another; {} had none, {} were \
                 not replayed",
                subject.same,
                subject.different,
                subject.unscored,
                subject.skipped
            );
            is_same &= subject.different + subject.other_file == 0 && subject.fault.is_none();
        }
        if self.unreadable > 0 {
            say!("{} lines could not be read", self.unreadable);
        }
        is_same
    }
}
