//! A file of `LightGBM`, `XGBoost` or `CatBoost`: loaded as a shard loads it, and run if it loads.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use shards::features::FeatureMatrix;
use shards::model::manifest::{ClassChoice, Manifest, ScoreOutput};
use shards::model::repository::ModelDirectory;
use shards::model::trees::KernelChoice;
use shards::model::{FileLimits, LoadOptions, Model};

const VALUES: [f64; 9] = [0.0, -1.5, 3.25, f64::NAN, f64::INFINITY, 1e30, -0.0, 17.0, 1e-36];
const ROWS: usize = 19;

/// A folder of this process for one model of a format; memory where there is some.
fn folder(format: &str) -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let root = FOLDER.get_or_init(|| {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
    });
    let path = root.path().join(format);
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// Loads the bytes as the file `name`, and scores a few rows by two kernels, which agree.
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let path = folder(name);
    let file = path.join(name);
    fs::write(&file, bytes).expect("the folder is writable");
    for tensor in [None, Some("margin".to_owned())] {
        let output = ScoreOutput::of(tensor, Some(ClassChoice::Index(0)));
        let manifest = Manifest { output, ..Manifest::default() };
        let directory = ModelDirectory {
            name: "fuzzed".to_owned(),
            path: path.clone(),
            manifest,
            version: 1,
            file: file.clone(),
        };
        let by = |kernel| {
            let limits = FileLimits { file_bytes_max: 1 << 20, nodes_max: 100 };
            let options = LoadOptions { limits, kernel, warm_up_rows: 1 };
            let mut model = Model::load(&directory, &options).ok()?;
            Some(score(&mut model))
        };
        assert_eq!(by(KernelChoice::Auto), by(KernelChoice::Walk));
    }
}

/// The bits of the scores of some rows; those of all NaNs are one.
fn score(model: &mut Model) -> Vec<u64> {
    let mut features = FeatureMatrix::new(model.columns(), model.precision());
    features.reset(ROWS);
    for row in 0..ROWS {
        for column in 0..model.columns() {
            features.set(row, column, VALUES[(row * 5 + column) % VALUES.len()]);
        }
    }
    let mut scores = Vec::new();
    model.score(&features, &mut scores).expect("a model that loads scores");
    assert_eq!(scores.len(), ROWS);
    let bits = |score: &f64| if score.is_nan() { f64::NAN.to_bits() } else { score.to_bits() };
    scores.iter().map(bits).collect()
}
