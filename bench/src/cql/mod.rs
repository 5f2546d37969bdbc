//! Times fetches from a cluster that speaks CQL: ours, and the driver as it comes ([`bare`]), in
//! turns, in one thread on one core.
//!
//! Every batch has other users, so that neither side is given what it had before; [`zipf`] chooses
//! them where the cache is what is looked at, and [`processor`] says what each fetch costs. What is
//! *not* here: the node, which has to be there (`scripts/cassandra start one`) and should run on
//! another core, and its users (`bench generate`, `shardgate import`).

mod bare;
mod processor;
mod zipf;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use glommio::{LocalExecutorBuilder, Placement};
use hdrhistogram::Histogram;
use shards::features::cache::CacheSettings;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::{CqlStore, ScyllaSettings};
use shards::features::{FetchRequests, Fetched, Joined, Precision};
use shards::provenance::FeatureStatus;

use self::bare::Bare;
use self::processor::processor_ns;
use self::zipf::Zipf;
use crate::generate::user_id;
use crate::random::Random;

/// Which node and table, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct CqlArgs {
    /// A node of the cluster.
    #[arg(long, default_value = "127.0.0.1:19042")]
    node: SocketAddr,
    /// Keyspace whose table `user_profiles` has the users that `generate` makes.
    #[arg(long, default_value = "bench")]
    keyspace: String,
    /// How many users the table has.
    #[arg(long, default_value_t = 100_000)]
    users: u64,
    /// Rows of a batch.
    #[arg(long, default_value_t = 64)]
    rows: usize,
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Batches of a round.
    #[arg(long, default_value_t = 100)]
    batches: usize,
    /// Batches that are under way at a time where the processor is not to wait for the node.
    #[arg(long, default_value_t = 8)]
    at_once: usize,
    /// The core to run on.
    #[arg(long, default_value_t = 0)]
    core: usize,
}

/// Prints a line of figures for each way to fetch.
pub(crate) fn run(args: CqlArgs) -> Result<()> {
    let executor = LocalExecutorBuilder::new(Placement::Fixed(args.core))
        .preempt_timer(Duration::from_millis(1))
        .make()
        .map_err(|error| anyhow::anyhow!("no executor: {error}"))?;
    executor.run(async move {
        compare_fetches(&args, args.rows).await?;
        compare_fetches(&args, 1).await?;
        saturate(&args).await?;
        compare_caches(&args).await
    })
}

/// A shard's store with what its fetches need.
struct Ours {
    store: Rc<CqlStore>,
    plan: JoinPlan,
    requests: FetchRequests,
    joined: Joined,
}

impl Ours {
    async fn open(args: &CqlArgs, ttl_ms: u64) -> Result<Self> {
        let cache = CacheSettings { ttl_ms, negative_ttl_ms: ttl_ms, ..CacheSettings::default() };
        let settings = ScyllaSettings {
            contact_points: vec![args.node.to_string()],
            keyspace: args.keyspace.clone(),
            fetch_deadline_ms: 1_000,
            cache,
            ..ScyllaSettings::default()
        };
        let store = CqlStore::open(Arc::new(settings), vec![args.node]).await?;
        Self::on(Rc::new(store))
    }

    /// What another batch needs at the same time.
    fn on(store: Rc<CqlStore>) -> Result<Self> {
        let inputs = ModelInputs::Width(store.schema().columns().len());
        let policies = FeaturePolicies::default();
        let plan = JoinPlan::bind(inputs, &store.schema(), &policies, Precision::F32)?;
        let joined = Joined::new(&plan);
        Ok(Self { store, plan, requests: FetchRequests::new(0), joined })
    }

    async fn fetch(&mut self, keys: &[String]) -> Result<()> {
        self.requests.clear();
        for key in keys {
            self.requests.push(key.as_bytes(), &[]);
        }
        let fetched = self.store.fetch(&self.plan, &self.requests, 0, &mut self.joined).await;
        ensure!(fetched == Fetched::Joined, "the table's columns changed meanwhile");
        for outcome in &self.joined.outcomes {
            let found = matches!(outcome.status, FeatureStatus::Stored | FeatureStatus::Cached);
            ensure!(found, "a row's features are {}", outcome.status.as_str());
        }
        Ok(())
    }
}

/// A way to fetch the keys of a batch.
#[derive(Debug, Clone, Copy)]
enum Way {
    Ours,
    Group,
    Singles,
}

/// Wall and processor time of batches of one kind.
struct Times {
    name: &'static str,
    batch_ns: Histogram<u64>,
    processor_ns: u64,
}

impl Times {
    fn new(name: &'static str) -> Result<Self> {
        Ok(Self { name, batch_ns: Histogram::new(3)?, processor_ns: 0 })
    }

