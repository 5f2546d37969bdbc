//! A model's file is read once, however many shards load it, and each of them scores with its own copy:
//! the same bits, whatever computes them, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};

use crate::zoo_models::folder;
use shards::features::FeatureMatrix;
use shards::model::repository::{ModelDirectory, Repository};
use shards::model::{LoadOptions, Loads, MODEL_FILES, Model};

const SHARDS: usize = 3;

/// A model without a manifest in a repository of its own, whose file can be taken away.
fn copy_of(file: &Path, name: &str, root: &Path) -> ModelDirectory {
    let version = root.join(name).join("1");
    fs::create_dir_all(&version).unwrap();
    fs::copy(file, version.join(file.file_name().unwrap())).unwrap();
    Repository::new(root).find(name, None).expect("it is there")
}

/// Every model of the zoo, and every one that its library wrote.
fn every_model() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for kind in [folder(""), folder("../native")] {
        for entry in fs::read_dir(kind).unwrap().map(Result::unwrap) {
            let file =
                |(name, _): &(&str, _)| Some(entry.path().join(name)).filter(|f| f.is_file());
            if let Some(file) = MODEL_FILES.iter().find_map(file) {
                found.push((entry.file_name().into_string().unwrap(), file));
            }
        }
    }
    found
}

fn scores(model: &mut Model) -> Vec<u64> {
    let mut features = FeatureMatrix::new(model.columns(), model.precision());
    features.reset(5);
    for row in 0..5 {
        for column in 0..model.columns() {
            features.set(row, column, ((row * 7 + column * 3) % 11) as f64);
        }
    }
    let mut scores = Vec::new();
    model.score(&features, &mut scores).expect("it scores");
    scores.iter().map(|score| score.to_bits()).collect()
}

#[test]
fn the_first_reads_and_the_others_copy() {
    let (mut programs, mut plans, mut natives) = (0, 0, 0);
    for (name, file) in every_model() {
        let root = tempfile::tempdir().unwrap();
        let directory = copy_of(&file, &name, root.path());
        let options = LoadOptions { warm_up_rows: 8, ..LoadOptions::default() };
        // Some say in a manifest what their score is.
        let Ok(mut alone) = Model::load(&directory, &options) else { continue };
        let expected = scores(&mut alone);
        let is_plan = alone.describe().kernel.starts_with("tract");
        let is_native = !file.ends_with("model.onnx");
        natives += usize::from(is_native);
        plans += usize::from(is_plan);
        programs += usize::from(!is_native && !is_plan);
        let loads = Loads::for_shards(SHARDS);
        let mut models = vec![loads.load(&directory, &options).expect("it loads")];
        assert_eq!(loads.kept(), 1, "{name}: for the others");
        fs::remove_file(&directory.file).unwrap();
        for shard in 1..SHARDS {
            let model = loads.load(&directory, &options);
            models.push(model.unwrap_or_else(|error| panic!("{name}: shard {shard}: {error}")));
        }
        assert_eq!(loads.kept(), 0, "{name}: nothing is left behind");
        for model in &mut models {
            assert_eq!(scores(model), expected, "{name}");
            assert_eq!(model.describe(), alone.describe(), "{name}");
        }
        loads.load(&directory, &options).expect_err("each shard takes it once");
    }
    let counts = (programs, plans, natives);
    assert!(programs > 50 && plans > 0 && natives > 50, "{counts:?}");
}

#[test]
fn a_file_that_is_refused_is_refused_by_each() {
    let root = tempfile::tempdir().unwrap();
    let directory = copy_of(&folder("ridge").join("model.onnx"), "broken", root.path());
    fs::write(&directory.file, "no model").unwrap();
    let loads = Loads::for_shards(SHARDS);
    for _ in 0..SHARDS {
        let error = loads.load(&directory, &LoadOptions::default()).expect_err("no model");
        assert!(error.to_string().contains("broken/1/model.onnx"), "{error}");
    }
    assert_eq!(loads.kept(), 0);
}

#[test]
fn shards_that_load_at_once_have_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let directory = Repository::new(root).find("credit-risk", None).expect("it is bundled");
    let loads = Loads::for_shards(8);
    let load = || scores(&mut loads.load(&directory, &LoadOptions::default()).expect("it loads"));
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(loads.kept(), 0);
}
