//! Rows that are explained and rows that are not are all answered, each by one version, while models
//! are reloaded.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::support::{Setup, wait_until};

const MANIFEST: &str = "[explain]\n[[columns]]\nname = \"x0\"\nsource = \"request\"\ndefault = nan\nnan = \"missing\"\n\
     [[columns]]\nname = \"x1\"\ndefault = nan\nnan = \"missing\"\n[[columns]]\nname = \"x2\"\ndefault = nan\n\
     nan = \"missing\"\n[[columns]]\nname = \"x3\"\ndefault = nan\nnan = \"missing\"\n[[columns]]\n\
     name = \"c0\"\ndefault = nan\nnan = \"missing\"\n[[columns]]\nname = \"c1\"\ndefault = nan\nnan = \"missing\"\n";

#[test]
fn and_none_is_lost_or_answered_without_its_reasons() {
    const RELOADS: usize = 12;
    let served = Setup::with_native(MANIFEST, "lightgbm-3.3.5-binary")
        .csv("user_id,x1,x2,x3,c0,c1\nu,0.5,-1,2,4,9\n")
        .serve();
    let (is_over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for client in 0..4 {
            let (served, is_over, asked) = (&served, &is_over, &asked);
            scope.spawn(move || {
                let mut client_of = served.client();
                let is_explained = client % 2 == 0;
                let option = if is_explained { ", \"explain\": 3" } else { "" };
                let one = format!("{{\"user_id\": \"u\", \"x0\": {client}{option}}}");
                let body = format!("[{}]", vec![one; 24].join(", "));
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client_of.predict(&body);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let rows: Vec<serde_json::Value> =
                        serde_json::from_str(&answer.body).expect("an array");
                    for row in &rows {
                        assert!(row["score"].is_number(), "{row}");
                        assert_eq!(row["reasons"].is_array(), is_explained, "{row}");
                        assert_eq!(row, &rows[0]);
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for reload in 0..RELOADS {
            let before = asked.load(Ordering::Relaxed);
            served.reload();
            wait_until(&format!("answers after reload {reload}"), || {
                is_over.load(Ordering::Relaxed) || asked.load(Ordering::Relaxed) > before + 8
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
