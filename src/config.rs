//! The configuration: the file, then the environment, then the command line over it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use shards::batch::BatchPolicy;
use shards::features::address::StoreAddress;
use shards::features::scylla::ScyllaSettings;
use shards::http1::HttpLimits;
use shards::model::trees::KernelChoice;
use shards::model::{FileLimits, LoadOptions};
use shards::origin::RequestIds;
use shards::shard::ShardSettings;

use crate::cli::ServeFlags;
use crate::journal::settings::{AccessLog, Journals, PredictionLog};
use crate::logging::LogFormat;
use crate::placement::CoreList;
use crate::serve::steering::Steering;
use crate::system::Granted;
use crate::system::descriptors::Descriptors;

const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8888);
const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9888);
/// The model that is served when nothing is said, from the bundled repository.
const MODEL_DEFAULT: &str = "credit-risk";
/// The shortest admin token.
const TOKEN_BYTES_MIN: usize = 16;
const STORE_DEFAULT: &str = ".cache/features";

/// What the file says; each key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    listen: Option<SocketAddr>,
    admin: AdminFile,
    cores: Option<CoreList>,
    steering: Option<Steering>,
    models: Option<PathBuf>,
    model: Option<OneOrMore>,
    store: Option<StoreAddress>,
    takeover: Option<PathBuf>,
    kernel: Option<KernelChoice>,
    model_file_bytes_max: Option<u64>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    queue_rows_max: Option<usize>,
    queue_us_max: Option<u64>,
    refusal_percent_max: Option<u32>,
    deadline_ms: Option<u64>,
    request_ids: RequestIds,
    http: HttpLimits,
    batch: BatchPolicy,
    features: FeaturesFile,
    prediction_log: Option<PredictionLog>,
    access_log: AccessLog,
}

impl ConfigFile {
    fn journals(&self) -> Journals {
        Journals { predictions: self.prediction_log.clone(), access: self.access_log }
    }
}

/// Which limits the file says itself: the others follow what the system lets the process have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SaidFile {
    http: SaidHttp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SaidHttp {
    buffered_bytes_max: Option<usize>,
    connections_max: Option<usize>,
}

impl SaidHttp {
    /// The limits of the file, those derived that it doesn't say itself and that memory bounds.
    fn with_derived(&self, file: HttpLimits, granted: &Granted, cores: &CoreList) -> HttpLimits {
        let Some(memory) = &granted.memory else { return file };
        // Cores that there are not are refused where they are to be used.
        let derived = memory.http_limits(cores.resolve().map_or(1, |cores| cores.len()));
        HttpLimits {
            buffered_bytes_max: self.buffered_bytes_max.unwrap_or(derived.buffered_bytes_max),
            connections_max: self.connections_max.unwrap_or(derived.connections_max),
            ..file
        }
    }
}

/// The table `[admin]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [admin] listen = …")]
struct AdminFile {
    listen: Option<SocketAddr>,
    token_file: Option<PathBuf>,
    hosts: Vec<String>,
    repository_on_serving_port: bool,
}

/// The table `[features]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FeaturesFile {
    scylla: ScyllaSettings,
}

/// `model = "a"` or `model = ["a", "b"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a model's name or a list of names")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// What the process does, all defaults filled in.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where to listen for requests.
    pub(crate) listen: SocketAddr,
    /// Who may operate it, and where.
    pub(crate) admin: AdminConfig,
    /// The cores that get a shard.
    pub(crate) cores: CoreList,
    /// Which shard gets a new connection.
    pub(crate) steering: Steering,
    /// The model repository.
    pub(crate) models: PathBuf,
    /// The models to serve, the default one first.
    pub(crate) model: Vec<String>,
    /// Whether no model was named.
    pub(crate) model_is_default: bool,
    /// The feature store.
    pub(crate) store: StoreAddress,
    /// How to reach the store and what to read there, where it is a cluster.
    pub(crate) scylla: ScyllaSettings,
    /// Whether the store was chosen, or is the one that is filled on a first run.
    pub(crate) store_is_default: bool,
    /// Where a new process takes over the listening sockets.
    pub(crate) takeover: Option<PathBuf>,
    /// What scores tree ensembles.
    pub(crate) kernel: KernelChoice,
    /// The largest file of a model that is loaded, in bytes.
    pub(crate) model_file_bytes_max: u64,
    /// What to log.
    pub(crate) log: String,
    /// How to log.
    pub(crate) log_format: LogFormat,
    /// What is written down beside metrics.
    pub(crate) journals: Journals,
    /// How each shard serves.
    pub(crate) shard: ShardSettings,
    /// What the system lets the process have.
    pub(crate) granted: Granted,
}

