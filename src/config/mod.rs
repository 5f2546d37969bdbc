//! The configuration: the file, then the environment, then the command line over it.
//!
//! [`settings`] has every key with its default, and [`old_names`] the keys that were renamed.

mod old_names;
#[cfg(test)]
mod page_tests;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use shards::features::address::StoreAddress;
use shards::features::aggregates::Aggregate;
use shards::features::scylla::ScyllaSettings;
use shards::model::repository::{NotedField, Repository};
use shards::model::trees::KernelChoice;
use shards::model::{FileFormat, FileLimits, LoadOptions, LoneFile};
use shards::shard::ShardSettings;
use shards::tls::TlsSettings;
use toml::Table;

use self::settings::{AdminSettings, Settings};
use crate::cli::{FileArguments, ServeFlags};
use crate::journal::settings::Journals;
use crate::logging::LogFormat;
use crate::otlp::settings::OtlpSettings;
use crate::placement::CoreList;
use crate::serve::steering::Steering;
use crate::serve::writes::settings::WriteSettings;
use crate::system::Granted;
use crate::system::descriptors::Descriptors;

/// The shortest admin token.
const TOKEN_BYTES_MIN: usize = 16;

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
    /// The file that is served by itself, in the place of a repository.
    pub(crate) file: Option<LoneFile>,
    /// The models to serve, the default one first.
    pub(crate) model: Vec<String>,
    /// Whether no model was named.
    pub(crate) model_is_default: bool,
    /// The feature store.
    pub(crate) store: StoreAddress,
    /// How to reach the store and what to read there, where it is a cluster.
    pub(crate) scylla: ScyllaSettings,
    /// How features are written.
    pub(crate) writes: WriteSettings,
    /// What is counted of events.
    pub(crate) aggregates: Vec<Aggregate>,
    /// Whether the store was chosen, or is the one that is filled on a first run.
    pub(crate) store_is_default: bool,
    /// Where a new process takes over the listening sockets.
    pub(crate) takeover: Option<PathBuf>,
    /// The file of the API keys; `None`: requests need none.
    pub(crate) keys_file: Option<PathBuf>,
    /// The files that encrypt the serving port.
    pub(crate) tls: TlsSettings,
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
    /// Where spans of requests are sent.
    pub(crate) otlp: OtlpSettings,
    /// How each shard serves.
    pub(crate) shard: ShardSettings,
    /// What the system lets the process have.
    pub(crate) granted: Granted,
    /// What to say of the file: keys that have newer names.
    pub(crate) warnings: Vec<String>,
    /// Every setting, for people.
    shown: Value,
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
    /// The files that encrypt the port.
    pub(crate) tls: TlsSettings,
}

impl Config {
    /// Reads the file that the flags name and lays the flags over it.
    pub(crate) fn load(flags: ServeFlags) -> anyhow::Result<Self> {
        let (mut settings, file) = match &flags.config {
            Some(path) => read(path)?,
            None => Default::default(),
        };
        let model_is_default = flags.model.is_empty() && !file.contains_key("model");
        let store_is_default = flags.store.is_none() && !file.contains_key("store");
        settings.lay_over(flags);
        let said = file.get("otlp").and_then(toml::Value::as_table);
        let is_said = |key: &str| said.is_some_and(|table| table.contains_key(key));
        let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        let unused = settings.otlp.fill(is_said, variable)?;
        settings.otlp.check()?;
        let granted = Granted::of_process();
        bound_by_memory(&mut settings, &file, &granted);
        ensure_models(&settings.model.0)?;
        Aggregate::check_all(&settings.aggregates)?;
        let token = match &settings.admin.token_file {
            Some(path) => Some(read_token(path)?),
            None => None,
        };
        let shown = shown(&settings, &granted)?;
        let journals = settings.journals();
        let AdminSettings { listen, hosts, repository_on_serving_port, tls, .. } = settings.admin;
        Ok(Self {
            listen: settings.listen,
            admin: AdminConfig { listen, token, hosts, repository_on_serving_port, tls },
            cores: settings.cores,
            steering: settings.steering,
            models: settings.models,
            file: None,
            model: settings.model.0,
            model_is_default,
            store: settings.store,
            scylla: settings.features.scylla,
            writes: settings.features.writes.clone(),
            aggregates: settings.aggregates.clone(),
            store_is_default,
            takeover: settings.takeover,
            keys_file: settings.keys_file,
            tls: settings.tls,
            kernel: settings.kernel,
            model_file_bytes_max: settings.max_model_file_bytes,
            log: settings.log,
            log_format: settings.log_format,
            shard: ShardSettings {
                http: settings.http,
                http2: settings.http2,
                batch: settings.batch,
                queue_rows_max: settings.max_queue_rows,
                queue_us_max: settings.max_queue_delay_us,
                refusal_percent_max: settings.max_refusal_percent,
                deadline_ms: settings.deadline_ms,
                request_ids: settings.request_ids,
                takes_repository_requests: repository_on_serving_port,
                takes_writes: settings.features.writes.on_serving_port,
                aggregates: settings.aggregates,
                descriptors_max: granted.descriptors.map(Descriptors::connections_end),
                journal: journals.settings(),
                spans: settings.otlp.spans(),
            },
            granted,
            otlp: settings.otlp,
            journals,
            warnings: old_names::warnings(&file).into_iter().chain(unused).collect(),
            shown,
        })
    }

