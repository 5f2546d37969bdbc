//! What an import chose, changed or could not take is on its standard error, each in one line.

use crate::support::gateway::store;
use crate::support::{Ended, run, shardgate};

/// Imports these bytes into a store of its own.
fn import(csv: &[u8], more: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.csv");
    std::fs::write(&path, csv).unwrap();
    let target = store(&folder.path().join("store"));
    run(shardgate().arg("import").arg(path).args(["--store", &target]).args(more))
}

#[test]
fn choices_and_changes_are_noted() {
    let ended = import(b"id;a\nu;16777217\nv;NA\nu;3\n", &[]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("imported 3 rows from "), "{ended:?}");
    let notes: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(notes.len(), 5, "{ended:?}");
    for (note, said) in notes.iter().zip([
        "the keys are those of the first one, `id`",
        "separated by `;`",
        "`NA` for a value that is not known in 1 cells (first: line 3, `a`)",
        "1 rows have a key that an earlier row has (first: line 4, `u`)",
        "`a:double` in the header keeps them",
    ]) {
        assert!(note.starts_with("note: ") && note.contains(said), "no `{said}`: {note}");
    }
    let plain = import(b"user_id,a\nu,1\n", &[]);
    assert_eq!((plain.status, plain.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_file_that_cannot_be_taken_is_a_failure_with_one_line() {
    let skip = ["--on-error", "skip"];
    for (csv, more, said) in [
        (&b"user_id,a\nu0,0\n\"u1,1\nu2,2\n"[..], &skip[..], "line 3, column 1: a quote (\")"),
        (b"user_id,a\nJos\xe9,1\n", &[], "line 2, column 1 (`user_id`): the key `Jos"),
        (
            b"user_id,a:float\nu,Berlin\n",
            &[],
            "line 2, column 2 (`a`): `Berlin` is not of type float",
        ),
    ] {
        let ended = import(csv, more);
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains("users.csv: ") && ended.stderr.contains(said), "{ended:?}");
    }
}
