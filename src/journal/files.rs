//! The files of the log: one is appended to, and followed by another by size and age; old ones go.
//!
//! A disk that is full, or a process that may write no larger file, loses lines and nothing else:
//! the newest file keeps its whole lines and is written to again. [`retention`]
//! decides which files go, and [`clock`](super::clock) when none may, as the clock was set.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::clock::{Moment, Step, StepWatch};
use super::newest::Newest;
use super::retention::{self, Bounds, LogFile, Removal};
use super::settings::PredictionLog;

const PREFIX: &str = "predictions-";
const SUFFIX: &str = ".jsonl";
/// How often old files are looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// How long no file is removed for its age after the clock was set: a day is enough to set it right.
const SETTLE: Duration = Duration::from_hours(24);
/// How long after a failure the next file is made: a fault that lasts must not fill the folder.
const MAKE_AGAIN: Duration = Duration::from_secs(5);
/// The most files that one second's name may be taken by.
const NAMES_MAX: u64 = 1_000;
/// A file is at most this part of all that may be kept, as files go one by one.
const FILES_KEPT_MIN: u64 = 8;
/// What is freed beside what has to be, as a part of all: the folder is listed seldom then.
const SPARE: u64 = 16;

/// The newest file, and what is to become of it and the older ones.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    bytes_max: u64,
    age_max: Duration,
    keep: Duration,
    max_bytes: u64,
    newest: Option<Newest>,
    /// How many files this process has made.
    made: u64,
    /// No file is made before.
    make_at: Instant,
    /// What the other files held when they were last listed, and what became of this process's.
    others_bytes: u64,
    pruned: Option<Instant>,
    clock: StepWatch,
    /// No file is removed for its age before.
    trusted_at: Instant,
    /// How many files went before their time.
    removed_early: u64,
}

/// Lines that were not written.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(super) struct Unwritten {
    /// How many bytes were written before: whole lines.
    pub(super) written: usize,
    /// Why not more.
    pub(super) source: io::Error,
}

