//! A store's file that is cut, overwritten or damaged under a gateway: the process goes on, rows are
//! right or `error`, operators hear of it, and a whole file heals it.

use std::fs;
use std::path::PathBuf;

use crate::support::gateway::store;
use crate::support::{Client, Gateway, Launch, models, run, shardgate, wait_until};

fn file_of(gateway: &Gateway) -> PathBuf {
    gateway.store().join("features.store")
}

fn get(gateway: &Gateway, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    Client::connect(gateway.admin).ask(request).body
}

/// Every bundled user and the score that the model's own library gave.
fn golden() -> Vec<(String, f64)> {
    let text = fs::read_to_string(models().join("credit-risk/golden.csv")).unwrap();
    let rows = text.lines().skip(1).map(|line| line.split_once(',').unwrap());
    rows.map(|(user, score)| (user.to_owned(), score.parse().unwrap())).collect()
}

/// How many users are answered from the store; each of them right, and all others as `error`.
fn stored(gateway: &Gateway, golden: &[(String, f64)]) -> usize {
    let mut client = gateway.client();
    let mut count = 0;
    for users in golden.chunks(100) {
        let body: Vec<_> =
            users.iter().map(|(user, _)| format!("{{\"user_id\": \"{user}\"}}")).collect();
        let answer = client.predict(&format!("[{}]", body.join(",")));
        let members: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(members.len(), users.len());
        for (member, (user, expected)) in members.iter().zip(users) {
            if member["features"] == "stored" {
                let score = member["score"].as_f64().expect("a score");
                assert!((score - expected).abs() < 1e-5, "{user}: {member}");
                count += 1;
            } else {
                assert_eq!(member["features"], "error", "{user}: {member}");
            }
        }
    }
    count
}

fn truncate(path: &PathBuf, length: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[test]
fn a_file_that_is_cut_ends_nobody() {
    let gateway = Launch::of("credit-risk").start();
    let golden = golden();
    assert_eq!(stored(&gateway, &golden), golden.len());
    let whole = fs::read(file_of(&gateway)).unwrap();
    let written = fs::metadata(file_of(&gateway)).unwrap().modified().unwrap();
    for length in [whole.len() / 2, 8_192, 0] {
        truncate(&file_of(&gateway), length as u64);
        // The index is at the end of the file: without it nobody is found, and nobody missing.
        assert_eq!(stored(&gateway, &golden), 0, "{length}");
    }
    gateway.wait_for_line("the feature store's file: what can still be read");
    wait_until("it is not well", || get(&gateway, "/readyz").contains("\"store\":\"degraded\""));
    assert!(get(&gateway, "/readyz").contains("features.store"));
    assert!(get(&gateway, "/metrics").contains("shardgate_store_damaged_total{shard=\"0\"} "));
    // As `cp -p` brings it back: into the same file, as if it had not been written since.
    fs::write(file_of(&gateway), &whole).unwrap();
    fs::File::options().write(true).open(file_of(&gateway)).unwrap().set_modified(written).unwrap();
    wait_until("all is right again", || stored(&gateway, &golden) == golden.len());
    wait_until("and said to be", || get(&gateway, "/readyz").contains("\"store\":\"ok\""));
    gateway.wait_for_line("whole again");
    assert_eq!(gateway.stop().0.code(), Some(0));
}

#[test]
fn another_store_that_is_copied_onto_it_is_read_once_it_is_whole() {
    let gateway = Launch::of("credit-risk").start();
    let golden = golden();
    let other = tempfile::tempdir().unwrap();
    let csv = models().join("credit-risk/features.csv");
    crate::support::import(&csv, other.path());
    for _ in 0..20 {
        fs::copy(other.path().join("features.store"), file_of(&gateway)).unwrap();
        stored(&gateway, &golden[..20]);
    }
    wait_until("all is right again", || stored(&gateway, &golden) == golden.len());
    assert_eq!(gateway.stop().0.code(), Some(0));
}

#[test]
fn damage_is_named_by_check_and_at_the_start() {
    let launch = Launch::of("credit-risk");
    let folder = launch.store();
    let path = folder.join("features.store");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4_200] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let check = || {
        run(shardgate()
            .args(["check", "--model", "credit-risk", "--store", &store(&folder)])
            .arg("--models")
            .arg(models()))
    };
    let checked = check();
    assert_eq!(checked.status, Some(1));
    assert!(checked.stdout.contains("wrong  store: 1 of "), "{}", checked.stdout);
    let gateway = launch.start();
    let line = gateway.wait_for_line("the feature store is damaged");
    assert!(line.contains("ERROR") && line.contains("damaged=1"), "{line}");
    let golden = golden();
    assert_eq!(stored(&gateway, &golden), golden.len() - 1);
    let line = gateway.wait_for_line("records of the feature store are damaged");
    assert!(line.contains("ERROR"), "{line}");
    // Of a file that is cut while it is served, too.
    bytes.truncate(bytes.len() - 1);
    fs::write(&path, &bytes).unwrap();
    let checked = check();
    assert!(checked.stdout.contains("it was cut"), "{}", checked.stdout);
    let lines = gateway.lines_to("it was cut");
    assert!(lines.last().is_some_and(|line| line.contains("ERROR")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("are damaged")), "once: {lines:?}");
    assert_eq!(gateway.stop().0.code(), Some(0));
}

#[test]
fn a_full_disk_is_named_and_leaves_the_store() {
    let tried = std::process::Command::new("bash")
        .args(["-c", "unshare -m true || unshare -rm true"])
        .output();
    if !tried.is_ok_and(|output| output.status.success()) {
        eprintln!("no mounts of one's own here: not tried");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut csv = "user_id,feature_1,feature_2,feature_3\n".to_owned();
    for user in 0..100_000 {
        std::fmt::Write::write_fmt(&mut csv, format_args!("user-{user},1,2,3\n")).unwrap();
    }
    fs::write(folder.path().join("large.csv"), csv).unwrap();
    let small = "user_id,feature_1,feature_2,feature_3\nuser-001,1,2,3\n";
    fs::write(folder.path().join("small.csv"), small).unwrap();
    // SAFETY: it has no argument and cannot fail.
    let unshare = if unsafe { libc::geteuid() } == 0 { "unshare -m" } else { "unshare -rm" };
    let script = "mkdir -p disk && mount -t tmpfs -o size=3m none disk && \
        \"$0\" import small.csv --store embedded:disk/s && cksum disk/s/features.store && \
        { \"$0\" import large.csv --store embedded:disk/s; echo status=$?; \
        cksum disk/s/features.store; ls disk/s; df --output=used -k disk; \
        \"$0\" import small.csv --store embedded:disk/s; }";
    let ended = run(std::process::Command::new("bash")
        .current_dir(folder.path())
        .args(["-c", &format!("{unshare} bash -c '{script}' \"$0\"")])
        .arg(env!("CARGO_BIN_EXE_shardgate")));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let sums: Vec<_> =
        ended.stdout.lines().filter(|line| line.ends_with("disk/s/features.store")).collect();
    assert!(ended.stdout.contains("status=1") && sums[0] == sums[1], "{ended:?}");
    assert!(!ended.stdout.contains("features.store.new"), "{ended:?}");
    for part in ["the disk is full", "MiB of the new copy were written", "are free", "as it was"] {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
}
