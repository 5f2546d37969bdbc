//! A file of `LightGBM`, `XGBoost` or `CatBoost` that does not hold together is refused: the error names
//! the line, key or byte, what is there, what was expected and, where there is one, a way out.

use std::fs;

use crate::native_models::{file, load_file};
use shards::model::manifest::ScoreOutput;
use shards::model::trees::KernelChoice;

/// What is said about a fixture's file after a change.
fn said(fixture: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
    let from = file(fixture);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(from.file_name().unwrap());
    fs::write(&path, change(fs::read(&from).unwrap())).unwrap();
    match load_file(&path, ScoreOutput::default(), KernelChoice::Auto) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => error.rsplit_once(&*path.to_string_lossy()).unwrap().1.to_owned(),
    }
}

/// The same, of a text of which the first `from` becomes `to`.
fn after(fixture: &str, from: &str, to: &str) -> String {
    said(fixture, |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "no `{from}` in {fixture}");
        text.replacen(from, to, 1).into_bytes()
    })
}

fn check(found: &str, expected: &[&str]) {
    for expected in expected {
        assert!(found.contains(expected), "no `{expected}` in: {found}");
    }
}

#[test]
fn lightgbm_names_the_line() {
    let fixture = "lightgbm-4.6.0-numeric";
    let cases: [(&str, &str, &[&str]); 10] = [
        ("tree\n", "forest\n", &["line 1, `tree`", "forest"]),
        ("version=v4", "version=v9", &["line 2, `version`", "`v9`", "v2, v3 or v4"]),
        ("num_leaves=7", "num_leaves=8", &["`leaf_value`", "7 numbers", "expected 8"]),
        ("num_leaves=7", "num_leaves=99999999999", &["`num_leaves`", "99999999999"]),
        ("split_feature=", "split_feature=9", &["`split_feature`", "columns 0 to 5"]),
        ("left_child=1", "left_child=0", &["tree 0", "reached twice"]),
        ("left_child=1", "left_child=77", &["`left_child`", "`77`", "branches to 5"]),
        ("decision_type=", "decision_type=x", &["`decision_type`", "numbers"]),
        ("max_feature_idx=5", "max_feature_idx=4294967295", &["4294967296 columns"]),
        ("objective=binary", "objective=mystery", &["`mystery`", "\"margin\""]),
    ];
    for (from, to, expected) in cases {
        check(&after(fixture, from, to), expected);
    }
    check(&said(fixture, |bytes| bytes[..bytes.len() / 3].to_vec()), &["cut short"]);
    check(&said(fixture, |_| vec![0xff, 0xfe]), &["byte 0", "UTF-8"]);
    check(&said(fixture, |_| Vec::new()), &["line 1", "nothing"]);
}

#[test]
fn lightgbm_checks_categories_and_linear_leaves() {
    let fixture = "lightgbm-4.6.0-many-categories";
    check(&after(fixture, "cat_boundaries=0 ", "cat_boundaries=9 "), &["`cat_boundaries`"]);
    check(&after(fixture, "num_cat=", "num_cat=7"), &["`cat_boundaries`", "numbers"]);
    let fixture = "lightgbm-4.6.0-linear";
    check(&after(fixture, "num_features=", "num_features=7"), &["`num_features`"]);
}

#[test]
fn xgboost_names_the_key() {
    let fixture = "xgboost-3.4.1-partitioned";
    let model = "learner.gradient_booster.model";
    let cases: [(&str, &str, &[&str]); 9] = [
        (
            "\"left_children\":[",
            "\"left_children\":[9,",
            &[model, "trees[0].sum_hessian", "numbers"],
        ),
        ("\"left_children\":[1", "\"left_children\":[0", &["reached twice"]),
        ("\"split_indices\":[", "\"split_indices\":[1.5,", &["trees[0].split_indices", "1.5"]),
        ("\"name\":\"gbtree\"", "\"name\":\"gbforest\"", &["gbforest", "gblinear"]),
        ("\"base_score\":\"[", "\"base_score\":\"[2,3,", &["base_score", "1 or 1"]),
        ("\"base_score\":\"[", "\"base_score\":\"[7", &["base_score", "objective can have"]),
        ("\"num_class\":\"0\"", "\"num_class\":\"x\"", &["num_class", "a number"]),
        ("\"learner\"", "\"lerner\"", &["`learner`", "nothing"]),
        ("\"categories_sizes\":[", "\"categories_sizes\":[9999,", &["categories_nodes"]),
    ];
    for (from, to, expected) in cases {
        check(&after(fixture, from, to), expected);
    }
    check(&said(fixture, |bytes| bytes[..bytes.len() / 2].to_vec()), &["cut short"]);
    check(&said(fixture, |_| b"{\"learner\": }".to_vec()), &["byte 12"]);
    check(&said(fixture, |_| b"[".repeat(1 << 20)), &["too deep"]);
    let ubjson = "xgboost-3.4.1-partitioned-ubj";
    check(&said(ubjson, |bytes| bytes[..bytes.len() / 2].to_vec()), &["byte"]);
    check(&said(ubjson, |_| b"{L\0\0\0\0\0\0\0\x01a[$d#L\x7f\0\0\0\0\0\0\0".to_vec()), &["byte"]);
}

#[test]
fn catboost_names_the_byte_or_key() {
    let fixture = "catboost-1.2.10-logloss";
    check(&said(fixture, |_| b"CBM2....".to_vec()), &["byte 0", "CBM1"]);
    check(&said(fixture, |bytes| bytes[..bytes.len() / 2].to_vec()), &["cut short"]);
    let wild = |mut bytes: Vec<u8>| {
        bytes[8..12].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
        bytes
    };
    check(&said(fixture, wild), &["the file is damaged"]);
    let json = "catboost-1.2.10-logloss-json";
    check(
        &after(json, "\"leaf_values\":", "\"leaf_values\":[1],\"x\":"),
        &["leaf_values", "numbers"],
    );
    check(&after(json, "FloatFeature", "Mystery"), &["split_type", "model.cbm"]);
    check(
        &after(json, "\"float_feature_index\":", "\"float_feature_index\":9"),
        &["float_feature"],
    );
    check(&after(json, "scale_and_bias", "bias"), &["`scale_and_bias`", "nothing"]);
}

#[test]
fn a_file_of_another_library_is_told_apart() {
    let catboost = fs::read(file("catboost-1.2.10-logloss-json")).unwrap();
    let found = said("xgboost-3.4.1-binary", |_| catboost.clone());
    check(&found, &["CatBoost", "model.cbm.json"]);
}
