//! The prediction log: a line for each row, in files.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use shards::journal::{BatchEntry, RowEntry};

use super::JournalCounters;
use super::files::Files;
use super::line::Line;
use super::settings::PredictionLog;
use super::users::Users;

/// How much text is gathered for one write.
const WRITE_BYTES: usize = 262_144;

/// Makes lines of rows and appends them to files.
#[derive(Debug)]
pub(super) struct Predictions {
    files: Files,
    users: Users,
    text: Vec<u8>,
    lines: u64,
    counters: Arc<JournalCounters>,
}

impl Predictions {
    /// Opens the first file: a folder that cannot be written to is told at start.
    pub(super) fn open(
        log: &PredictionLog,
        counters: Arc<JournalCounters>,
    ) -> anyhow::Result<Self> {
        let files = Files::open(log, SystemTime::now()).with_context(|| {
            format!("{}: the prediction log cannot be written there", log.folder.display())
        })?;
        Ok(Self { files, users: Users::of(log)?, text: Vec::new(), lines: 0, counters })
    }

    /// Takes a row of `batch`, which shard number `shard` scored.
    pub(super) fn take(&mut self, shard: usize, batch: &BatchEntry<'_>, row: &RowEntry<'_>) {
        Line::new(shard, batch, row, &self.users).write(&mut self.text);
        self.lines += 1;
        if self.text.len() >= WRITE_BYTES {
            self.flush();
        }
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self) {
        match self.files.write(&self.text, SystemTime::now()) {
            Ok(()) => self.counters.bytes.add(self.text.len() as u64),
            Err(error) => {
                self.counters.lines_lost.add(self.lines);
                tracing::error!(%error, lines = self.lines, "predictions were not logged");
            }
        }
        self.text.clear();
        self.lines = 0;
    }

    /// Ends and removes files that are old enough. To be called often.
    pub(super) fn look(&mut self) {
        self.files.look(SystemTime::now());
    }
}
