//! `shardgate ingest`: lines of the standard input, and of clients of a Unix socket, are written as they
//! come, beside a gateway that serves.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::gateway::store;
use crate::support::{Gateway, Launch, run, shardgate, wait_until};

fn ingest(gateway: &Gateway, arguments: &[&str]) -> Child {
    shardgate()
        .args(["ingest", "--store", &store(&gateway.store())])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

fn feature(gateway: &Gateway, key: &str) -> Option<f64> {
    let ended = run(shardgate().args(["get", "--json", key, "--store", &store(&gateway.store())]));
    let row: Value = serde_json::from_str(&ended.stdout).ok()?;
    row["columns"]["feature_1"].as_f64()
}

fn score(gateway: &Gateway, user: &str) -> u64 {
    let answer = gateway.client().predict(&format!("{{\"user_id\": \"{user}\"}}"));
    let score = serde_json::from_str::<Value>(&answer.body).unwrap()["score"].as_f64();
    score.expect("a score").to_bits()
}

#[test]
fn lines_of_the_standard_input_are_written_as_they_come() {
    let gateway = Launch::demo().start();
    let before = score(&gateway, "user-001");
    let mut child =
        ingest(&gateway, &["--key", "id", "--columns", "feature_1", "--on-error", "skip"]);
    let mut input = child.stdin.take().unwrap();
    // As a consumer of a topic sends them: the pipe stays open.
    input.write_all(b"{\"id\": \"user-001\", \"feature_1\": 9, \"topic\": \"t\"}\n").unwrap();
    wait_until("the line is written", || score(&gateway, "user-001") != before);
    input
        .write_all(
            b"no json\n\n{\"id\": 7, \"feature_1\": 2}\n{\"id\": \"last\", \"feature_1\": 3}",
        )
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let (told, said) =
        (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
    assert!(output.status.success() && told.contains("line 2 is skipped"), "{told}");
    assert!(said.contains("4 lines written, 0 repeated, 1 skipped"), "{said}");
    assert_eq!((feature(&gateway, "7"), feature(&gateway, "last")), (Some(2.0), Some(3.0)));
    let mut child = ingest(&gateway, &[]);
    child.stdin.take().unwrap().write_all(b"{\"key\": \"x\", \"feature_1\": 1}\n{}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("line 2: `key`: found null"), "{told}");
    assert_eq!(feature(&gateway, "x"), Some(1.0));
}

#[test]
fn clients_of_a_socket_hear_what_was_written() {
    let gateway = Launch::demo().start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ingest.sock");
    let mut child = ingest(
        &gateway,
        &["--id", "event_id", "--columns", "feature_1", "--socket", path.to_str().unwrap()],
    );
    wait_until("it listens", || UnixStream::connect(&path).is_ok());
    let stream = UnixStream::connect(&path).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut ask = |text: &str| {
        (&stream).write_all(text.as_bytes()).unwrap();
        serde_json::from_str::<Value>(&answers.next().unwrap().unwrap()).unwrap()
    };
    let line = "{\"key\": \"s\", \"event_id\": 1, \"feature_1\": 4}\n";
    assert_eq!(ask(line)["written"], 1);
    assert_eq!(feature(&gateway, "s"), Some(4.0));
    assert_eq!(ask(line)["repeated"], 1);
    let answer = ask("{\"key\": \"s\", \"event_id\": 1, \"feature_1\": 5}\n");
    assert!(answer["errors"][0]["error"].as_str().unwrap().contains("same id"), "{answer}");
    let mut second = ingest(&gateway, &["--socket", path.to_str().unwrap()]);
    assert!(!second.wait().unwrap().success());
    child.kill().unwrap();
    child.wait().unwrap();
}
