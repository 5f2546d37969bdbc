//! What an import says on its way: a progress bar on a terminal, and lines on the standard error.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shards::escape::Escaped;
use shards::features::import::{ImportNote, ImportObserver, ImportProgress, RowError};
use shards::features::schema::Schema;

use super::models::ServedModels;
use crate::output::complain;

/// How many skipped lines are named; the rest are only counted.
const SKIPPED_SHOWN_MAX: u64 = 20;

/// A progress bar on a terminal, silence elsewhere; skipped lines go to the standard error.
pub(super) struct Observer<'a> {
    pub(super) bar: ProgressBar,
    models: &'a ServedModels,
    skipped: u64,
}

impl<'a> Observer<'a> {
    pub(super) fn new(total_bytes: Option<u64>, models: &'a ServedModels) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(total_bytes, target);
        let template = if total_bytes.is_some() {
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta} left"
        } else {
            "{spinner} {bytes} {bytes_per_sec} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, models, skipped: 0 }
    }
}

impl ImportObserver for Observer<'_> {
    fn progress(&mut self, progress: ImportProgress) {
        let seconds = progress.elapsed.as_secs_f64().max(1e-9);
        let rate = progress.rows as f64 / seconds;
        self.bar.set_position(progress.bytes);
        self.bar.set_message(format!("{} rows, {rate:.0} rows/s", progress.rows));
    }

    fn skipped(&mut self, error: &RowError) {
        self.skipped += 1;
        if self.skipped <= SKIPPED_SHOWN_MAX {
            self.bar.suspend(|| complain!("skipped: {}", Escaped(error)));
        } else if self.skipped == SKIPPED_SHOWN_MAX + 1 {
            self.bar.suspend(|| complain!("skipped: more lines, counted at the end"));
        }
    }

    fn noted(&mut self, note: &ImportNote) {
        self.bar.suspend(|| complain!("note: {}", Escaped(note)));
    }
    fn columns_change(&mut self, before: Option<&Schema>, after: &Schema) -> Result<(), String> {
        match before {
            Some(before) if before != after => self.models.still_fit(before, after),
            _ => Ok(()),
        }
    }
}