/// Who may operate the process, and where.
#[derive(Debug)]
pub(crate) struct AdminConfig {
    /// Where to listen for operators.
    pub(crate) listen: SocketAddr,
    /// What operators have to present, where something is configured.
    pub(crate) token: Option<String>,
    /// Values of `Host` that operators without a token may send, beside those of loopback.
    pub(crate) hosts: Vec<String>,
    /// Whether models are loaded and unloaded on the serving port too.
    pub(crate) repository_on_serving_port: bool,
}

impl Config {
    /// Reads the file that the flags name and lays the flags over it.
    pub(crate) fn load(flags: ServeFlags) -> anyhow::Result<Self> {
        let (file, said) = match &flags.config {
            Some(path) => read(path)?,
            None => Default::default(),
        };
        let journals = file.journals();
        let granted = Granted::of_process();
        let cores = flags.cores.or(file.cores).unwrap_or_default();
        let http = said.http.with_derived(file.http, &granted, &cores);
        let model_is_default = flags.model.is_empty() && file.model.is_none();
        let named = match file.model {
            _ if !flags.model.is_empty() => flags.model,
            Some(OneOrMore::One(name)) => vec![name],
            Some(OneOrMore::More(names)) => names,
            None => vec![MODEL_DEFAULT.to_owned()],
        };
        ensure_models(&named)?;
        let store = flags.store.or(file.store);
        let shard_defaults = ShardSettings::default();
        Ok(Self {
            listen: flags.listen.or(file.listen).unwrap_or(LISTEN_DEFAULT),
            admin: AdminConfig {
                listen: flags.admin.or(file.admin.listen).unwrap_or(ADMIN_DEFAULT),
                token: match flags.admin_token_file.or(file.admin.token_file) {
                    Some(path) => Some(read_token(&path)?),
                    None => None,
                },
                hosts: file.admin.hosts,
                repository_on_serving_port: file.admin.repository_on_serving_port,
            },
            cores,
            steering: flags.steering.or(file.steering).unwrap_or_default(),
            models: flags.models.or(file.models).unwrap_or_else(|| "models".into()),
            model: named,
            model_is_default,
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
            takeover: flags.takeover.or(file.takeover),
            kernel: flags.kernel.or(file.kernel).unwrap_or_default(),
            model_file_bytes_max: file
                .model_file_bytes_max
                .unwrap_or(FileLimits::default().file_bytes_max),
            log: flags.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
            shard: ShardSettings {
                http,
                batch: file.batch,
                queue_rows_max: file.queue_rows_max.unwrap_or(shard_defaults.queue_rows_max),
                queue_us_max: file.queue_us_max.unwrap_or(shard_defaults.queue_us_max),
                refusal_percent_max: file
                    .refusal_percent_max
                    .unwrap_or(shard_defaults.refusal_percent_max),
                deadline_ms: file.deadline_ms,
                request_ids: file.request_ids,
                takes_repository_requests: file.admin.repository_on_serving_port,
                descriptors_max: granted.descriptors.map(Descriptors::connections_end),
                journal: journals.settings(),
            },
            granted,
            journals,
        })
    }
}

