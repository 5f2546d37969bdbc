//! Tests of the log's files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::journal::settings::UserNames;

fn log(folder: &Path) -> PredictionLog {
    PredictionLog {
        folder: folder.join("log"),
        file_bytes_max: 10,
        file_s_max: 100,
        keep_s: 1_000,
        max_bytes: 1 << 20,
        sample: 1.0,
        users: UserNames::Plain,
        user_key_file: None,
        buffer_bytes_max: 1,
    }
}

/// So long after `start`, by both clocks.
fn after(start: Moment, passed: Duration) -> Moment {
    Moment { wall: start.wall + passed, steady: start.steady + passed }
}

fn contents(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// A file of another process.
fn add(log: &PredictionLog, name: &str, bytes: usize, modified: SystemTime) {
    let path = log.folder.join(format!("{PREFIX}{name}{SUFFIX}"));
    fs::write(&path, vec![b'x'; bytes]).unwrap();
    fs::File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
}

#[test]
fn a_file_is_followed_by_another_by_size_and_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let start = Moment::now();
    let mut files = Files::open(&log(folder.path()), start).unwrap();
    files.write(b"12345\n", start).unwrap();
    files.write(b"67890\n", start).unwrap();
    assert_eq!(contents(&files.folder), ["12345\n67890\n"], "no line is torn");
    files.write(b"a\n", start).unwrap();
    files.look(after(start, Duration::from_secs(99)));
    files.write(b"b\n", start).unwrap();
    assert_eq!(contents(&files.folder), ["12345\n67890\n", "a\nb\n"]);
    files.look(after(start, Duration::from_secs(100)));
    files.write(b"c\n", start).unwrap();
    assert_eq!(contents(&files.folder), ["12345\n67890\n", "a\nb\n", "c\n"]);
}

#[test]
fn what_is_too_old_goes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let start = Moment::now();
    let mut files = Files::open(&log, start).unwrap();
    files.write(b"1234567890\n", start).unwrap();
    add(&log, "1-1-1", 5, start.wall);
    fs::write(log.folder.join("notes.txt"), "not ours").unwrap();
    files.look(after(start, Duration::from_mins(15)));
    assert_eq!(contents(&log.folder).len(), 3);
    files.write(b"new\n", start).unwrap();
    files.look(after(start, Duration::from_secs(1_100)));
    assert_eq!(contents(&log.folder), ["not ours"]);
}

#[test]
fn a_clock_that_is_set_removes_nothing_before_it_has_settled() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let start = Moment::now();
    let mut files = Files::open(&log, start).unwrap();
    files.write(b"1234567890\n", start).unwrap();
    add(&log, "1-1-1", 5, start.wall);
    files.look(start);
    let month = Duration::from_hours(30 * 24);
    let jumped = |passed: u64| {
        let moment = after(start, Duration::from_secs(passed));
        Moment { wall: moment.wall + month, ..moment }
    };
    for passed in [1, 70, 500, 1_000] {
        files.look(jumped(passed));
        assert_eq!(contents(&log.folder).len(), 2, "after {passed} s");
    }
    files.look(jumped(1_070));
    assert_eq!(contents(&log.folder).len(), 0, "it is still what the clock says");
}

#[test]
fn a_log_that_is_old_as_a_whole_is_not_removed_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let start = Moment::now();
    drop(Files::open(&log, start).unwrap());
    add(&log, "1-1-1", 5, start.wall - Duration::from_hours(30 * 24));
    add(&log, "2-1-1", 5, start.wall - Duration::from_hours(29 * 24));
    let mut files = Files::open(&log, start).unwrap();
    files.look(start);
    files.look(after(start, Duration::from_mins(15)));
    assert_eq!(contents(&log.folder).len(), 3, "the clock may be wrong");
    add(&log, "3-1-1", 5, start.wall);
    files.look(after(start, Duration::from_secs(1_000)));
    assert_eq!(contents(&log.folder).len(), 2);
}

#[test]
fn the_oldest_of_too_many_bytes_go_before_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = PredictionLog { file_bytes_max: 1 << 30, ..log(folder.path()) };
    let start = Moment::now();
    let mut files = Files::open(&log, start).unwrap();
    add(&log, "1-1-1", 300_000, start.wall - Duration::from_secs(500));
    add(&log, "2-1-1", 300_000, start.wall - Duration::from_secs(400));
    files.look(start);
    let mut line = vec![b'y'; 49_999];
    line.push(b'\n');
    for _ in 0..40 {
        files.write(&line, start).unwrap();
        let held: usize = contents(&log.folder).iter().map(String::len).sum();
        assert!(held <= 1 << 20, "{held} bytes");
    }
    let left = contents(&log.folder);
    assert!(left.iter().all(|text| text.starts_with('y')), "the others were older");
    assert!(left.len() > 4, "one file is not all that is kept: {}", left.len());
    assert!(files.removed_early() > 2);
}

#[test]
fn a_full_disk_loses_lines_and_makes_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let log = PredictionLog { file_bytes_max: 1 << 30, ..log(folder.path()) };
    let start = Moment::now();
    let mut files = Files::open(&log, start).unwrap();
    files.write(b"before\n", start).unwrap();
    let newest = files.newest.as_mut().unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let disk = newest.replace_file(full);
    for second in 0..1_000 {
        let now = after(start, Duration::from_secs(second) / 50);
        let error = files.write(b"lost\n", now).expect_err("it is full");
        assert_eq!((error.written, error.source.kind()), (0, ErrorKind::StorageFull));
        assert_eq!(contents(&log.folder), ["before\n"]);
    }
    let _ = files.newest.as_mut().unwrap().replace_file(disk);
    files.write(b"after\n", start).unwrap();
    assert_eq!(contents(&log.folder), ["before\nafter\n"]);
}

#[test]
fn a_file_that_cannot_be_written_to_is_followed_by_another_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let (log, start) = (log(folder.path()), Moment::now());
    let mut files = Files::open(&log, start).unwrap();
    // Not for writing: an error that has nothing to do with room.
    let broken = || fs::File::open("/dev/null").unwrap();
    let _ = files.newest.as_mut().unwrap().replace_file(broken());
    for _ in 0..100 {
        assert!(files.write(b"lost\n", start).is_err());
        assert!(contents(&log.folder).is_empty());
    }
    files.write(b"again\n", after(start, MAKE_AGAIN)).unwrap();
    assert_eq!(contents(&log.folder), ["again\n"]);
}

#[test]
fn a_name_that_is_taken_is_left_to_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let (log, start) = (log(folder.path()), Moment::now());
    let mut first = Files::open(&log, start).unwrap();
    // As a process with the same number does after a restart in the same second.
    let mut second = Files::open(&log, start).unwrap();
    first.write(b"first\n", start).unwrap();
    second.write(b"second\n", start).unwrap();
    assert_eq!(contents(&log.folder), ["first\n", "second\n"]);
}

#[test]
fn a_file_that_nothing_was_written_to_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let files = Files::open(&log, Moment::now()).unwrap();
    assert_eq!(contents(&log.folder), [""]);
    drop(files);
    assert!(contents(&log.folder).is_empty());
}

#[test]
fn files_and_their_folder_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::open(&log(folder.path()), Moment::now()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files.folder), 0o700);
    for entry in fs::read_dir(&files.folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}
