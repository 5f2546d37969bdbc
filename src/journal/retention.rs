//! Which files of the log are removed: those that are too old, and the oldest of too many.
//!
//! What is *not* here: the files themselves; [`super::files`] lists and removes them.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A file of the log that nobody here writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// When it was last written to.
    pub(super) modified: SystemTime,
}

/// What may stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// For how long; `None` while the clock is not to be trusted.
    pub(super) keep: Option<Duration>,
    /// How many bytes.
    pub(super) max_bytes: u64,
}

/// What goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Removal {
    /// As it is too old.
    pub(super) by_age: Vec<LogFile>,
    /// As there is too much, although it is not too old.
    pub(super) by_size: Vec<LogFile>,
}

/// Sorts out which of `files` go, and leaves the others there, the oldest first.
pub(super) fn sort_out(files: &mut Vec<LogFile>, bounds: Bounds, now: SystemTime) -> Removal {
    let mut removal = Removal::default();
    files.sort_by(|one, other| {
        one.modified.cmp(&other.modified).then_with(|| one.path.cmp(&other.path))
    });
    if let Some(keep) = bounds.keep {
        let is_old = |file: &LogFile| age(file.modified, now) > keep;
        let old = files.iter().take_while(|file| is_old(file)).count();
        removal.by_age.extend(files.drain(..old));
    }
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let too_much = files
        .iter()
        .take_while(|file| {
            let is_over = bytes > bounds.max_bytes;
            bytes -= file.bytes;
            is_over
        })
        .count();
    removal.by_size.extend(files.drain(..too_much));
    removal
}

/// Whether all of `files` are too old: either nothing was written for as long, or the clock is
/// wrong.
pub(super) fn all_are_old(files: &[LogFile], keep: Duration, now: SystemTime) -> bool {
    !files.is_empty() && files.iter().all(|file| age(file.modified, now) > keep)
}

/// How long ago `then` is; nothing where the clock was set back.
pub(super) fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn file(name: &str, bytes: u64, modified_s: u64) -> LogFile {
        let modified = UNIX_EPOCH + Duration::from_secs(modified_s);
        LogFile { path: name.into(), bytes, modified }
    }

    fn sorted_out(keep_s: Option<u64>, max_bytes: u64) -> (Vec<String>, Vec<String>, Vec<String>) {
        let mut files = vec![file("c", 30, 300), file("a", 10, 100), file("b", 20, 200)];
        let bounds = Bounds { keep: keep_s.map(Duration::from_secs), max_bytes };
        let removal = sort_out(&mut files, bounds, UNIX_EPOCH + Duration::from_secs(1_000));
        let names = |files: &[LogFile]| -> Vec<_> {
            files.iter().map(|file| file.path.display().to_string()).collect()
        };
        (names(&removal.by_age), names(&removal.by_size), names(&files))
    }

    fn expected(
        age: &[&str],
        size: &[&str],
        left: &[&str],
    ) -> (Vec<String>, Vec<String>, Vec<String>) {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        (owned(age), owned(size), owned(left))
    }

    #[test]
    fn the_old_go_first_and_then_the_oldest_of_too_many() {
        assert_eq!(sorted_out(Some(900), 60), expected(&[], &[], &["a", "b", "c"]));
        assert_eq!(sorted_out(Some(899), 60), expected(&["a"], &[], &["b", "c"]));
        assert_eq!(sorted_out(Some(899), 49), expected(&["a"], &["b"], &["c"]));
        assert_eq!(sorted_out(Some(900), 59), expected(&[], &["a"], &["b", "c"]));
        assert_eq!(sorted_out(Some(900), 0), expected(&[], &["a", "b", "c"], &[]));
        assert_eq!(sorted_out(None, 60), expected(&[], &[], &["a", "b", "c"]));
        assert_eq!(sorted_out(None, 30), expected(&[], &["a", "b"], &["c"]));
    }
}
