//! `bench models`: microseconds a batch of whole models, for `bench/trees/compare.py`.
//!
//! The folder is one that `models/zoo.py --bench` writes: a model repository with `rows.csv`. A
//! model is timed as a shard scores it, from the matrix of features to the scores, so that what
//! stands around its trees counts too; with `--tract`, as tract alone computes it.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use shards::features::FeatureMatrix;
use shards::model::explain::ExplainSettings;
use shards::model::manifest::ScoreOutput;
use shards::model::repository::Repository;
use shards::model::trees::KernelChoice;
use shards::model::{LoadOptions, Model};
use tract_onnx::prelude::*;

/// What is timed.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelsArgs {
    /// Folder with the models and `rows.csv`.
    #[arg(long, default_value = ".cache/bench-models")]
    models: PathBuf,
    /// The model.
    #[arg(long)]
    name: String,
    /// What scores trees: auto, walk, portable, avx2 or avx512.
    #[arg(long, default_value = "auto")]
    kernel: KernelChoice,
    /// tract alone instead.
    #[arg(long)]
    tract: bool,
    /// The contributions of each column instead of the scores; of a library's own file beside the
    /// graph, those of that file.
    #[arg(long)]
    explain: bool,
    /// Rows a batch.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256")]
    batches: Vec<usize>,
    /// How long each batch size is timed, in milliseconds.
    #[arg(long, default_value_t = 50)]
    milliseconds: u64,
}

/// Prints one line: the median times of the batch sizes, in microseconds.
pub(crate) fn run(args: &ModelsArgs) -> Result<()> {
    let rows = read_rows(&args.models.join("rows.csv"))?;
    let spent = Duration::from_millis(args.milliseconds);
    let mut times = Vec::new();
    for batch in &args.batches {
        let time_us = if args.tract {
            time_tract(args, &rows, *batch, spent)?
        } else {
            time_model(args, &rows, *batch, spent)?
        };
        times.push(format!("{time_us:.2}"));
    }
    println!("{}", times.join(" "));
    Ok(())
}

/// The cells below the header of column names.
fn read_rows(path: &Path) -> Result<Vec<Vec<f32>>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: run `models/zoo.py --bench` first", path.display()))?;
    let cells = |line: &str| line.split(',').map(|cell| Ok(cell.parse()?)).collect();
    text.lines().skip(1).map(cells).collect()
}

fn time_model(args: &ModelsArgs, rows: &[Vec<f32>], batch: usize, spent: Duration) -> Result<f64> {
    let mut directory = Repository::new(&args.models).find(&args.name, None)?;
    if args.explain {
        directory.manifest.explain = Some(ExplainSettings::default());
        let own = ["model.txt", "model.ubj"].map(|name| directory.path.join(name));
        if let Some(own) = own.into_iter().find(|path| path.is_file()) {
            directory.file = own;
            directory.manifest.output = ScoreOutput::default();
            directory.manifest.columns = None;
        }
    }
    let options = LoadOptions { kernel: args.kernel, ..LoadOptions::default() };
    let mut model = Model::load(&directory, &options)?;
    let batches: Vec<FeatureMatrix> = rows
        .chunks_exact(batch)
        .map(|rows| {
            let mut matrix = FeatureMatrix::new(model.columns(), model.precision());
            matrix.reset(batch);
            for (at, row) in rows.iter().enumerate() {
                for (column, cell) in row.iter().enumerate() {
                    matrix.set(at, column, f64::from(*cell));
                }
            }
            matrix
        })
        .collect();
    let mut scores = Vec::new();
    if args.explain {
        let explainer = model.explainer().context("no explainer")?;
        return time_us(&batches, spent, |matrix| {
            explainer.explain(black_box(matrix), &mut scores).map_err(anyhow::Error::msg)?;
            black_box(&scores);
            Ok(())
        });
    }
    time_us(&batches, spent, |matrix| {
        model.score(black_box(matrix), &mut scores)?;
        black_box(&scores);
        Ok(())
    })
}

fn time_tract(args: &ModelsArgs, rows: &[Vec<f32>], batch: usize, spent: Duration) -> Result<f64> {
    let directory = Repository::new(&args.models).find(&args.name, None)?;
    let columns = rows.first().context("rows.csv has no rows")?.len();
    let model = tract_onnx::onnx()
        .model_for_path(&directory.file)?
        .with_input_fact(0, f32::fact([batch, columns]).into())?
        .into_optimized()?
        .into_runnable()?;
    let batches: Vec<Tensor> = rows
        .chunks_exact(batch)
        .map(|rows| Tensor::from_shape(&[batch, columns], &rows.concat()))
        .collect::<Result<_>>()?;
    time_us(&batches, spent, |tensor| {
        black_box(model.run(tvec!(black_box(tensor).clone().into()))?);
        Ok(())
    })
}

/// The median time of a call, in microseconds, over `spent` and at least five calls.
fn time_us<B>(
    batches: &[B],
    spent: Duration,
    mut call: impl FnMut(&B) -> Result<()>,
) -> Result<f64> {
    let mut times_us = Vec::new();
    let started = Instant::now();
    for batch in batches.iter().cycle() {
        let before = Instant::now();
        call(batch)?;
        times_us.push(before.elapsed().as_secs_f64() * 1e6);
        if started.elapsed() > spent && times_us.len() > 5 {
            break;
        }
    }
    // The first calls fill the caches.
    times_us.drain(..times_us.len() / 5);
    times_us.sort_by(f64::total_cmp);
    Ok(times_us[times_us.len() / 2])
}