    fn print(&self, rows: usize, base: &Self) {
        let micros = |quantile| self.batch_ns.value_at_quantile(quantile) as f64 / 1_000.0;
        let keys = self.batch_ns.len() as f64 * rows as f64;
        println!(
            "{:>3} keys, {:<22} p50 {:>8.1} us, p99 {:>8.1} us, {:>6.2} us of processor a key, \
             {:.2} of {}",
            rows,
            self.name,
            micros(0.5),
            micros(0.99),
            self.processor_ns as f64 / 1_000.0 / keys,
            self.batch_ns.value_at_quantile(0.5) as f64
                / base.batch_ns.value_at_quantile(0.5) as f64,
            base.name,
        );
    }
}

/// Distinct random users.
fn draw(random: &mut Random, users: u64, rows: usize) -> Vec<String> {
    let start = random.below(users);
    // A step that has no divisor in common with most numbers of users visits distinct ones.
    let numbers = (0..rows as u64).map(|row| 1 + (start + row * 7_919) % users);
    numbers.map(user_id).collect()
}

async fn compare_fetches(args: &CqlArgs, rows: usize) -> Result<()> {
    let mut ours = Ours::open(args, 0).await?;
    let schema = ours.store.schema();
    let columns = schema.columns().iter().map(|column| column.name.clone());
    let bare = Bare::open(args.node, &args.keyspace, &columns.collect::<Vec<_>>())?;
    let mut random = Random::new(11);
    let mut measured = [
        (Way::Ours, Times::new("shardgate")?),
        (Way::Group, Times::new("bare driver, IN")?),
        (Way::Singles, Times::new("bare driver, singly")?),
    ];
    for round in 0..=args.rounds {
        for (way, times) in &mut measured {
            // The first round warms up.
            if round == 1 {
                *times = Times::new(times.name)?;
            }
            let before_ns = processor_ns();
            for _ in 0..args.batches {
                let keys = draw(&mut random, args.users, rows);
                let begun = Instant::now();
                match way {
                    Way::Ours => ours.fetch(&keys).await?,
                    Way::Group => drop(bare.fetch_group(&keys)?),
                    Way::Singles => drop(bare.fetch_singles(&keys)?),
                }
                times.batch_ns.record(begun.elapsed().as_nanos() as u64)?;
            }
            times.processor_ns += processor_ns() - before_ns;
        }
    }
    let [_, (_, group), _] = &measured;
    for (_, times) in &measured {
        times.print(rows, group);
    }
    Ok(())
}

/// Has so many batches under way that the core never waits: its time is then what keys cost.
async fn saturate(args: &CqlArgs) -> Result<()> {
    let store = Ours::open(args, 0).await?.store;
    let (mut per_key_ns, mut wall_ns) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
    for round in 0..=args.rounds {
        let (before_ns, begun) = (processor_ns(), Instant::now());
        let mut tasks = Vec::with_capacity(args.at_once);
        for task in 0..args.at_once {
            let mut ours = Ours::on(Rc::clone(&store))?;
            let mut random = Random::new((round * args.at_once + task) as u64);
            let (users, rows, batches) = (args.users, args.rows, args.batches);
            tasks.push(glommio::spawn_local(async move {
                for _ in 0..batches {
                    ours.fetch(&draw(&mut random, users, rows)).await?;
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await?;
        }
        let keys = (args.at_once * args.batches * args.rows) as u64;
        // The first round warms up.
        if round > 0 {
            per_key_ns.record((processor_ns() - before_ns) / keys)?;
            wall_ns.record(begun.elapsed().as_nanos() as u64 / keys)?;
        }
    }
    let micros = |times: &Histogram<u64>| times.value_at_quantile(0.5) as f64 / 1_000.0;
    println!(
        "{:>3} keys, shardgate, {} batches at once: {:.2} us of processor and {:.2} us a key",
        args.rows,
        args.at_once,
        micros(&per_key_ns),
        micros(&wall_ns),
    );
    Ok(())
}

async fn compare_caches(args: &CqlArgs) -> Result<()> {
    let mut cached = Ours::open(args, 3_600_000).await?;
    let mut uncached = Ours::open(args, 0).await?;
    let (zipf, mut random) = (Zipf::new(args.users), Random::new(13));
    let (mut with, mut without) = (Times::new("Zipf, cache")?, Times::new("Zipf, no cache")?);
    for _ in 0..args.rounds {
        for (ours, times) in [(&mut cached, &mut with), (&mut uncached, &mut without)] {
            let before_ns = processor_ns();
            for _ in 0..args.batches {
                let drawn = (0..args.rows).map(|_| user_id(zipf.sample(&mut random)));
                let keys: Vec<_> = drawn.collect();
                let begun = Instant::now();
                ours.fetch(&keys).await?;
                times.batch_ns.record(begun.elapsed().as_nanos() as u64)?;
            }
            times.processor_ns += processor_ns() - before_ns;
        }
    }
    with.print(args.rows, &without);
    without.print(args.rows, &without);
    let keys = (args.rounds * args.batches * args.rows) as f64;
    let asked = cached.store.counters().keys_asked as f64;
    println!("the cache had {:.0} % of the keys", 100.0 * (1.0 - asked / keys));
    Ok(())
}
