//! A graph whose score for a row depends on the other rows of its batch is refused at load, by the
//! node that mixes them; all that is served has the same bits for a row in any batch.

use std::path::{Path, PathBuf};

use crate::zoo_models::output_of;
use shards::model::manifest::{ClassChoice, Manifest, ScoreOutput};
use shards::model::repository::ModelDirectory;
use shards::model::{LoadOptions, Model, ModelError};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn load(folder: &Path) -> Result<Model, ModelError> {
    load_output(folder, ScoreOutput::of(None, Some(ClassChoice::Index(0))))
}

fn load_output(folder: &Path, output: ScoreOutput) -> Result<Model, ModelError> {
    let directory = ModelDirectory {
        name: "rows".to_owned(),
        path: folder.to_owned(),
        manifest: Manifest { output, ..Manifest::default() },
        version: 1,
        file: folder.join("model.onnx"),
    };
    Model::load(&directory, &LoadOptions { warm_up_rows: 64, ..LoadOptions::default() })
}

#[test]
fn everything_that_was_served_is_served() {
    let mut models = 0;
    for kind in ["zoo", "operators"] {
        for entry in std::fs::read_dir(tests().join(kind)).expect("a folder") {
            let folder = entry.expect("an entry").path();
            if folder.join("golden.csv").exists() {
                let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
                let class = Some(ClassChoice::Index(0));
                let output = match kind {
                    "zoo" => output_of(name, Some(0)),
                    _ => ScoreOutput::of(None, class),
                };
                load_output(&folder, output).unwrap_or_else(|error| panic!("{error}"));
                models += 1;
            }
        }
    }
    assert!(models > 140, "only {models} models");
}

/// The operator that mixes rows in each of the graphs of `operators/rows.py`.
const MIXERS: [(&str, &str); 22] = [
    ("softmax", "Softmax"),
    ("mean", "ReduceMean"),
    ("mean-of-all", "ReduceMean"),
    ("maximum", "ReduceMax"),
    ("cumulative", "CumSum"),
    ("norm", "LpNormalization"),
    ("variance", "MeanVarianceNormalization"),
    ("quantized", "DynamicQuantizeLinear"),
    ("identity-matrix", "EyeLike"),
    ("triangle", "Trilu"),
    ("scatter", "ScatterND"),
    ("pairs", "MatMul"),
    ("covariance", "MatMul"),
    ("first-row", "Gather"),
    ("reversed", "Slice"),
    ("torn", "Reshape"),
    ("count", "Div"),
    ("top", "TopK"),
    ("random", "RandomUniformLike"),
    ("turned-mean", "ReduceMean"),
    ("scan", "Scan"),
    ("loop", "Loop"),
];

#[test]
fn the_node_that_mixes_rows_is_named() {
    let mut wrong = Vec::new();
    for (name, operator) in MIXERS {
        let folder = tests().join("operators").join(format!("rows-{name}"));
        let text = match load(&folder) {
            Ok(_) => "it loads".to_owned(),
            Err(error) => error.to_string(),
        };
        let named = text.contains(&format!("node `mixer` (operator {operator}): "));
        let advised = text.contains("export") || text.contains("quantize");
        if !named || !advised {
            wrong.push(format!("{name}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
