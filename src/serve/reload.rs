//! Takes new versions of the models into service, on every shard or on none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use shards::features::schema::Schema;
use shards::model::LoadOptions;
use shards::model::repository::ModelDirectory;
use shards::shard::{Command, PreparedModel, ShardShared};

use super::find_models;
use crate::config::Config;

/// How long a shard may take to swap prepared models; it does so at its next tick.
const SWAP_MAX: Duration = Duration::from_secs(5);

/// What a reload needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Reloader {
    config: Arc<Config>,
    schema: Schema,
}

impl Reloader {
    pub(crate) fn new(config: Arc<Config>, schema: Schema) -> Self {
        Self { config, schema }
    }

    /// Loads every configured model as it is on disk now, a copy for each shard, on threads of
    /// their own; when all are loaded and warmed up, every shard swaps. Where one cannot be
    /// loaded the old versions go on serving.
    pub(crate) fn reload<'a>(
        &self,
        shards: impl ExactSizeIterator<Item = &'a ShardShared>,
    ) -> anyhow::Result<Vec<String>> {
        let directories = find_models(&self.config)?;
        let load = self.config.load_options();
        let prepared = prepare(&directories, load, &self.schema, shards.len())?;
        let give_up = Instant::now() + SWAP_MAX;
        let mut sent = Vec::with_capacity(shards.len());
        for ((index, shard), models) in shards.enumerate().zip(prepared) {
            let numbers =
                models.into_iter().map(|model| shard.send(Command::Install(Box::new(model))));
            sent.push((index, shard, numbers.last().unwrap_or(0)));
        }
        for (index, shard, number) in sent {
            while shard.done() < number {
                ensure!(
                    Instant::now() < give_up,
                    "shard {index} has not swapped its models within {} s",
                    SWAP_MAX.as_secs()
                );
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        let name = |directory: &ModelDirectory| format!("{}/{}", directory.name, directory.version);
        Ok(directories.iter().map(name).collect())
    }
}

/// Loads `copies` copies of every model, each set on a thread of its own.
fn prepare(
    directories: &[ModelDirectory],
    load: LoadOptions,
    schema: &Schema,
    copies: usize,
) -> anyhow::Result<Vec<Vec<PreparedModel>>> {
    let load_all = || {
        let models = directories.iter().map(|model| PreparedModel::load(model, load, schema));
        models.collect::<Result<Vec<_>, _>>()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..copies).map(|_| scope.spawn(load_all)).collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(loaded) => Ok(loaded?),
                Err(_) => anyhow::bail!("loading panicked"),
            })
            .collect()
    })
}
