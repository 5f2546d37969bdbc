//! A model that cannot be served is refused when it is loaded, by a message that names the file,
//! the node or the key, and what to do.

use crate::zoo_models::{bytes, folder, load_bytes, load_file, score};
use shards::model::manifest::{ClassChoice, Manifest, ScoreOutput};
use shards::model::repository::{ModelDirectory, Repository};
use shards::model::{FileLimits, LoadOptions, Model};
use std::path::Path;

/// The model's file with one word replaced by another of the same length.
fn with_word(name: &str, word: &str, other: &str) -> Vec<u8> {
    assert_eq!(word.len(), other.len());
    let mut bytes = bytes(name);
    let found = bytes.windows(word.len()).position(|window| window == word.as_bytes());
    let found = found.expect("the file has the word");
    bytes[found..found + word.len()].copy_from_slice(other.as_bytes());
    bytes
}

/// A file as version 1 of a model whose first class is the score.
fn directory_of(file: &Path) -> ModelDirectory {
    let output = ScoreOutput::of(None, Some(ClassChoice::Index(0)));
    ModelDirectory {
        name: "named".to_owned(),
        path: file.parent().expect("a file has a folder").to_owned(),
        manifest: Manifest { output, ..Manifest::default() },
        version: 1,
        file: file.to_owned(),
    }
}

fn refusal(bytes: &[u8]) -> String {
    load_bytes(bytes).expect_err("it cannot be served").to_string()
}

fn refused_output(name: &str, tensor: Option<&str>, class: Option<ClassChoice>) -> String {
    let output = ScoreOutput::of(tensor.map(str::to_owned), class);
    let file = folder(name).join("model.onnx");
    load_file(&file, output).expect_err("there is no such output").to_string()
}

#[test]
fn an_unknown_operator_is_named_with_its_node() {
    let text = refusal(&with_word("mlp-binary-relu", "Sigmoid", "Sigmoit"));
    assert!(text.contains("(operator Sigmoit): this operator is not supported"), "{text}");
}

#[test]
fn an_unknown_branch_mode_is_named_with_its_node() {
    let text = refusal(&with_word("gbdt-binary", "BRANCH_LEQ", "BRANCH_XEQ"));
    assert!(text.contains("operator ai.onnx.ml.TreeEnsembleClassifier"), "{text}");
    assert!(text.contains("found \"BRANCH_XEQ\", expected one of BRANCH_LEQ"), "{text}");
}

#[test]
fn a_test_of_membership_without_members_is_refused_with_its_node() {
    let file = folder("../operators/tree-ensemble-v5-member").join("model.onnx");
    let mut bytes = std::fs::read(file).expect("it is there");
    let word = b"membership_values";
    let found = bytes.windows(word.len()).position(|window| window == word);
    bytes[found.expect("it has members")] = b'x';
    let text = refusal(&bytes);
    assert!(text.contains("node `trees` (operator ai.onnx.ml.TreeEnsemble)"), "{text}");
    assert!(text.contains("`membership_values` has 1 lists"), "{text}");
}

