//! Times the embedded store: batches of random users joined into a matrix, warm or after the page
//! cache was dropped, with the page faults that it took.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use shards::features::column::CellValue;
use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::{Categories, FetchRequests, Fetched, Joined, Precision};

use crate::generate::user_id;
use crate::random::Random;

/// How many categories a model is made to have.
const CATEGORIES_MAX: usize = 1_000;

/// Which store, and how it is read.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// Folder of an embedded store with the users that `generate` makes.
    #[arg(long)]
    store: PathBuf,
    /// Rows of a batch.
    #[arg(long, default_value_t = 64)]
    rows: usize,
    /// Batches to time.
    #[arg(long, default_value_t = 20_000)]
    batches: usize,
    /// Drop the page cache of the machine first (as root), and do not preload.
    #[arg(long)]
    cold: bool,
}

/// Prints a line of figures.
pub(crate) fn run(args: &StoreArgs) -> Result<()> {
    if args.cold {
        fs::write("/proc/sys/vm/drop_caches", "1").context("dropping the page cache")?;
    }
    let start = Instant::now();
    let store = EmbeddedStore::open(&args.store)?;
    println!("opened in {:.0} µs", start.elapsed().as_secs_f64() * 1e6);
    let users = store.rows()?;
    if !args.cold {
        let preloaded = store.preload(u64::MAX, |_| true)?;
        println!(
            "preloaded {:.1} MiB at {:.0} MiB/s",
            preloaded.done_bytes as f64 / 1_048_576.0,
            preloaded.bytes_per_second() / 1_048_576.0
        );
    }
    let reader = EmbeddedReader::new(&store)?;
    let width = reader.schema().columns().len();
    let policies = FeaturePolicies::default();
    let inputs = ModelInputs::Width(width);
    let plan = JoinPlan::bind(inputs, &reader.schema(), &policies, Precision::F32)?
        .with_categories(&categories_of(&store)?)?;
    let mut requests = FetchRequests::new(0);
    let mut joined = Joined::new(&plan);
    let mut random = Random::new(7);
    let mut times_ns = Histogram::<u64>::new(3)?;
    let faults = page_faults()?;
    for _ in 0..args.batches {
        requests.clear();
        for _ in 0..args.rows {
            requests.push(user_id(1 + random.below(users)).as_bytes(), &[]);
        }
        let before = Instant::now();
        let fetched = reader.fetch(&plan, &requests, 0, &mut joined);
        anyhow::ensure!(fetched == Fetched::Joined, "the store's columns changed meanwhile");
        times_ns.record(before.elapsed().as_nanos() as u64)?;
    }
    let after = page_faults()?;
    let per_row = |quantile| times_ns.value_at_quantile(quantile) as f64 / args.rows as f64;
    println!(
        "{users} users × {width} columns, {} batches of {} rows, {}: p50 {:.0} ns a row, p99 {:.0} \
         ns a row, slowest batch {:.1} µs, {} minor and {} major page faults",
        args.batches,
        args.rows,
        if args.cold { "cold" } else { "warm" },
        per_row(0.5),
        per_row(0.99),
        times_ns.max() as f64 / 1_000.0,
        after.0 - faults.0,
        after.1 - faults.1,
    );
    Ok(())
}

/// Some of the texts of each column of text, as a model's categories.
fn categories_of(store: &EmbeddedStore) -> Result<Vec<Option<Arc<Categories>>>> {
    let schema = store.schema()?.context("the store is empty")?;
    let mut texts = vec![BTreeSet::new(); schema.columns().len()];
    store.for_each(|_, record| {
        for (known, cell) in texts.iter_mut().zip(record.cells()) {
            if let CellValue::Text(text) = cell
                && known.len() < CATEGORIES_MAX
            {
                known.insert(text.to_owned());
            }
        }
    })?;
    let categories = schema.columns().iter().zip(&texts).map(|(column, texts)| {
        let codes = texts.iter().zip(0_u32..).map(|(text, code)| (text.as_str(), f64::from(code)));
        column.column_type.is_text().then(|| Arc::new(Categories::new(codes, -1.0)))
    });
    Ok(categories.collect())
}

/// Minor and major page faults of this process so far (fields 10 and 12 of proc(5)'s stat).
fn page_faults() -> Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().context("/proc/self/stat")?;
    let field = |number: usize| -> Result<u64> {
        let text = after_name.split_whitespace().nth(number - 3).context("/proc/self/stat")?;
        Ok(text.parse()?)
    };
    Ok((field(10)?, field(12)?))
}
