//! Records what batches cost on this machine: the times that the simulation draws from.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use glommio::LocalExecutorBuilder;
use shards::features::cache::CacheSettings;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::{CqlStore, ScyllaSettings};
use shards::features::{FeatureMatrix, FeatureStatus, FetchRequests, Joined, Precision};
use shards::model::manifest::Manifest;
use shards::model::repository::ModelDirectory;
use shards::model::{LoadOptions, Model};

use crate::generate::user_id;
use crate::random::Random;

const ROWS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const IN_FLIGHT: [usize; 4] = [1, 2, 4, 8];
/// Calls before the first that is recorded.
const WARM_UP: usize = 20;

/// What to record, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct RecordArgs {
    /// Models to compute, each `KIND=FILE.onnx`.
    #[arg(long = "model", value_parser = kind_and_file)]
    models: Vec<(String, PathBuf)>,
    /// `HOST:PORT` of a cluster whose default table has users as `generate` names them.
    #[arg(long)]
    cluster: Option<String>,
    /// The keyspace.
    #[arg(long, default_value = "shardgate")]
    keyspace: String,
    /// How many users the table has.
    #[arg(long, default_value_t = 100_000)]
    users: u64,
    /// Times to record of each kind and size.
    #[arg(long, default_value_t = 200)]
    times: usize,
}

fn kind_and_file(text: &str) -> Result<(String, PathBuf), String> {
    let (kind, file) = text.split_once('=').ok_or("expected KIND=FILE.onnx")?;
    Ok((kind.to_owned(), file.into()))
}

/// Writes `KIND,BATCHES_IN_FLIGHT,ROWS,TIME_NS,TIME_NS,…` to standard output.
pub(crate) fn run(args: RecordArgs) -> Result<()> {
    for (kind, file) in &args.models {
        record_model(kind, file, args.times).with_context(|| file.display().to_string())?;
    }
    if args.cluster.is_some() {
        let shard = LocalExecutorBuilder::default().spawn(move || record_store(args));
        let shard = shard.map_err(|error| anyhow::anyhow!("no executor: {error}"))?;
        shard.join().map_err(|error| anyhow::anyhow!("the executor ended: {error}"))??;
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

async fn record_store(args: RecordArgs) -> Result<()> {
    let settings = ScyllaSettings {
        contact_points: args.cluster.into_iter().collect(),
        keyspace: args.keyspace,
        // Nothing is to be cut off or kept: every time is one of the cluster.
        fetch_deadline_ms: 10_000,
        cache: CacheSettings { bytes_max: 0, ..CacheSettings::default() },
        ..ScyllaSettings::default()
    };
    let addresses = settings.resolve()?;
    let store = CqlStore::open(Arc::new(settings), addresses).await?;
    let width = ModelInputs::Width(3);
    let policies = FeaturePolicies::default();
    let plan = Rc::new(JoinPlan::bind(width, store.schema(), &policies, Precision::F32)?);
    let store = Rc::new(store);
    for in_flight in IN_FLIGHT {
        for rows in ROWS {
            let lanes: Vec<_> = (0..in_flight)
                .map(|lane| {
                    let (store, plan) = (Rc::clone(&store), Rc::clone(&plan));
                    let random = Random::new((in_flight * 1_000 + rows * 10 + lane) as u64);
                    let times = args.times / in_flight;
                    let users = args.users;
                    glommio::spawn_local(async move {
                        record_fetches(&store, &plan, rows, times, users, random).await
                    })
                    .detach()
                })
                .collect();
            let mut recorded = Vec::new();
            for lane in lanes {
                recorded.extend(lane.await.context("a fetch was cancelled")?);
            }
            print("cql", in_flight, rows, &recorded);
        }
    }
    Ok(())
}

async fn record_fetches(
    store: &CqlStore,
    plan: &JoinPlan,
    rows: usize,
    times: usize,
    users: u64,
    mut random: Random,
) -> Vec<u64> {
    let mut recorded = Vec::with_capacity(times);
    let mut joined = Joined::new(plan);
    let mut requests = FetchRequests::new(plan.request_fields().len());
    for call in 0..WARM_UP + times {
        requests.clear();
        for _ in 0..rows {
            requests.push(user_id(1 + random.below(users)).as_bytes(), &[]);
        }
        let start = Instant::now();
        store.fetch(plan, &requests, shards::features::import::now_us(), &mut joined).await;
        let answered = joined.outcomes.iter().all(|row| row.status == FeatureStatus::Stored);
        if call >= WARM_UP && answered {
            recorded.push(start.elapsed().as_nanos() as u64);
        }
    }
    recorded
}
