//! `shardgate import` beside a gateway that serves: answers are of before or of after it, and an
//! import that dies leaves what was there.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Stdio};

use crate::support::gateway::store;
use crate::support::{Gateway, Launch, run, shardgate};

/// Every bundled user and some more, all with these features.
fn csv(feature: f64) -> String {
    let mut csv = "user_id,feature_1,feature_2,feature_3\n".to_owned();
    for user in 1..=20_000 {
        writeln!(csv, "user-{user:03},{feature},0,0").unwrap();
    }
    csv
}

fn scores(gateway: &Gateway, users: &[usize]) -> Vec<f64> {
    let body: Vec<_> =
        users.iter().map(|user| format!("{{\"user_id\": \"user-{user:03}\"}}")).collect();
    let answer = gateway.client().predict(&format!("[{}]", body.join(",")));
    let members: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
    members.iter().map(|member| member["score"].as_f64().expect("a score")).collect()
}

/// Starts an import that reads from a pipe.
fn import_from_pipe(gateway: &Gateway) -> Child {
    shardgate()
        .args(["import", "-", "--store", &store(&gateway.store())])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

#[test]
fn an_import_is_seen_without_a_restart() {
    let gateway = Launch::demo().start();
    let mut seen = Vec::new();
    for round in 0..4 {
        let mut import = import_from_pipe(&gateway);
        let text = csv(f64::from(round));
        let mut input = import.stdin.take().unwrap();
        let (first, rest) = text.split_at(text.len() / 2);
        input.write_all(first.as_bytes()).unwrap();
        // Half of it has been read, and nothing of it is seen.
        let before = scores(&gateway, &[1, 2, 3]);
        input.write_all(rest.as_bytes()).unwrap();
        drop(input);
        let output = import.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let after = scores(&gateway, &[1, 2, 3, 9_999, 20_000]);
        assert!(after.iter().all(|score| score.to_bits() == after[0].to_bits()), "{after:?}");
        assert_ne!(before[0].to_bits(), after[0].to_bits());
        if round > 0 {
            assert_eq!(before[0].to_bits(), seen[round as usize - 1]);
        }
        seen.push(after[0].to_bits());
    }
}

#[test]
fn an_import_that_is_killed_leaves_what_was_there() {
    let gateway = Launch::demo().start();
    let before = scores(&gateway, &[1, 2, 17]);
    for share in [0.1, 0.5, 1.0] {
        let mut import = import_from_pipe(&gateway);
        let text = csv(9.0);
        let input = import.stdin.as_mut().unwrap();
        // The pipe stays open, so the import waits for more when it is killed.
        input.write_all(&text.as_bytes()[..(text.len() as f64 * share) as usize]).unwrap();
        import.kill().unwrap();
        import.wait().unwrap();
        assert_eq!(scores(&gateway, &[1, 2, 17]), before, "{share}");
    }
    // Nothing that was killed holds a lock: the next import is not kept waiting.
    let mut import = import_from_pipe(&gateway);
    import.stdin.take().unwrap().write_all(csv(9.0).as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    assert_ne!(scores(&gateway, &[1, 2, 17]), before);
    // And the store is whole for one that opens it afresh.
    let folder = gateway.store();
    assert_eq!(gateway.stop().0.code(), Some(0));
    drop(folder);
}

#[test]
fn an_import_with_a_bad_row_says_where_and_changes_nothing() {
    let gateway = Launch::demo().start();
    let before = scores(&gateway, &[1, 2]);
    let path = gateway.store().join("bad.csv");
    std::fs::write(
        &path,
        "user_id,feature_1,feature_2,feature_3\nuser-001,1,2,3\nuser-002,x,2,3\n",
    )
    .unwrap();
    let target = store(&gateway.store());
    let ended = run(shardgate().arg("import").arg(&path).args(["--store", &target]));
    assert_eq!(ended.status, Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("bad.csv: line 3, column 2 (`feature_1`)"), "{}", ended.stderr);
    assert_eq!(scores(&gateway, &[1, 2]), before);
    let skip = ["--store", &target, "--on-error", "skip"];
    let ended = run(shardgate().arg("import").arg(&path).args(skip));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("imported 1 rows") && ended.stdout.contains("1 skipped"));
    assert!(ended.stderr.contains("line 3, column 2"), "{}", ended.stderr);
    let after = scores(&gateway, &[1, 2]);
    assert_ne!(after[0].to_bits(), before[0].to_bits());
    assert_eq!(after[1].to_bits(), before[1].to_bits());
}
