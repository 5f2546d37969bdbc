//! Records what batches cost on this machine: the times that the simulation draws from.
//!
//! A cluster is asked as a shard asks it, by so many tasks at once, each of which sends its next
//! batch when it has the last one's features. So a time holds what the cluster makes batches wait
//! for each other, and what this thread's own work for the others delays it by.
//!
//! What is *not* here: the cluster. Let it run on another core, and ask it for half a minute
//! before what is kept, if it compiles as it runs.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use shards::features::cache::CacheSettings;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::{CqlStore, ScyllaSettings};
use shards::features::{FeatureMatrix, FetchRequests, Fetched, Joined, Precision};
use shards::model::manifest::Manifest;
use shards::model::repository::ModelDirectory;
use shards::model::{LoadOptions, Model};
use shards::provenance::FeatureStatus;

use crate::generate::user_id;
use crate::random::Random;

const ROWS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const IN_FLIGHT: [usize; 6] = [1, 2, 3, 4, 6, 8];
/// Calls before the first that is recorded.
const WARM_UP: usize = 20;
/// How often each size is returned to, so that a slow spell of the machine is not taken for what
/// one of them costs.
const ROUNDS: usize = 4;

/// What to record, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    /// Models to compute, each `KIND=FILE.onnx`.
    #[arg(long = "model", value_parser = kind_and_file)]
    models: Vec<(String, PathBuf)>,
    /// A cluster whose default table has users as `generate` names them, `KIND=HOST:PORT`.
    #[arg(long, value_parser = kind_and_address)]
    cluster: Option<(String, String)>,
    /// The keyspace.
    #[arg(long, default_value = "shardgate")]
    keyspace: String,
    /// How many users the table has.
    #[arg(long, default_value_t = 100_000)]
    users: u64,
    /// Times to record of each kind and size.
    #[arg(long, default_value_t = 160)]
    times: usize,
}

fn kind_and_file(text: &str) -> Result<(String, PathBuf), String> {
    let (kind, file) = text.split_once('=').ok_or("expected KIND=FILE.onnx")?;
    Ok((kind.to_owned(), file.into()))
}

fn kind_and_address(text: &str) -> Result<(String, String), String> {
    let (kind, address) = text.split_once('=').ok_or("expected KIND=HOST:PORT")?;
    Ok((kind.to_owned(), address.to_owned()))
}

/// Writes `KIND,BATCHES_IN_FLIGHT,ROWS,TIME_NS,TIME_NS,…` to standard output.
pub(crate) fn run(args: &RecordArgs) -> Result<()> {
    for (kind, file) in &args.models {
        record_model(kind, file, args.times).with_context(|| file.display().to_string())?;
    }
    if let Some((kind, address)) = &args.cluster {
        let executor = shards::executor::make("record")
            .map_err(|error| anyhow::anyhow!("no executor: {error}"))?;
        executor.run(record_cluster(kind, address, args))?;
    }
    Ok(())
}

fn print(kind: &str, in_flight: usize, rows: usize, times_ns: &[u64]) {
    let times: Vec<String> = times_ns.iter().map(u64::to_string).collect();
    println!("{kind},{in_flight},{rows},{}", times.join(","));
}

fn record_model(kind: &str, file: &Path, times: usize) -> Result<()> {
    let directory = ModelDirectory {
        name: kind.to_owned(),
        path: file.parent().context("no folder")?.to_owned(),
        manifest: Manifest::default(),
        version: 1,
        file: file.to_owned(),
    };
    let mut model = Model::load(&directory, &LoadOptions::default())?;
    let mut random = Random::new(1);
    let mut scores = Vec::new();
    for rows in ROWS {
        let mut matrix = FeatureMatrix::new(model.columns(), model.precision());
        matrix.reset(rows);
        let mut recorded = Vec::with_capacity(times);
        for call in 0..WARM_UP + times {
            for (row, column) in
                (0..rows).flat_map(|row| (0..model.columns()).map(move |column| (row, column)))
            {
                matrix.set(row, column, random.below(1_000) as f64 / 100.0);
            }
            let start = Instant::now();
            model.score(&matrix, &mut scores)?;
            if call >= WARM_UP {
                recorded.push(start.elapsed().as_nanos() as u64);
            }
        }
        print(kind, 1, rows, &recorded);
    }
    Ok(())
}

