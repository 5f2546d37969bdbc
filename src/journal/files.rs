//! The files of the log: one is appended to, and followed by another by size and age; old ones go.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::settings::PredictionLog;

const PREFIX: &str = "predictions-";
const SUFFIX: &str = ".jsonl";
/// How often old files are looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(1);

/// The newest file, and what is to become of it and the older ones.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    bytes_max: u64,
    age_max: Duration,
    keep: Duration,
    newest: Option<Newest>,
    /// How many files this process has made.
    made: u64,
    pruned: SystemTime,
}

#[derive(Debug)]
struct Newest {
    file: File,
    bytes: u64,
    since: SystemTime,
}

impl Files {
    /// Makes the folder, for its owner alone, and the first file.
    pub(super) fn open(log: &PredictionLog, now: SystemTime) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&log.folder)?;
        let mut files = Self {
            folder: log.folder.clone(),
            bytes_max: log.file_bytes_max,
            age_max: Duration::from_secs(log.file_s_max),
            keep: Duration::from_secs(log.keep_s),
            newest: None,
            made: 0,
            pruned: UNIX_EPOCH,
        };
        files.newest = Some(files.create(now)?);
        Ok(files)
    }

    /// Appends whole lines. After an error the file is left, and the next lines get a new one, so
    /// that a line that was cut off is the last of its file.
    pub(super) fn write(&mut self, lines: &[u8], now: SystemTime) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut newest = match self.newest.take() {
            Some(newest) => newest,
            None => self.create(now)?,
        };
        newest.file.write_all(lines)?;
        newest.bytes += lines.len() as u64;
        if newest.bytes < self.bytes_max {
            self.newest = Some(newest);
        }
        Ok(())
    }

    /// Ends a file that is old enough, and removes those that are too old. To be called often.
    pub(super) fn look(&mut self, now: SystemTime) {
        let is_old = |newest: &Newest| age(newest.since, now) >= self.age_max;
        // One that nothing was written to goes on: an idle gateway leaves no empty files.
        if self.newest.as_ref().is_some_and(|newest| newest.bytes > 0 && is_old(newest)) {
            self.newest = None;
        }
        if age(self.pruned, now) >= PRUNE_EVERY {
            self.pruned = now;
            if let Err(error) = self.prune(now) {
                let folder = self.folder.display();
                tracing::warn!(%folder, %error, "old predictions are not removed");
            }
        }
    }

    /// A new file, for its owner alone.
    fn create(&mut self, now: SystemTime) -> io::Result<Newest> {
        self.made += 1;
        let since_s = age(UNIX_EPOCH, now).as_secs();
        // The process's number tells it from one that takes over, or a restart in one second.
        let process = std::process::id();
        let name = format!("{PREFIX}{since_s}-{process}-{}{SUFFIX}", self.made);
        let options = OpenOptions::new().append(true).create_new(true).mode(0o600).clone();
        let file = options.open(self.folder.join(name))?;
        Ok(Newest { file, bytes: 0, since: now })
    }

    /// Removes the log's files that were last written to long ago, whichever process made them.
    fn prune(&self, now: SystemTime) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_ours = name
                .to_str()
                .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
            if is_ours && age(entry.metadata()?.modified()?, now) > self.keep {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// How long ago `then` is; nothing where the clock was set back.
fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::journal::settings::UserNames;

    fn log(folder: &Path) -> PredictionLog {
        PredictionLog {
            folder: folder.join("log"),
            file_bytes_max: 10,
            file_s_max: 100,
            keep_s: 1_000,
            users: UserNames::Plain,
            user_key_file: None,
            buffer_bytes_max: 1,
        }
    }

    fn contents(files: &Files) -> Vec<String> {
        let entries = fs::read_dir(&files.folder).unwrap();
        let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        found.sort();
        found.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    #[test]
    fn a_file_is_followed_by_another_by_size_and_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let start = SystemTime::now();
        let mut files = Files::open(&log(folder.path()), start).unwrap();
        files.write(b"12345\n", start).unwrap();
        files.write(b"67890\n", start).unwrap();
        assert_eq!(contents(&files), ["12345\n67890\n"], "no line is torn");
        files.write(b"a\n", start).unwrap();
        files.look(start + Duration::from_secs(99));
        files.write(b"b\n", start).unwrap();
        assert_eq!(contents(&files), ["12345\n67890\n", "a\nb\n"]);
        files.look(start + Duration::from_secs(100));
        files.write(b"c\n", start).unwrap();
        assert_eq!(contents(&files), ["12345\n67890\n", "a\nb\n", "c\n"]);
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let start = SystemTime::now();
        let mut files = Files::open(&log, start).unwrap();
        files.write(b"1234567890\n", start).unwrap();
        fs::write(log.folder.join("predictions-1-1-1.jsonl"), "another process's").unwrap();
        fs::write(log.folder.join("notes.txt"), "not ours").unwrap();
        files.look(start + Duration::from_mins(15));
        assert_eq!(contents(&files).len(), 3);
        files.write(b"new\n", start).unwrap();
        files.look(start + Duration::from_secs(1_100));
        assert_eq!(contents(&files), ["not ours"]);
    }

    #[test]
    fn files_and_their_folder_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(&log(folder.path()), SystemTime::now()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&files.folder), 0o700);
        for entry in fs::read_dir(&files.folder).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }
}