impl Config {
    /// The configuration for people, without its secrets.
    pub(crate) fn to_json(&self) -> Value {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "(hidden)");
        let cores = match &self.cores {
            CoreList::All => json!("all"),
            CoreList::These(cores) => json!(cores),
        };
        let scylla = matches!(self.store, StoreAddress::Scylla { .. }).then(|| {
            json!({
                "contact_points": self.scylla.contact_points,
                "keyspace": self.scylla.keyspace,
                "table": self.scylla.table,
                "key_column": self.scylla.key_column,
                "columns": self.scylla.columns,
                "user": self.scylla.user,
                "password": hidden(&self.scylla.password),
                "password_file": self.scylla.password_file,
                "tls": self.scylla.tls.is_some(),
                "local_datacenter": self.scylla.local_datacenter,
                "pool_size": self.scylla.pool_size,
                "fetch_deadline_ms": self.scylla.fetch_deadline_ms,
                "group_keys_max": self.scylla.group_keys_max,
                "max_frame_bytes": self.scylla.max_frame_bytes,
            })
        });
        json!({
            "listen": self.listen,
            "admin": {
                "listen": self.admin.listen,
                "token": hidden(&self.admin.token),
                "hosts": self.admin.hosts,
                "repository_on_serving_port": self.admin.repository_on_serving_port,
            },
            "cores": cores,
            "steering": self.steering,
            "models": self.models,
            "model": self.model,
            "store": self.store.to_string(),
            "features": { "scylla": scylla },
            "kernel": format!("{:?}", self.kernel).to_lowercase(),
            "model_file_bytes_max": self.model_file_bytes_max,
            "log": self.log,
            "log_format": self.log_format,
            "queue_rows_max": self.shard.queue_rows_max,
            "queue_us_max": self.shard.queue_us_max,
            "refusal_percent_max": self.shard.refusal_percent_max,
            "deadline_ms": self.shard.deadline_ms,
            "request_ids": self.shard.request_ids,
            "prediction_log": self.journals.predictions,
            "access_log": self.journals.access,
            "http": self.shard.http,
            "batch": self.shard.batch,
            "system": self.granted.to_json(),
        })
    }

    /// How models are loaded: warmed up with the largest batch that they will see.
    pub(crate) fn load_options(&self) -> LoadOptions {
        LoadOptions {
            warm_up_rows: self.shard.batch.batch_rows_max,
            kernel: self.kernel,
            limits: FileLimits {
                file_bytes_max: self.model_file_bytes_max,
                ..FileLimits::default()
            },
        }
    }
}

/// The token in a file, as one line of some length: a short one can be guessed.
fn read_token(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: the admin token cannot be read", path.display()))?;
    let token = text.trim();
    anyhow::ensure!(
        token.len() >= TOKEN_BYTES_MIN && token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{}: expected an admin token of {TOKEN_BYTES_MIN} or more visible ASCII characters",
        path.display()
    );
    Ok(token.to_owned())
}

/// At least one model, none of them twice.
fn ensure_models(names: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(!names.is_empty(), "model: found none, expected a model's name");
    for (place, name) in names.iter().enumerate() {
        anyhow::ensure!(!names[..place].contains(name), "model: `{name}` is named twice");
    }
    Ok(())
}

/// Where in the file and what, without the excerpt that toml draws over several lines.
fn in_one_line(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..start].split(|byte| *byte == b'\n').count();
    let message = error.message().replace('\n', ", ");
    anyhow::anyhow!("{}: line {line}: {message}", path.display())
}

fn read(path: &Path) -> anyhow::Result<(ConfigFile, SaidFile)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    let not_read = |error| in_one_line(path, &text, &error);
    let file: ConfigFile = toml::from_str(&text).map_err(not_read)?;
    let said = toml::from_str(&text).map_err(not_read)?;
    for (key, found) in [
        ("batch.max_batch_size", file.batch.batch_rows_max),
        ("batch.max_batches_in_flight", file.batch.batches_in_flight_max),
        ("http.connections_max", file.http.connections_max),
        (
            "http.connections_per_address_max",
            file.http.connections_per_address_max.unwrap_or(usize::MAX),
        ),
        ("http.pipelined_requests_max", file.http.pipelined_requests_max),
    ] {
        anyhow::ensure!(
            found > 0,
            "{}: {key}: found 0, expected a whole number above 0",
            path.display()
        );
    }
    if let Some(found) = file.refusal_percent_max {
        anyhow::ensure!(
            (1..=100).contains(&found),
            "{}: refusal_percent_max: found {found}, expected a whole number from 1 to 100",
            path.display()
        );
    }
    file.journals().ensure_usable().with_context(|| path.display().to_string())?;
    Ok((file, said))
}
