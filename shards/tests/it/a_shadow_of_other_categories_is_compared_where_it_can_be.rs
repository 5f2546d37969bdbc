//! A candidate with other categories than the version that is served: a text that only it may know
//! is left out of the comparison, as the text itself is gone.

use shards::telemetry::{Counter, ShadowCounters};

use crate::support::{Served, Setup, wait_until};
use crate::text_models;

/// The model on text, and a candidate in whose file `repairs` is called so.
fn serve(name: &str) -> Served {
    let file = std::fs::read(text_models::folder().join("onehot-ignore/model.onnx")).unwrap();
    let mut other = file.clone();
    let at = file.windows(7).position(|bytes| bytes == b"repairs").expect("a category");
    other[at..at + 7].copy_from_slice(name.as_bytes());
    let (stored, given) = ("name = \"purpose\"\n", "name = \"purpose\"\nsource = \"request\"\n");
    let columns = text_models::COLUMNS.replace(stored, given);
    let manifest = format!("[shadow]\nversion = 2\npercent = 100.0\n{columns}");
    let setup = Setup::with_model(&manifest, &file).and_version_of(2, &other);
    setup.csv("user_id,age:int\nu,41\n").serve()
}

/// How many copies were compared, got no score, or were skipped.
fn ended(served: &Served) -> [u64; 3] {
    let shadow = served.shadow();
    let ShadowCounters { compared, failed, skipped, .. } = &shadow.counters.shadow;
    [compared, failed, skipped].map(Counter::get)
}

/// How many copies of such requests were compared, and how many were skipped.
fn compared(served: &Served, purposes: &[&str]) -> (u64, u64) {
    let mut client = served.client();
    for (asked, purpose) in (1..).zip(purposes) {
        let body = format!(
            "{{\"user_id\": \"u\", \"amount\": 300, \"country\": \"NL\", \"purpose\": {purpose}}}"
        );
        let answer = client.predict(&body);
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        wait_until("the copy has come to an end", || ended(served).iter().sum::<u64>() == asked);
    }
    let [compared, failed, skipped] = ended(served);
    assert_eq!(failed, 0);
    (compared, skipped)
}

#[test]
fn a_text_that_only_the_candidate_may_know_is_skipped() {
    let served = serve("repaint");
    assert_eq!(compared(&served, &["\"repaint\"", "\"XX\""]), (0, 2));
}

#[test]
fn any_other_text_is_compared() {
    let served = serve("repaint");
    assert_eq!(compared(&served, &["\"car\"", "\"repairs\"", "null"]), (3, 0));
    let same = serve("repairs");
    assert_eq!(compared(&same, &["\"car\"", "\"repairs\"", "\"XX\"", "null"]), (4, 0));
}
