//! `shardgate check | head`: a command whose output nobody reads any more does its work to the end,
//! without a panic, and a disk that is full is told from that.

use std::process::{Command, Stdio};

use crate::support::gateway::store;
use crate::support::{import, models, shardgate};

/// Runs a command whose standard output is closed before it prints; returns its status and what it
/// said on the standard error.
fn unread(command: &mut Command) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let ended = output.output().expect("the binary runs");
    (ended.status.code(), String::from_utf8(ended.stderr).expect("UTF-8"))
}

#[test]
fn every_command_ends_with_its_own_status() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("store");
    import(&models().join("demo-logistic/features.csv"), &target);
    let at = |command: &str| {
        let mut started = shardgate();
        started.args([command, "--model", "demo-logistic"]).arg("--models").arg(models());
        started
    };
    let log = folder.path().join("log");
    std::fs::write(&log, "not a line\n").unwrap();
    let users = models().join("demo-logistic/features.csv");
    let imported = folder.path().join("imported");
    let with = |mut command: Command, arguments: &[&str]| {
        command.args(arguments);
        command
    };
    let (users, log) = (users.to_str().unwrap(), log.to_str().unwrap());
    for (mut command, status) in [
        (with(at("check"), &["--store", &store(&target)]), 0),
        (at("models"), 0),
        (with(shardgate(), &["import", users, "--store", &store(&imported)]), 0),
        (with(shardgate(), &["replay", log]), 1),
        (with(shardgate(), &["completions", "bash"]), 0),
        (with(shardgate(), &["--help"]), 0),
    ] {
        let (ended, said) = unread(&mut command);
        assert!(!said.contains("panicked"), "{command:?}: {said}");
        assert_eq!(ended, Some(status), "{command:?}: {said}");
    }
    assert!(imported.join("data.mdb").exists(), "the import was done all the same");
}

#[test]
fn an_unread_standard_error_ends_no_import() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("users.csv");
    std::fs::write(&csv, "user_id,a\nu,x\nv,1\n").unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = shardgate();
    command.arg("import").arg(&csv).args(["--on-error", "skip", "--store"]);
    command.arg(store(&folder.path().join("store"))).stdout(Stdio::null()).stderr(writer);
    let status = command.status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_list_that_a_full_disk_cut_off_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = shardgate();
    command.args(["models", "--models"]).arg(models()).stdout(full).stderr(Stdio::piped());
    let ended = command.output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("the output cannot be written").count(), 1, "{said}");
}
