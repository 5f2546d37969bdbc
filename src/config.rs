//! The configuration: the file, then the environment, then the command line over it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use shards::batch::BatchPolicy;
use shards::features::address::StoreAddress;
use shards::features::scylla::ScyllaSettings;
use shards::http::HttpLimits;
use shards::model::LoadOptions;
use shards::shard::ShardSettings;

use crate::cli::ServeFlags;
use crate::logging::LogFormat;
use crate::placement::CoreList;

/// The model that is served when nothing is said, from the bundled repository.
const MODEL_DEFAULT: &str = "credit-risk";
const STORE_DEFAULT: &str = ".cache/features";

/// What the file says; each key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    listen: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    cores: Option<CoreList>,
    models: Option<PathBuf>,
    model: Option<OneOrMore>,
    store: Option<StoreAddress>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    queue_rows_max: Option<usize>,
    deadline_ms: Option<u64>,
    http: HttpLimits,
    batch: BatchPolicy,
    features: FeaturesFile,
}

/// The table `[features]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FeaturesFile {
    scylla: ScyllaSettings,
}

/// `model = "a"` or `model = ["a", "b"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// What the process does, all defaults filled in.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where to listen for requests.
    pub(crate) listen: SocketAddr,
    /// Where to listen for operators.
    pub(crate) admin: SocketAddr,
    /// The cores that get a shard.
    pub(crate) cores: CoreList,
    /// The model repository.
    pub(crate) models: PathBuf,
    /// The models to serve, the default one first.
    pub(crate) model: Vec<String>,
    /// The feature store.
    pub(crate) store: StoreAddress,
    /// How to reach the store and what to read there, where it is a cluster.
    pub(crate) scylla: ScyllaSettings,
    /// Whether the store was chosen, or is the one that is filled on a first run.
    pub(crate) store_is_default: bool,
    /// What to log.
    pub(crate) log: String,
    /// How to log.
    pub(crate) log_format: LogFormat,
    /// How each shard serves.
    pub(crate) shard: ShardSettings,
}

impl Config {
    /// Reads the file that the flags name and lays the flags over it.
    pub(crate) fn load(flags: ServeFlags) -> anyhow::Result<Self> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None => ConfigFile::default(),
        };
        let named = match file.model {
            _ if !flags.model.is_empty() => flags.model,
            Some(OneOrMore::One(name)) => vec![name],
            Some(OneOrMore::More(names)) => names,
            None => vec![MODEL_DEFAULT.to_owned()],
        };
        let store = flags.store.or(file.store);
        let shard_defaults = ShardSettings::default();
        Ok(Self {
            listen: flags.listen.or(file.listen).unwrap_or(([127, 0, 0, 1], 8888).into()),
            admin: flags.admin.or(file.admin).unwrap_or(([127, 0, 0, 1], 9888).into()),
            cores: flags.cores.or(file.cores).unwrap_or_default(),
            models: flags.models.or(file.models).unwrap_or_else(|| "models".into()),
            model: named,
            store_is_default: store.is_none(),
            scylla: match &store {
                Some(StoreAddress::Scylla { contact_points, keyspace }) => ScyllaSettings {
                    contact_points: contact_points.clone(),
                    keyspace: keyspace.clone(),
                    ..file.features.scylla
                },
                _ => file.features.scylla,
            },
            store: store.unwrap_or_else(|| StoreAddress::Embedded(STORE_DEFAULT.into())),
            log: flags.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
            shard: ShardSettings {
                http: file.http,
                batch: file.batch,
                queue_rows_max: file.queue_rows_max.unwrap_or(shard_defaults.queue_rows_max),
                deadline_ms: file.deadline_ms,
            },
        })
    }
}

impl Config {
    /// How models are loaded: warmed up with the largest batch that they will see.
    pub(crate) fn load_options(&self) -> LoadOptions {
        LoadOptions { warm_up_rows: self.shard.batch.batch_rows_max, ..LoadOptions::default() }
    }
}

fn read(path: &Path) -> anyhow::Result<ConfigFile> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    let file: ConfigFile =
        toml::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    for (key, found) in [
        ("batch.max_batch_size", file.batch.batch_rows_max),
        ("batch.max_batches_in_flight", file.batch.batches_in_flight_max),
        ("http.connections_max", file.http.connections_max),
        ("http.pipelined_requests_max", file.http.pipelined_requests_max),
    ] {
        anyhow::ensure!(
            found > 0,
            "{}: {key}: found 0, expected a whole number above 0",
            path.display()
        );
    }
    Ok(file)
}
