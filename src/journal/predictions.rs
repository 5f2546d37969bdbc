//! The prediction log: a line for each row, in files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use shards::journal::{BatchEntry, RowEntry};

use super::JournalCounters;
use super::clock::Moment;
use super::files::{Files, Unwritten};
use super::line::Line;
use super::settings::PredictionLog;
use super::user_keys::UserKeys;
use super::users::Users;

/// How much text is gathered for one write.
const WRITE_BYTES: usize = 262_144;

/// How often it is said again that lines are lost.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Makes lines of rows and appends them to files.
#[derive(Debug)]
pub(super) struct Predictions {
    files: Files,
    users: Users,
    /// The share of the rows that lines are made of; `None` where it is all of them.
    sample: Option<f64>,
    text: Vec<u8>,
    losing: Option<Losing>,
    counters: Arc<JournalCounters>,
}

/// Lines are being lost.
#[derive(Debug)]
struct Losing {
    lines: u64,
    told: Instant,
}

impl Predictions {
    /// Opens the first file: a folder that cannot be written to is told at start.
    pub(super) fn open(
        log: &PredictionLog,
        counters: Arc<JournalCounters>,
    ) -> anyhow::Result<Self> {
        let files = Files::open(log, Moment::now()).with_context(|| {
            format!("{}: the prediction log cannot be written there", log.folder.display())
        })?;
        Ok(Self {
            files,
            users: Users::of(log)?,
            sample: (log.sample < 1.0).then_some(log.sample),
            text: Vec::new(),
            losing: None,
            counters,
        })
    }

    /// The keys of users, where each has one.
    pub(super) fn user_keys(&self) -> Option<UserKeys> {
        self.users.keys().cloned()
    }

    /// Takes a row of `batch`, which shard number `shard` scored.
    pub(super) fn take(&mut self, shard: usize, batch: &BatchEntry<'_>, row: &RowEntry<'_>) {
        Line::new(shard, batch, row, &self.users, self.sample).write(&mut self.text);
        if self.text.len() >= WRITE_BYTES {
            self.flush();
        }
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        match self.files.write(&self.text, Moment::now()) {
            Ok(()) => {
                self.counters.bytes.add(self.text.len() as u64);
                if let Some(losing) = self.losing.take() {
                    tracing::warn!(lines_lost = losing.lines, "predictions are logged again");
                }
            }
            Err(Unwritten { written, source }) => {
                self.counters.bytes.add(written as u64);
                // Behind the last line there is an empty piece.
                let lost = self.text[written..].split(|byte| *byte == b'\n').count() - 1;
                self.lose(lost as u64, &source);
            }
        }
        self.text.clear();
        self.count_removed();
    }

    /// Ends and removes files that are old enough. To be called often.
    pub(super) fn look(&mut self) {
        self.files.look(Moment::now());
        self.count_removed();
    }

    fn count_removed(&self) {
        self.counters.files_removed_early.set(self.files.removed_early());
    }

    /// Counts lines that were not written. The log says so at once, and again while it lasts.
    fn lose(&mut self, lines: u64, error: &std::io::Error) {
        self.counters.lines_lost.add(lines);
        let now = Instant::now();
        let is_told = self.losing.as_ref().is_some_and(|losing| now < losing.told + TELL_EVERY);
        let losing = self.losing.get_or_insert(Losing { lines: 0, told: now });
        losing.lines += lines;
        if !is_told {
            losing.told = now;
            tracing::error!(%error, lines = losing.lines, "predictions were not logged");
        }
    }
}

impl Drop for Predictions {
    fn drop(&mut self) {
        if let Some(losing) = &self.losing {
            tracing::error!(lines_lost = losing.lines, "predictions were not logged up to the end");
        }
    }
}
