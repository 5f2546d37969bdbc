//! By default connections take what the system lets the process have, and leave some of it to others;
//! `/config` says what came of it.

use std::fs;
use std::path::PathBuf;

use crate::support::{Client, Gateway, Launch};
use serde_json::{Value, json};

fn config(gateway: &Gateway) -> Value {
    let mut operator = Client::connect(gateway.admin);
    let answer = operator.ask("GET /config HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).expect("JSON")
}

#[test]
fn descriptors_are_left_for_operators() {
    let gateway = Launch::demo().start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limit: u64 = files.split_whitespace().nth(3).unwrap().parse().unwrap();
    let found = &config(&gateway)["system"]["descriptors"];
    assert_eq!(found["limit"], json!(limit));
    assert_eq!(found["left_by_connections"], json!((limit / 8).clamp(8, 64)));
}

/// A control group with this limit, removed when dropped.
struct Group(PathBuf);

impl Group {
    /// `None` where this user may not make one.
    fn of(limit_bytes: u64) -> Option<Self> {
        let name = format!("shardgate-test-{}", std::process::id());
        for (root, file) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
        {
            let folder = PathBuf::from(root).join(&name);
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self(folder);
            if fs::write(group.0.join(file), limit_bytes.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn memory_of_a_control_group_is_shared_out() {
    const LIMIT_BYTES: u64 = 256 << 20;
    let Some(group) = Group::of(LIMIT_BYTES) else {
        println!("untried: control groups may not be made here");
        return;
    };
    let entering = format!("echo $$ >{}/cgroup.procs && exec \"$0\" \"$@\"", group.0.display());
    for (text, buffered_bytes_max) in
        [("", LIMIT_BYTES / 4), ("[http]\nbuffered_bytes_max = 12345678\n", 12_345_678)]
    {
        let gateway = Launch::demo().config(text).through_a_shell(&entering).start();
        let said = gateway.wait_for_line("memory is limited");
        assert!(said.contains(&LIMIT_BYTES.to_string()), "{said}");
        assert!(said.contains(&buffered_bytes_max.to_string()), "{said}");
        let config = config(&gateway);
        assert_eq!(config["system"]["memory"]["limit_bytes"], json!(LIMIT_BYTES));
        assert_eq!(config["http"]["max_buffered_bytes"], json!(buffered_bytes_max));
        assert_eq!(config["http"]["max_connections"], json!(LIMIT_BYTES / 4 / 8_192));
        assert_eq!(gateway.stop().0.code(), Some(0));
    }
}