    /// [`Self::load`], with a model's file by itself where one is named.
    pub(crate) fn load_file(arguments: FileArguments) -> anyhow::Result<Self> {
        let FileArguments { file, name, flags } = arguments;
        let Some(path) = file else { return Self::load(flags) };
        for (flag, is_said) in [
            ("--models", flags.models.is_some()),
            ("--model", !flags.model.is_empty()),
            ("--store", flags.store.is_some()),
        ] {
            anyhow::ensure!(
                !is_said,
                "{flag}: {} is served by itself, without a repository and a store: leave out one of \
                 the two",
                path.display()
            );
        }
        ensure_model_file(&path)?;
        let mut config = Self::load(flags)?;
        let file = LoneFile::new(&path, name.as_deref())
            .with_context(|| format!("{}: --name gives it another name", path.display()))?;
        config.model = vec![file.name().to_owned()];
        config.shown["file"] = path.display().to_string().into();
        config.shown["model"] = file.name().into();
        for unused in ["models", "store"] {
            config.shown[unused] = Value::Null;
        }
        config.file = Some(file);
        Ok(config)
    }

    /// Where models are.
    pub(crate) fn repository(&self) -> Repository {
        let repository = match &self.file {
            Some(file) => Repository::of_file(file.clone()),
            None => Repository::new(&self.models),
        };
        let noted = self.aggregates.iter().filter(|it| it.on_predict).filter_map(|it| {
            Some(NotedField { entity: it.entity.clone(), field: it.value.clone()? })
        });
        repository.noting(noted.collect())
    }

    /// The configuration for people, by the keys of the file and without its secrets.
    pub(crate) fn to_json(&self) -> Value {
        self.shown.clone()
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

/// What a file says of clusters.
pub(crate) fn read_scylla(path: &Path) -> anyhow::Result<ScyllaSettings> {
    Ok(read(path)?.0.features.scylla)
}

/// A file, whose name says which library wrote it.
pub(crate) fn ensure_model_file(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    anyhow::ensure!(!path.is_dir(), "{shown}: a folder; --models says where a repository is");
    anyhow::ensure!(path.is_file(), "{shown}: no such file");
    anyhow::ensure!(
        FileFormat::is_named(path),
        "{shown}: expected a model's file: .onnx, .txt (LightGBM), .json or .ubj (XGBoost), .cbm or \
         .cbm.json (CatBoost)"
    );
    Ok(())
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

/// The file's settings, and the file as it is: it tells which keys it has.
fn read(path: &Path) -> anyhow::Result<(Settings, Table)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    let not_read = |error| in_one_line(path, &text, &error);
    let settings: Settings = toml::from_str(&text).map_err(not_read)?;
    let file = text.parse().map_err(not_read)?;
    settings.check().with_context(|| path.display().to_string())?;
    Ok((settings, file))
}

/// Lowers the limits that the file does not say itself to what the system's limit on memory allows.
fn bound_by_memory(settings: &mut Settings, file: &Table, granted: &Granted) {
    let Some(memory) = &granted.memory else { return };
    // Cores that there are not are refused where they are to be used.
    let derived = memory.http_limits(settings.cores.resolve().map_or(1, |cores| cores.len()));
    if !old_names::says(file, "http", "max_buffered_bytes") {
        settings.http.buffered_bytes_max = derived.buffered_bytes_max;
    }
    if !old_names::says(file, "http", "max_connections") {
        settings.http.connections_max = derived.connections_max;
    }
}

/// The settings for people, without those of a cluster where none is asked.
fn shown(settings: &Settings, granted: &Granted) -> anyhow::Result<Value> {
    let mut shown = serde_json::to_value(settings).context("the configuration cannot be shown")?;
    if !matches!(settings.store, StoreAddress::Scylla { .. }) {
        shown["features"]["scylla"] = Value::Null;
    }
    shown["system"] = granted.to_json();
    Ok(shown)
}