impl Files {
    /// Makes the folder, for its owner alone, and the first file.
    pub(super) fn open(log: &PredictionLog, now: Moment) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&log.folder)?;
        let mut files = Self {
            folder: log.folder.clone(),
            bytes_max: log.file_bytes_max.min(log.max_bytes / FILES_KEPT_MIN),
            age_max: Duration::from_secs(log.file_s_max),
            keep: Duration::from_secs(log.keep_s),
            max_bytes: log.max_bytes,
            newest: None,
            made: 0,
            make_at: now.steady,
            others_bytes: 0,
            pruned: None,
            clock: StepWatch::new(now),
            trusted_at: now.steady,
            removed_early: 0,
        };
        files.others_bytes = files.list()?.iter().map(|file| file.bytes).sum();
        files.newest = Some(files.create(now)?);
        Ok(files)
    }

    /// Appends whole lines. What is not written is lost, and no line is torn.
    pub(super) fn write(&mut self, lines: &[u8], now: Moment) -> Result<(), Unwritten> {
        let mut written = 0;
        while written < lines.len() {
            let rest = &lines[written..];
            let outcome = self.newest(rest.len() as u64, now).and_then(|newest| {
                let before = newest.bytes;
                let outcome = newest.append(rest);
                written += (newest.bytes - before) as usize;
                outcome
            });
            if let Err(source) = outcome {
                let Some(newest) = &self.newest else { return Err(Unwritten { written, source }) };
                // Another file has room where the limit is one of each.
                if source.kind() == ErrorKind::FileTooLarge && newest.bytes > 0 {
                    self.leave();
                    continue;
                }
                // A full disk gives room again to the file that there is; whatever else ails it,
                // another may not have.
                let is_full =
                    matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
                if !is_full || newest.is_torn {
                    self.leave();
                    self.make_at = now.steady + MAKE_AGAIN;
                }
                return Err(Unwritten { written, source });
            }
        }
        if self.newest.as_ref().is_some_and(|newest| newest.bytes >= self.bytes_max) {
            self.leave();
        }
        Ok(())
    }

    /// Ends a file that is old enough, and removes those that are too old. To be called often.
    pub(super) fn look(&mut self, now: Moment) {
        if let Some(step) = self.clock.look(now) {
            self.distrust_clock(step, now);
        }
        let is_old =
            |newest: &Newest| now.steady.saturating_duration_since(newest.since) >= self.age_max;
        // One that nothing was written to goes on: an idle gateway leaves no empty files.
        if self.newest.as_ref().is_some_and(|newest| newest.bytes > 0 && is_old(newest)) {
            self.leave();
        }
        let is_due = |last| now.steady.saturating_duration_since(last) >= PRUNE_EVERY;
        if self.pruned.is_none_or(is_due) {
            self.prune(self.max_bytes, now);
        }
    }

    /// How many files were removed before they were too old, as there was too much.
    pub(super) const fn removed_early(&self) -> u64 {
        self.removed_early
    }

    /// The file to append `bytes` to, made if there is none.
    fn newest(&mut self, bytes: u64, now: Moment) -> io::Result<&mut Newest> {
        let own_bytes = self.newest.as_ref().map_or(0, |newest| newest.bytes);
        if self.others_bytes + own_bytes + bytes > self.max_bytes {
            self.prune(self.max_bytes.saturating_sub(bytes + self.max_bytes / SPARE), now);
            if self.others_bytes + own_bytes + bytes > self.max_bytes {
                return Err(io::Error::other(format!(
                    "the log holds {} bytes of `max_bytes` = {}, and no older file can be removed",
                    self.others_bytes + own_bytes,
                    self.max_bytes
                )));
            }
        }
        let newest = match self.newest.take() {
            Some(newest) => newest,
            None if now.steady < self.make_at => {
                return Err(io::Error::other("the last file failed, the next is not made yet"));
            }
            None => self.create(now).inspect_err(|_| self.make_at = now.steady + MAKE_AGAIN)?,
        };
        Ok(self.newest.insert(newest))
    }

    /// Writes no more to the newest file.
    fn leave(&mut self) {
        self.others_bytes += self.newest.take().map_or(0, |newest| newest.bytes);
    }

    /// A new file, for its owner alone.
    fn create(&mut self, now: Moment) -> io::Result<Newest> {
        let since_s = retention::age(UNIX_EPOCH, now.wall).as_secs();
        // The process's number tells it from one that takes over. In a container that is the same
        // after a restart, and a clock that was set back gives the same second twice.
        let process = std::process::id();
        let first = self.made + 1;
        for number in first..first + NAMES_MAX {
            let name = format!("{PREFIX}{since_s}-{process}-{number}{SUFFIX}");
            let path = self.folder.join(name);
            match Newest::create(path, now.steady) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                outcome => {
                    self.made = number;
                    return outcome;
                }
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "all names of this second are taken"))
    }

    /// Removes what is too old, and the oldest of what is more than `max_bytes`, whichever process
    /// made them.
    fn prune(&mut self, max_bytes: u64, now: Moment) {
        let is_first = self.pruned.replace(now.steady).is_none();
        let mut files = match self.list() {
            Ok(files) => files,
            Err(error) => {
                let folder = self.folder.display();
                tracing::warn!(%folder, %error, "old predictions are not removed");
                return;
            }
        };
        if is_first && retention::all_are_old(&files, self.keep, now.wall) {
            self.trusted_at = now.steady + SETTLE.min(self.keep);
            tracing::warn!(
                files = files.len(),
                settle_s = SETTLE.min(self.keep).as_secs(),
                "every prediction is older than `keep_s`: if the clock is wrong, set it before \
                 they are removed"
            );
        }
        let own_bytes = self.newest.as_ref().map_or(0, |newest| newest.bytes);
        let bounds = Bounds {
            keep: (now.steady >= self.trusted_at).then_some(self.keep),
            max_bytes: max_bytes.saturating_sub(own_bytes),
        };
        let removal = retention::sort_out(&mut files, bounds, now.wall);
        self.others_bytes = files.iter().map(|file| file.bytes).sum();
        self.remove(&removal);
    }

    fn remove(&mut self, removal: &Removal) {
        for file in removal.by_age.iter().chain(&removal.by_size) {
            if let Err(error) = fs::remove_file(&file.path) {
                // Two processes may prune at once.
                if error.kind() != ErrorKind::NotFound {
                    self.others_bytes += file.bytes;
                    let file = file.path.display();
                    tracing::warn!(%file, %error, "old predictions are not removed");
                }
            }
        }
        if !removal.by_size.is_empty() {
            self.removed_early += removal.by_size.len() as u64;
            tracing::warn!(
                files = removal.by_size.len(),
                bytes = removal.by_size.iter().map(|file| file.bytes).sum::<u64>(),
                max_bytes = self.max_bytes,
                "predictions were removed before `keep_s`: the log has reached `max_bytes`"
            );
        }
    }

    /// The log's files, whichever process made them, but for the one that is appended to.
    fn list(&self) -> io::Result<Vec<LogFile>> {
        let own = self.newest.as_ref().map(|newest| &newest.path);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_ours = name
                .to_str()
                .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
            let path = entry.path();
            if !is_ours || Some(&path) == own {
                continue;
            }
            match entry.metadata() {
                Ok(found) => {
                    let modified = found.modified()?;
                    files.push(LogFile { path, bytes: found.len(), modified });
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    /// The clock was set: what is too old by it may be from yesterday.
    fn distrust_clock(&mut self, step: Step, now: Moment) {
        let settle = SETTLE.min(self.keep);
        self.trusted_at = now.steady + settle;
        let (direction, by) = match step {
            Step::Ahead(by) => ("ahead", by),
            Step::Back(by) => ("back", by),
        };
        tracing::warn!(
            direction,
            by_s = by.as_secs(),
            settle_s = settle.as_secs(),
            "the clock was set: no prediction is removed for its age before it has settled"
        );
    }
}

#[cfg(test)]
mod tests;
