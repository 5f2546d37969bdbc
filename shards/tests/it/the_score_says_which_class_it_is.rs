//! Which number of a model's outputs is the score is said in words, and where that is not certain
//! it has to be chosen.

use std::path::PathBuf;

use shards::model::golden;
use shards::model::manifest::{ClassChoice, ScoreOutput};

use crate::zoo_models::{folder, load, load_file};

fn operator(name: &str) -> PathBuf {
    folder("../operators").join(name).join("model.onnx")
}

fn class(label: &str) -> ScoreOutput {
    ScoreOutput::of(None, Some(ClassChoice::Label(label.to_owned())))
}

#[test]
fn a_class_is_named_as_the_file_names_it() {
    for (name, score) in [
        ("gbdt-binary", "P(class \"1\")"),
        ("logistic-binary-zipmap-strings", "P(class \"good\")"),
        ("mlp-binary-strings", "P(class \"good\")"),
        ("ada-boost-binary", "P(class \"1\")"),
        ("calibrated-sigmoid-linear-svc", "P(class \"1\")"),
        ("ridge", "output \"variable\""),
        ("linear-svc-binary", "one number for classes \"0\" and \"1\""),
    ] {
        let described = load(name).describe();
        assert!(described.score.contains(score), "{name}: {}", described.score);
        let is_text = name.ends_with("strings");
        assert_eq!(!described.doubts().is_empty(), is_text, "{name}");
    }
}

#[test]
fn a_class_that_is_chosen_leaves_no_doubt() {
    for name in ["logistic-binary-zipmap-strings", "mlp-binary-strings"] {
        let file = folder(name).join("model.onnx");
        let described = load_file(&file, class("bad")).expect("it has the label").describe();
        assert_eq!((described.score.as_str(), described.doubts()), ("P(class \"bad\")", vec![]));
    }
}

#[test]
fn labels_are_those_of_the_output_and_not_of_a_part() {
    // Each of its parts is a classifier of two classes of its own.
    let file = folder("one-vs-rest-logistic-strings").join("model.onnx");
    for (place, label) in ["high", "low", "middle"].into_iter().enumerate() {
        let mut model = load_file(&file, class(label)).expect("it has the label");
        assert_eq!(model.describe().score, format!("P(class \"{label}\")"));
        let golden = file.with_file_name("golden.csv");
        let report = golden::replay(&mut model, &golden, &format!("score_{place}"));
        assert!(report.expect("it is replayed").agrees(), "{label}");
    }
    let text = load_file(&file, class("1")).expect_err("no label of it").to_string();
    assert!(text.contains("the model's labels are: high, low, middle"), "{text}");
}

#[test]
fn one_of_several_targets_has_to_be_chosen() {
    let text = load_file(&operator("two-targets"), ScoreOutput::default());
    let text = text.expect_err("which of them?").to_string();
    assert!(text.contains("output `score` has 2 columns and is no classifier's"), "{text}");
    assert!(text.contains("[output] class = INDEX"), "{text}");
    let output = ScoreOutput::of(None, Some(ClassChoice::Index(0)));
    let model = load_file(&operator("two-targets"), output).expect("it is chosen");
    assert_eq!(model.describe().score, "column 0 of output \"score\"");
}