async fn record_cluster(kind: &str, address: &str, args: &RecordArgs) -> Result<()> {
    let settings = ScyllaSettings {
        contact_points: vec![address.to_owned()],
        keyspace: args.keyspace.clone(),
        // Nothing is to be cut off or kept: every time is one of the cluster.
        fetch_deadline_ms: 10_000,
        cache: CacheSettings { bytes_max: 0, ..CacheSettings::default() },
        ..ScyllaSettings::default()
    };
    let addresses = settings.resolve()?;
    let store = CqlStore::open(Arc::new(settings), addresses).await?;
    let inputs = ModelInputs::Width(store.schema().columns().len());
    let policies = FeaturePolicies::default();
    let plan = Rc::new(JoinPlan::bind(inputs, &store.schema(), &policies, Precision::F32)?);
    let store = Rc::new(store);
    let sizes = || IN_FLIGHT.iter().flat_map(|in_flight| ROWS.map(|rows| (*in_flight, rows)));
    let mut recorded = vec![Vec::with_capacity(args.times); sizes().count()];
    for round in 0..ROUNDS {
        for ((in_flight, rows), recorded) in sizes().zip(&mut recorded) {
            let turn = Rc::new(Turn {
                rows,
                users: args.users,
                warming: Cell::new(in_flight),
                left: Cell::new(args.times / ROUNDS),
                times_ns: RefCell::default(),
            });
            let tasks: Vec<_> = (0..in_flight)
                .map(|task| {
                    let (store, plan) = (Rc::clone(&store), Rc::clone(&plan));
                    let seed = ((round * 8 + in_flight) * 100 + rows) * 10 + task;
                    let (turn, random) = (Rc::clone(&turn), Random::new(seed as u64));
                    glommio::spawn_local(async move { turn.fetch(&store, &plan, random).await })
                })
                .collect();
            for task in tasks {
                task.await?;
            }
            recorded.append(&mut turn.times_ns.borrow_mut());
        }
    }
    for ((in_flight, rows), recorded) in sizes().zip(&recorded) {
        print(kind, in_flight, rows, recorded);
    }
    Ok(())
}

/// Some tasks that each have a batch of one size in flight, all of them as long as one records.
struct Turn {
    rows: usize,
    users: u64,
    /// Tasks that have not warmed up yet.
    warming: Cell<usize>,
    /// Times to record.
    left: Cell<usize>,
    times_ns: RefCell<Vec<u64>>,
}

impl Turn {
    async fn fetch(&self, store: &CqlStore, plan: &JoinPlan, mut random: Random) -> Result<()> {
        let mut joined = Joined::new(plan);
        let mut requests = FetchRequests::new(plan.request_fields().len());
        let mut call = 0;
        while self.left.get() > 0 {
            requests.clear();
            for _ in 0..self.rows {
                requests.push(user_id(1 + random.below(self.users)).as_bytes(), &[]);
            }
            let is_warm = self.warming.get() == 0;
            let start = Instant::now();
            let now_us = shards::features::import::now_us();
            let fetched = store.fetch(plan, &requests, now_us, &mut joined).await;
            ensure!(fetched == Fetched::Joined, "the table's columns changed meanwhile");
            let time_ns = start.elapsed().as_nanos() as u64;
            let is_found = joined.outcomes.iter().all(|row| row.status == FeatureStatus::Stored);
            ensure!(is_found, "the cluster has not answered with every user's features");
            if is_warm && self.left.get() > 0 {
                self.left.set(self.left.get() - 1);
                self.times_ns.borrow_mut().push(time_ns);
            }
            call += 1;
            if call == WARM_UP {
                self.warming.set(self.warming.get() - 1);
            }
        }
        Ok(())
    }
}
