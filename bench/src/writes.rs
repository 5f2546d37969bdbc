//! Times writes of the embedded store: how many a second are acknowledged with group commit, and what
//! readers on another core lose while some are written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use shards::features::aggregates::Aggregate;
use shards::features::column::{CellValue, ColumnType};
use shards::features::embedded::{
    ChangeBatch, ChangeWriter, Committed, Durability, EmbeddedReader, EmbeddedStore, EmbeddedWriter,
};
use shards::features::import::now_us;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::schema::{Schema, StoreColumn};
use shards::features::written_rows::{WrittenTable, put_object};
use shards::features::{FetchRequests, Fetched, Joined, Precision};

use crate::generate::user_id;
use crate::random::Random;

/// How much is written, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct WritesArgs {
    /// Users of the store, which is made in a folder of its own.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Its columns.
    #[arg(long, default_value_t = 20)]
    columns: usize,
    /// Columns of a write.
    #[arg(long, default_value_t = 3)]
    written: usize,
    /// Requests of one commit, each of one row, as they wait while the disk is waited for.
    #[arg(long, default_value_t = 1_000)]
    group: usize,
    /// How long each part is timed, in s.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Writes a second beside readers.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// Rounds of reading with and without writes.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Do not wait for the disk.
    #[arg(long = "async")]
    is_async: bool,
    /// Where the store is made [default: the folder for temporary files].
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
}

/// Prints what was measured.
pub(crate) fn run(args: &WritesArgs) -> Result<()> {
    let within = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = within.join(format!("shardgate-bench-writes-{}", std::process::id()));
    let done = measure(args, &folder);
    std::fs::remove_dir_all(&folder).context("removing the store")?;
    done
}

fn measure(args: &WritesArgs, folder: &std::path::Path) -> Result<()> {
    let store = EmbeddedStore::open_or_create(folder)?;
    let columns = (0..args.columns)
        .map(|at| StoreColumn { name: format!("c{at}"), column_type: ColumnType::Float });
    let schema = Schema::new(columns.collect())?;
    let mut import = EmbeddedWriter::begin(&store, &schema, true)?;
    let cells = vec![CellValue::Float(0.5); args.columns];
    for user in 1..=args.users {
        import.put(user_id(user).as_bytes(), 0, &cells)?;
    }
    import.commit()?;
    store.preload(u64::MAX, |_| true)?;
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let durability = if args.is_async { Durability::System } else { Durability::Disk };
    let mut load = Load::new(args, &store, durability)?;
    acknowledged(args, &mut load)?;
    merge(&store, &schema)?;
    load.writer = ChangeWriter::open(&store)?;
    let mut all = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        for (with, rates) in [false, true].into_iter().zip(&mut all) {
            rates.push(read_beside(args, &store, &mut load, with, &cores)?);
            merge(&store, &schema)?;
        }
    }
    let [alone, beside] = all.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!(
        "readers, batches of 64, median of {} rounds: {:.0} rows per CPU second alone, {:.0} beside {} \
         writes/s: {:+.2} %",
        args.rounds,
        alone,
        beside,
        args.rate,
        100.0 * (beside / alone - 1.0)
    );
    Ok(())
}

fn merge(store: &EmbeddedStore, schema: &Schema) -> Result<()> {
    EmbeddedWriter::begin(store, schema, false)?.commit()?;
    Ok(())
}

/// Requests to write rows of random users.
struct Load {
    writer: ChangeWriter,
    schema: Schema,
    durability: Durability,
    random: Random,
    users: u64,
    body: String,
}

impl Load {
    fn new(args: &WritesArgs, store: &EmbeddedStore, durability: Durability) -> Result<Self> {
        let writer = ChangeWriter::open(store)?;
        let members: Vec<_> =
            (0..args.written).map(|at| format!("\"c{at}\": {}.25", at + 1)).collect();
        Ok(Self {
            schema: writer.schema()?,
            writer,
            durability,
            random: Random::new(11),
            users: args.users,
            body: format!("{{{}}}", members.join(", ")),
        })
    }

