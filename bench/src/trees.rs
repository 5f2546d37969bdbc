//! Times the tree kernels on random forests of the usual shapes: microseconds a batch.
//!
//! The forests are those of the kernels' tests. Rounds of all kernels and batch sizes are
//! interleaved, and the median of the rounds is printed, so that a slow spell of the machine hits
//! all of them alike.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use shards::features::{Cells, Precision};
use shards::model::trees::{Ensemble, EnsembleLimits, KernelChoice, Outputs, Scores, TreeKernel};

#[path = "../../shards/tests/forest/mod.rs"]
mod forest;

use forest::{Growth, Random, Shape};

use crate::compare::Spread;

const COLUMNS: usize = 30;
const BATCHES: [usize; 4] = [1, 8, 64, 256];
/// Rows to choose batches from: the same few rows would be predicted and cached.
const ROWS: usize = 4096;

/// Arguments of `bench trees`.
#[derive(Debug, clap::Args)]
pub(crate) struct TreesArgs {
    /// Rounds; the median of them is printed.
    #[arg(long, default_value_t = 31)]
    rounds: usize,
    /// One cell in twelve is missing, and half of the nodes send those to their true child.
    #[arg(long)]
    missing: bool,
    /// 64-bit models.
    #[arg(long)]
    double: bool,
    /// Only shapes whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only this kernel: walk, portable, avx2 or avx512.
    #[arg(long)]
    kernel: Option<String>,
}

/// One kernel, batch size and forest, and the times of its rounds in microseconds.
struct Case {
    kernel: TreeKernel,
    rows: usize,
    rounds_us: Vec<f64>,
}

/// Runs the benchmark and prints one line for each forest and kernel.
pub(crate) fn run(args: &TreesArgs) -> anyhow::Result<()> {
    println!("microseconds a batch of {BATCHES:?} rows, {COLUMNS} columns");
    let shapes = [
        ("100 x depth 3", 100, 8, Growth::Level),
        ("100 x depth 6", 100, 64, Growth::Level),
        ("500 x 31 leaves", 500, 31, Growth::Leaf),
        ("500 x depth 6", 500, 64, Growth::Level),
        ("200 x 1-500 leaves", 200, 500, Growth::Any),
        ("200 x 1000 leaves", 200, 1000, Growth::Leaf),
    ];
    for (name, trees, leaves, growth) in shapes {
        if name.contains(&args.only) {
            bench(args, name, &Shape::boosted(trees, leaves, growth, COLUMNS))?;
        }
    }
    Ok(())
}

fn bench(args: &TreesArgs, name: &str, shape: &Shape) -> anyhow::Result<()> {
    let precision = if args.double { Precision::F64 } else { Precision::F32 };
    let shape = Shape { tracks_nan: args.missing, precision, ..shape.clone() };
    let mut random = Random::new(1);
    let attributes = forest::forest(&mut random, &shape);
    let ensemble = Ensemble::build(&attributes, &EnsembleLimits::default())?;
    let mut cell = || {
        if args.missing { forest::cell(&mut random, precision) } else { f64::from(random.unit()) }
    };
    let wide: Vec<f64> = (0..ROWS * COLUMNS).map(|_| cell()).collect();
    let narrow: Vec<f32> = wide.iter().map(|cell| *cell as f32).collect();
    let kernels = match &args.kernel {
        Some(kernel) => vec![kernel.as_str()],
        None => vec!["auto", "avx512", "avx2", "portable", "walk"],
    };
    let mut cases = Vec::new();
    for kernel in &kernels {
        let choice: KernelChoice = kernel.parse()?;
        for rows in BATCHES {
            let kernel = TreeKernel::new(&ensemble, choice, None, Outputs::Only(1))?;
            cases.push(Case { kernel, rows, rounds_us: Vec::new() });
        }
    }
    for _ in 0..args.rounds {
        for case in &mut cases {
            let cells = if args.double { Cells::F64(&wide) } else { Cells::F32(&narrow) };
            case.rounds_us.push(time_us(case.rows, &mut case.kernel, cells)?);
        }
    }
    for (kernel, cases) in kernels.iter().zip(cases.chunks_mut(BATCHES.len())) {
        let medians: Vec<String> = cases
            .iter()
            .map(|case| format!("{:>9.2}", Spread::of(case.rounds_us.iter().copied()).median))
            .collect();
        println!("{name:>18} {kernel:>9} {}", medians.join(" "));
    }
    Ok(())
}

/// The median time of a batch over about a millisecond. Short ones are timed eight at a time; long
/// ones alone, so that few times include another process's turn.
fn time_us(rows: usize, kernel: &mut TreeKernel, cells: Cells<'_>) -> anyhow::Result<f64> {
    let together = if rows < 64 { 8 } else { 1 };
    let (mut narrow, mut wide) = (vec![0_f32; rows], vec![0_f64; rows]);
    let mut times_us = Vec::new();
    let mut first = 0;
    let started = Instant::now();
    while started.elapsed().as_micros() < 1_000 || times_us.len() < 5 {
        let before = Instant::now();
        for _ in 0..together {
            let range = first * COLUMNS..(first + rows) * COLUMNS;
            first = (first + rows) % (ROWS - rows);
            let (cells, scores) = match cells {
                Cells::F32(cells) => (Cells::F32(&cells[range]), Scores::F32(&mut narrow)),
                Cells::F64(cells) => (Cells::F64(&cells[range]), Scores::F64(&mut wide)),
            };
            kernel.score(black_box(cells), rows, COLUMNS, scores).context("scoring")?;
            black_box((&narrow, &wide));
        }
        times_us.push(before.elapsed().as_secs_f64() * 1e6 / f64::from(together));
    }
    Ok(Spread::of(times_us.into_iter()).median)
}
