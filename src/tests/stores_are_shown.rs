//! `schema` shows the columns of a store, `get` its rows, for people and as JSON.

use crate::support::gateway::store;
use crate::support::{import, run, shardgate};

const CSV: &str = "user_id,amount,id:bigint,flag:boolean,last_updated\n\
                   u,0.1,9007199254740993,true,2026-01-31T12:00:00.250Z\n\
                   v,,,,1000\nw,NaN,-1,0,\n";

fn shown(command: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (csv, target) = (folder.path().join("users.csv"), folder.path().join("store"));
    std::fs::write(&csv, CSV).unwrap();
    import(&csv, &target);
    let ended = run(shardgate().args(command).args(["--store", &store(&target)]));
    (ended.status, ended.stdout, ended.stderr)
}

fn words(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_columns_of_a_store() {
    let (status, out, _) = shown(&["schema"]);
    assert_eq!(status, Some(0));
    assert_eq!(words(&out), ["amount float", "id bigint", "flag boolean"]);
    let (_, out, _) = shown(&["schema", "--json"]);
    let expected = r#"{"columns":[{"name":"amount","type":"float"},{"name":"id","type":"bigint"},{"name":"flag","type":"boolean"}],"unread":[]}"#;
    assert_eq!(out.trim(), expected);
}

#[test]
fn the_rows_of_keys() {
    let (status, out, error) = shown(&["get", "u", "v"]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    let expected = [
        "key u",
        "last_updated 2026-01-31T12:00:00.250Z",
        "amount 0.1",
        "id 9007199254740993",
        "flag true",
        "",
        "key v",
        "last_updated 1970-01-01T00:00:01Z",
        "amount null",
        "id null",
        "flag null",
    ];
    assert_eq!(words(&out), expected);
    let (_, out, _) = shown(&["get", "u", "--json"]);
    let expected = r#"{"columns":{"amount":0.1,"flag":true,"id":9007199254740993},"key":"u","last_updated":"2026-01-31T12:00:00.250Z"}"#;
    assert_eq!(out.trim(), expected);
    let (_, out, _) = shown(&["get", "w", "--json"]);
    assert!(out.contains(r#""amount":"NaN","flag":false,"id":-1"#), "{out}");
}

#[test]
fn a_key_or_a_store_that_is_not_there_is_a_failure() {
    let (status, out, error) = shown(&["get", "nobody", "u"]);
    assert_eq!((status, error.as_str()), (Some(1), "`nobody`: the store has no such key\n"));
    assert!(out.contains("key"), "the others are shown: {out}");
    let folder = tempfile::tempdir().unwrap();
    for command in [&["schema"][..], &["get", "u"]] {
        let ended = run(shardgate().args(command).args(["--store", &store(folder.path())]));
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("no feature store here"), "{ended:?}");
    }
}
