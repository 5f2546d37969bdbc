//! What the live page shows of models and of the store comes with its events: requests and p99 of each
//! version that answers, how far a candidate's scores are from those, and since when there is what.

use std::fs;

use crate::support::events::heard;
use crate::support::{Launch, import, models};
use serde_json::{Value, json};

const ROLES: &str =
    "\n[canary]\nversion = 2\npercent = 50.0\n[shadow]\nversion = 3\npercent = 100.0\n";

/// Three versions of `demo-logistic`: one that answers, a canary, and a candidate.
fn three_versions() -> tempfile::TempDir {
    let repository = tempfile::tempdir().unwrap();
    let (source, model) = (models().join("demo-logistic"), repository.path().join("demo-logistic"));
    for version in ["1", "2", "3"] {
        fs::create_dir_all(model.join(version)).unwrap();
        fs::copy(source.join("1/model.onnx"), model.join(version).join("model.onnx")).unwrap();
    }
    let manifest = fs::read_to_string(source.join("model.toml")).unwrap();
    fs::write(model.join("model.toml"), format!("{manifest}{ROLES}")).unwrap();
    repository
}

#[test]
fn of_each_version_what_it_did() {
    let repository = three_versions();
    let gateway =
        Launch::demo().with(|command| _ = command.arg("--models").arg(repository.path())).start();
    let mut client = gateway.client();
    for user in 0..200 {
        assert_eq!(client.predict(&format!("{{\"user_id\": \"u{user}\"}}")).status, 200);
    }
    let find = |second: &Value, role: &str| {
        let models = second["models"].as_array().unwrap();
        models.iter().find(|model| model["role"] == role).cloned()
    };
    for (role, version) in [("stable", 1), ("canary", 2)] {
        let model = heard(&gateway, "second", |second| find(second, role));
        assert_eq!(
            (&model["model"], &model["version"]),
            (&json!("demo-logistic"), &json!(version))
        );
        assert!(model["requests_per_s"].as_f64() > Some(0.0), "{model}");
        assert!(model["p99_us"].as_f64() > Some(0.0), "{model}");
        assert!(model.get("shadow").is_none(), "{model}");
    }
    let shadow = heard(&gateway, "second", |second| {
        let shadow = find(second, "shadow")?["shadow"].clone();
        (shadow["compared"].as_u64() > Some(0)).then_some(shadow)
    });
    assert_eq!(shadow["mean_absolute"], 0.0, "it is a copy: {shadow}");
}

/// One applicant again and again, whose purpose few others had.
#[test]
fn of_columns_that_drift_from_the_training_data() {
    let gateway = Launch::of("credit-risk").start();
    let mut client = gateway.client();
    let columns = loop {
        for _ in 0..500 {
            assert_eq!(client.predict("{\"user_id\": \"applicant-0158\"}").status, 200);
        }
        let drift = heard(&gateway, "drift", |drift| Some(drift.as_array().unwrap().clone()));
        let of_column =
            |one: &Value| Some((one["index"].as_f64()?, one["column"].as_str()?.to_owned()));
        let mut columns: Vec<_> = drift.iter().filter_map(of_column).collect();
        columns.sort_by(|one, other| other.0.total_cmp(&one.0));
        if !columns.is_empty() {
            break columns;
        }
    };
    assert!(columns.len() > 3 && columns[0].0 > 0.25, "{columns:?}");
    let manifest = fs::read_to_string(models().join("credit-risk/model.toml")).unwrap();
    let column = &columns[0].1;
    assert!(manifest.contains(&format!("name = \"{column}\"\ntype = \"text\"")), "{column}");
}

#[test]
fn of_the_store_and_of_an_import() {
    let gateway = Launch::demo().start();
    let started = heard(&gateway, "status", |status| status["started_s"].as_u64());
    let store = |users: u64| {
        heard(&gateway, "status", |status| {
            let store = &status["store"];
            (store["users"] == users).then(|| store.clone())
        })
    };
    let before = store(2);
    let address = before["address"].as_str().unwrap();
    assert!(address.starts_with("embedded:"), "{address}");
    assert!(before["imported_s"].as_u64() <= Some(started), "{before}");
    let csv = gateway.store().join("more.csv");
    fs::write(&csv, "user_id,feature_1,feature_2,feature_3\nmore,0.5,0.5,0.5\n").unwrap();
    import(&csv, &gateway.store());
    let after = store(3);
    assert!(after["imported_s"].as_u64() >= Some(started), "{after}");
}
