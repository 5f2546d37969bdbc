//! An ONNX file: loaded as a shard loads it, and run if it loads.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use shards::features::FeatureMatrix;
use shards::model::manifest::Manifest;
use shards::model::repository::{MODEL_FILE, ModelDirectory};
use shards::model::{FileLimits, LoadOptions, Model};

const VALUES: [f64; 6] = [0.0, -1.5, 3.25, f64::NAN, f64::INFINITY, 1e30];

/// A folder of this process for one model; memory where there is some.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let folder = FOLDER.get_or_init(|| {
            tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
        });
        fs::create_dir(folder.path().join("1")).expect("an empty folder");
        folder.path().to_owned()
    })
}

/// Loads the file and scores a few rows; the same rows give the same bits again.
pub(crate) fn run(bytes: &[u8]) {
    let directory = ModelDirectory {
        name: "fuzzed".to_owned(),
        path: folder().clone(),
        manifest: Manifest::default(),
        version: 1,
        file: folder().join("1").join(MODEL_FILE),
    };
    fs::write(&directory.file, bytes).expect("the folder is writable");
    let limits = FileLimits { file_bytes_max: 1 << 20, nodes_max: 100 };
    let options = LoadOptions { limits, warm_up_rows: 1, ..LoadOptions::default() };
    let Ok(mut model) = Model::load(&directory, &options) else { return };

    let mut features = FeatureMatrix::new(model.columns(), model.precision());
    features.reset(3);
    for row in 0..3 {
        for column in 0..model.columns() {
            features.set(row, column, VALUES[(row * 5 + column) % VALUES.len()]);
        }
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    if model.score(&features, &mut first).is_ok() {
        assert_eq!(first.len(), 3);
        model.score(&features, &mut second).expect("the same rows as before");
        let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&first), bits(&second));
    }
}
