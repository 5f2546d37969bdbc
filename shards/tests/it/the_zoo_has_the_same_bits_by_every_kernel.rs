//! Whichever kernel scores its trees, a model's scores have the same bits.

use crate::zoo_models::{folder, matrix, output_of};
use shards::model::manifest::Manifest;
use shards::model::repository::ModelDirectory;
use shards::model::trees::KernelChoice;
use shards::model::{LoadOptions, Model};

/// The bits of the model's scores by one kernel; none where the CPU lacks what it needs.
fn bits(name: &str, kernel: KernelChoice, rows: &[Vec<f64>]) -> Option<Vec<u64>> {
    let output = output_of(name, Some(0));
    let directory = ModelDirectory {
        name: name.to_owned(),
        path: folder(name),
        manifest: Manifest { output, ..Manifest::default() },
        version: 1,
        file: folder(name).join("model.onnx"),
    };
    let mut model = match Model::load(&directory, &LoadOptions { kernel, ..LoadOptions::default() })
    {
        Ok(model) => model,
        Err(error) => {
            assert!(error.to_string().contains("this CPU cannot run"), "{name}: {error}");
            return None;
        }
    };
    // A model of distances has no score of any row with a missing cell.
    let mut scores = Vec::new();
    let _ = model.score(&matrix(&model, rows), &mut scores);
    Some(scores.iter().map(|score| score.to_bits()).collect())
}

#[test]
fn every_kernel_agrees_with_the_plain_walk() {
    let cell = |place: usize| match place % 17 {
        0 => f64::NAN,
        place => (place as f64 - 8.0) * 1.7,
    };
    let rows: Vec<Vec<f64>> =
        (0..77).map(|row| (0..6).map(|column| cell(row * 5 + column * 3)).collect()).collect();
    let folders = std::fs::read_dir(folder("")).expect("the zoo is there");
    let names = folders.filter_map(|entry| {
        let entry = entry.expect("an entry of the zoo");
        entry
            .path()
            .join("golden.csv")
            .exists()
            .then(|| entry.file_name().into_string().expect("a plain name"))
    });
    let mut models = 0;
    for name in names {
        let walked = bits(&name, KernelChoice::Walk, &rows);
        let kernels =
            [KernelChoice::Auto, KernelChoice::Portable, KernelChoice::Avx2, KernelChoice::Avx512];
        for kernel in kernels {
            if let Some(found) = bits(&name, kernel, &rows) {
                assert_eq!(Some(found), walked, "{name} by {kernel:?}");
            }
        }
        models += 1;
    }
    assert!(models > 100, "only {models} models");
}