    /// Reads and writes so many requests by one commit, as the gateway's writing thread does.
    fn commit(&mut self, requests: usize) -> Result<()> {
        const NONE: &[Aggregate] = &[];
        let table = WrittenTable {
            schema: &self.schema,
            aggregates: NONE,
            key_parts: None,
            now_us: now_us(),
        };
        let mut batches = Vec::with_capacity(requests);
        for _ in 0..requests {
            let mut batch = ChangeBatch::new(&self.schema);
            let user = user_id(1 + self.random.below(self.users));
            put_object(table, user.as_bytes(), self.body.as_bytes(), &mut batch)?;
            batches.push(batch);
        }
        let committed = self.writer.commit(&batches, self.durability)?;
        ensure!(committed.iter().all(|it| *it == Committed::Written), "a write was not taken");
        Ok(())
    }
}

fn acknowledged(args: &WritesArgs, load: &mut Load) -> Result<()> {
    let (mut commits, mut longest, start) = (0_u64, Duration::ZERO, Instant::now());
    let cpu = cpu_time();
    while start.elapsed().as_secs_f64() < args.seconds {
        let before = Instant::now();
        load.commit(args.group)?;
        longest = longest.max(before.elapsed());
        commits += 1;
    }
    let (took, cpu) = (start.elapsed().as_secs_f64(), cpu_time() - cpu);
    let writes = commits as f64 * args.group as f64;
    println!(
        "one thread, {} a commit, {}: {:.0} acknowledged writes/s, {:.2} ms a commit, longest {:.2} ms, \
         {:.2} µs of CPU a write, log of {:.0} MiB",
        args.group,
        if args.is_async { "async" } else { "on the disk" },
        writes / took,
        1e3 * took / commits as f64,
        1e3 * longest.as_secs_f64(),
        1e6 * cpu / writes,
        load.writer.log_bytes() as f64 / 1_048_576.0
    );
    Ok(())
}

/// Rows that a reader on the first core joins in a second of CPU time, beside writes on the second one or
/// none.
#[expect(clippy::disallowed_methods, reason = "the writer is a thread of its own")]
fn read_beside(
    args: &WritesArgs,
    store: &EmbeddedStore,
    load: &mut Load,
    writes: bool,
    cores: &[core_affinity::CoreId],
) -> Result<f64> {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writing = writes.then(|| {
            scope.spawn(|| -> Result<()> {
                if let Some(core) = cores.get(1) {
                    core_affinity::set_for_current(*core);
                }
                // A hundred commits a second.
                let (share, start) = ((args.rate / 100).max(1) as usize, Instant::now());
                for commit in 1_u32.. {
                    load.commit(share)?;
                    if is_done.load(Ordering::Relaxed) {
                        break;
                    }
                    let next = start + Duration::from_millis(10) * commit;
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
                Ok(())
            })
        });
        let reading = scope.spawn(|| {
            if let Some(core) = cores.first() {
                core_affinity::set_for_current(*core);
            }
            let rate = read(args, store);
            is_done.store(true, Ordering::Relaxed);
            rate
        });
        let rate = reading.join().expect("the reader does not panic");
        if let Some(writing) = writing {
            writing.join().expect("the writer does not panic")?;
        }
        rate
    })
}

fn read(args: &WritesArgs, store: &EmbeddedStore) -> Result<f64> {
    let reader = EmbeddedReader::new(store)?;
    let policies = FeaturePolicies::default();
    let inputs = ModelInputs::Width(args.columns);
    let plan = JoinPlan::bind(inputs, &reader.schema(), &policies, Precision::F32)?;
    let (mut requests, mut joined) = (FetchRequests::new(0), Joined::new(&plan));
    let mut random = Random::new(7);
    let (start, cpu, mut rows) = (Instant::now(), cpu_time(), 0_u64);
    while start.elapsed().as_secs_f64() < args.seconds {
        requests.clear();
        for _ in 0..64 {
            requests.push(user_id(1 + random.below(args.users)).as_bytes(), &[]);
        }
        let fetched = reader.fetch(&plan, &requests, 0, &mut joined);
        ensure!(fetched == Fetched::Joined, "the store's columns changed meanwhile");
        rows += 64;
    }
    // Of its own CPU time: what else the machine does is not counted.
    Ok(rows as f64 / (cpu_time() - cpu))
}

/// The CPU time of this thread, in s.
fn cpu_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_cpu_ns = stat.split(' ').next().and_then(|it| it.parse::<f64>().ok());
    on_cpu_ns.unwrap_or(0.0) / 1e9
}
