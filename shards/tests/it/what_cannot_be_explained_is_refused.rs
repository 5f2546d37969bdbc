//! A model that `[explain]` is said of and that can't be explained exactly is refused at load, with
//! what is missing and what to do; so is a background file that doesn't fit, by line and column.

use std::fs;
use std::path::Path;

use crate::graphs_contribute_as_shap_says::fixtures;
use crate::native_models::load_as;
use shards::model::explain::ExplainSettings;
use shards::model::manifest::Manifest;
use shards::model::trees::KernelChoice;

/// What is said where a fixture of `tests/FOLDER` is loaded with this background file.
fn refusal(folder: &str, fixture: &str, background: Option<&str>) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let place = tempfile::tempdir().expect("a temporary folder");
    let file = place.path().join("model.onnx");
    fs::copy(tests.join(folder).join(fixture).join("model.onnx"), &file).expect("a model");
    if let Some(text) = background {
        fs::write(place.path().join("background.csv"), text).expect("a background file");
    }
    let background = background.map(|_| "background.csv".to_owned());
    let explain = Some(ExplainSettings { background, ..ExplainSettings::default() });
    let manifest = Manifest { explain, ..Manifest::default() };
    load_as(&file, manifest, KernelChoice::Auto).map_or_else(|error| error, |_| String::new())
}

#[test]
fn what_is_missing_is_said() {
    for (folder, fixture, reason) in [
        ("zoo", "gbdt-binary", "doesn't say how many training rows took each branch"),
        ("explained", "ridge", "against the means of its columns"),
        ("zoo", "pca-logistic", "is made of the columns"),
        ("zoo", "ada-boost-binary", "neither a tree ensemble nor a linear function"),
    ] {
        let said = refusal(folder, fixture, None);
        assert!(said.contains(reason), "{fixture}: {said:?}");
        assert!(said.contains("model.toml") || said.contains("background"), "{fixture}: {said}");
    }
}

#[test]
fn a_background_file_that_does_not_fit() {
    let wide = "x0,x1,x2,x3,x4,x5\n1,2,3,4,0,1\n1,2,much,4,0,1\n";
    for (text, reason) in [
        (wide, "background.csv:3: column `x2`: found \"much\", expected a number"),
        ("x0,x1\n1,2\n", "2 feature columns, the model reads 6"),
        ("x0,x1,x2,x3,x4,x5\n", "it has 0 rows, expected 1 to 10000"),
    ] {
        let said = refusal("explained", "ridge", Some(text));
        assert!(said.contains(reason), "{said}");
    }
    let explain = Some(ExplainSettings {
        background: Some("other.csv".to_owned()),
        ..ExplainSettings::default()
    });
    let file = fixtures()[0].join("model.onnx");
    let manifest = Manifest { explain, ..Manifest::default() };
    let said =
        load_as(&file, manifest, KernelChoice::Auto).map_or_else(|error| error, |_| String::new());
    assert!(said.contains("\"other.csv\": there is no such file in"), "{said}");
}