#[test]
fn categories_that_cannot_be_told_apart_are_refused_with_their_node() {
    for (name, said) in [
        ("one-hot-text", "it compares texts with numbers"),
        ("one-hot-large", "category 16777217 is beyond what a float tells apart"),
    ] {
        let file = folder("../operators").join(name).join("model.onnx");
        let output = ScoreOutput::of(None, Some(ClassChoice::Index(0)));
        let text = load_file(&file, output).expect_err("it is not supported").to_string();
        assert!(text.contains("node `bits` (operator ai.onnx.ml.OneHotEncoder)"), "{text}");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn what_looks_into_texts_is_refused_with_its_node() {
    for (name, said) in [
        ("number-as-text", "node `Cast_text` (operator Cast): it makes texts of numbers"),
        ("text-as-number", "node `Cast_score` (operator Cast): it reads texts as numbers"),
        ("text-normalizer", "(operator StringNormalizer): it changes texts before they are"),
        ("text-pairs", "node `Equal_is` (operator Equal): it compares two columns of text"),
        ("text-twice", "text \"red\" is there twice"),
        ("text-words", "(operator TfIdfVectorizer): it cuts texts into words"),
        ("text-of-open-width", "input `colours` holds texts, and its width is not in the file"),
    ] {
        let file = folder("../operators").join(name).join("model.onnx");
        let text = load_file(&file, ScoreOutput::default()).expect_err("it looks into texts");
        assert!(text.to_string().contains(said), "{name}: {text}");
    }
}

#[test]
fn many_classes_need_a_choice() {
    let text = refused_output("gbdt-multi", None, None);
    assert!(text.contains("has 3 columns: name the one that is the score"), "{text}");
    assert!(text.contains("(labels: 0, 1, 2)"), "{text}");
}

#[test]
fn a_class_can_be_named_by_its_label() {
    let file = folder("gbdt-multi-zipmap-strings").join("model.onnx");
    let class = Some(ClassChoice::Label("low".to_owned()));
    load_file(&file, ScoreOutput::of(None, class)).expect("it has the label `low`");
    let class = Some(ClassChoice::Label("lowest".to_owned()));
    let text = refused_output("gbdt-multi-zipmap-strings", None, class);
    assert!(text.contains("the model's labels are: high, low, middle"), "{text}");
}

#[test]
fn a_class_beyond_the_last_is_refused() {
    let text = refused_output("gbdt-binary", None, Some(ClassChoice::Index(2)));
    assert!(text.contains("[output] class = 2"), "{text}");
    assert!(text.contains("has 2 columns, counted from 0"), "{text}");
}

#[test]
fn an_unknown_output_is_refused_with_those_there_are() {
    let text = refused_output("gbdt-binary", Some("probability"), None);
    assert!(text.contains("no such output; it has: label, probabilities"), "{text}");
}

#[test]
fn the_label_is_no_score() {
    let text = refused_output("gbdt-binary", Some("label"), None);
    assert!(text.contains("depends on its label"), "{text}");
}

/// Where it is the greatest of several scores, and a number.
#[test]
fn a_label_that_is_a_number_is_its_own_score() {
    for name in ["logistic-multi", "decision-tree-multi", "random-forest-multi"] {
        let file = folder(name).join("model.onnx");
        let label = ScoreOutput::of(Some("label".to_owned()), None);
        let mut labels = load_file(&file, label).expect("its labels are numbers");
        let rows: Vec<Vec<f64>> = (0..40)
            .map(|row| (0..6).map(|column| f64::from(row * column % 9 - 4)).collect())
            .collect();
        let probabilities: Vec<_> = (0..3)
            .map(|class| {
                let output = ScoreOutput::of(None, Some(ClassChoice::Index(class)));
                score(&mut load_file(&file, output).expect("it loads"), &rows)
            })
            .collect();
        for (row, label) in score(&mut labels, &rows).into_iter().enumerate() {
            let greatest = (0..3).map(|class| probabilities[class][row]).fold(0.0, f64::max);
            let found = probabilities[label as usize][row];
            assert_eq!(found.to_bits(), greatest.to_bits(), "{name} row {row}");
        }
    }
    let text = refused_output("logistic-multi-zipmap-strings", Some("output_label"), None);
    assert!(text.contains("its label, which is a text"), "{text}");
}

#[test]
fn a_file_beyond_the_limits_is_refused() {
    let root = folder("").join("../../../models");
    let directory = Repository::new(root).find("credit-risk", None).expect("it is bundled");
    let limits = FileLimits { file_bytes_max: 1000, ..FileLimits::default() };
    let options = LoadOptions { limits, ..LoadOptions::default() };
    let text = Model::load(&directory, &options).expect_err("too large").to_string();
    let size = std::fs::metadata(&directory.file).unwrap().len();
    let said = format!(
        "credit-risk/1/model.onnx: {size} bytes or more, the limit is max_model_file_bytes = 1000"
    );
    assert!(text.contains(&said), "{text}");
    let limits = FileLimits { nodes_max: 0, ..FileLimits::default() };
    let options = LoadOptions { limits, ..LoadOptions::default() };
    let text = Model::load(&directory, &options).expect_err("too many").to_string();
    assert!(text.contains("nodes, the limit is 0"), "{text}");
}

#[test]
fn a_few_bytes_cannot_ask_for_all_memory() {
    for (name, problem) in [
        ("hostile-concat", "node `wide_14`: rows of 98304 columns, the limit is 65536"),
        ("hostile-shape", "node `zeros` (operator ConstantOfShape): the size of what it makes is"),
    ] {
        let file = folder("../operators").join(name).join("model.onnx");
        let output = ScoreOutput::of(None, Some(ClassChoice::Index(0)));
        let text = load_file(&file, output).expect_err("it is hostile").to_string();
        assert!(text.contains(problem), "{text}");
    }
}

#[test]
fn weights_elsewhere_are_read_from_beside_the_file_alone() {
    for (name, said) in [
        ("above", "`../weights-beside/model.onnx.data`, which is no file beside the model's"),
        ("root", "`/etc/passwd`, which is no file beside the model's"),
        ("none", "`none.data` beside the model's file, which cannot be read"),
        (
            "beyond",
            "are 4611686018427387904 bytes at 4611686018427387904 of `model.onnx`, which has",
        ),
        ("short", "its shape [3, 2] needs 6 cells, it has 5"),
    ] {
        let file = folder("../operators").join(format!("hostile-weights-{name}"));
        let output = ScoreOutput::of(None, Some(ClassChoice::Index(0)));
        let text = load_file(&file.join("model.onnx"), output).expect_err("it is hostile");
        let text = text.to_string();
        assert!(text.contains("tensor `weights`: ") && text.contains(said), "{name}: {text}");
    }
}

#[test]
fn weights_beside_the_file_have_its_bound() {
    let file = folder("../operators/weights-beside").join("model.onnx");
    let size = std::fs::metadata(&file).unwrap().len();
    let directory = directory_of(&file);
    let limits = FileLimits { file_bytes_max: size, ..FileLimits::default() };
    let options = LoadOptions { limits, ..LoadOptions::default() };
    let text = Model::load(&directory, &options).expect_err("too large").to_string();
    assert!(text.contains("bytes or more, the limit is max_model_file_bytes"), "{text}");
}

#[test]
fn a_panic_of_tracts_is_a_refusal_of_its_node() {
    for (name, problem) in [
        ("flatten", "(operator Flatten): it cannot be planned (it panics)"),
        ("remainder", "(operator Mod): it fails on plausible values (it panics)"),
        ("transpose", "(operator Transpose): its `perm` names an axis twice"),
    ] {
        let file = folder("../operators").join(format!("panics-{name}")).join("model.onnx");
        let text = load_file(&file, ScoreOutput::default()).expect_err("it panics").to_string();
        assert!(text.contains(&format!("node `mixer` {problem}")), "{text}");
    }
}

#[test]
fn a_manifest_of_another_width_is_refused() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let version = root.path().join("narrow/1");
    std::fs::create_dir_all(&version).expect("a folder");
    std::fs::write(version.join("model.onnx"), bytes("gbdt-binary")).expect("a file");
    std::fs::write(root.path().join("narrow/model.toml"), "[[columns]]\nname = \"a\"\n")
        .expect("a file");
    let directory = Repository::new(root.path()).find("narrow", None).expect("it is there");
    let error = Model::load(&directory, &LoadOptions::default()).expect_err("too narrow");
    let text = error.to_string();
    assert!(text.contains("it reads 6 columns, model.toml names 1"), "{text}");
}
