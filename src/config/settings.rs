//! Every key of the configuration with its default: what the file is read into, what flags are laid
//! over, and what `/config` shows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shards::batch::BatchPolicy;
use shards::features::address::StoreAddress;
use shards::features::aggregates::Aggregate;
use shards::features::scylla::ScyllaSettings;
use shards::http::Http2Limits;
use shards::http1::HttpLimits;
use shards::model::FileLimits;
use shards::model::trees::KernelChoice;
use shards::origin::RequestIds;
use shards::shard::ShardSettings;
use shards::tls::TlsSettings;

use crate::cli::ServeFlags;
use crate::journal::settings::{AccessLog, Journals, PredictionLog};
use crate::logging::LogFormat;
use crate::otlp::settings::OtlpSettings;
use crate::placement::CoreList;
use crate::serve::steering::Steering;
use crate::serve::writes::settings::WriteSettings;

const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8888);
const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9888);
/// The model that is served when nothing is said, from the bundled repository.
const MODEL_DEFAULT: &str = "credit-risk";
const STORE_DEFAULT: &str = ".cache/features";

/// The keys of the configuration.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) admin: AdminSettings,
    pub(super) cores: CoreList,
    pub(super) steering: Steering,
    pub(super) models: PathBuf,
    pub(super) model: Names,
    pub(super) store: StoreAddress,
    pub(super) takeover: Option<PathBuf>,
    pub(super) keys_file: Option<PathBuf>,
    pub(super) tls: TlsSettings,
    pub(super) kernel: KernelChoice,
    #[serde(alias = "model_file_bytes_max")]
    pub(super) max_model_file_bytes: u64,
    pub(super) log: String,
    pub(super) log_format: LogFormat,
    #[serde(alias = "queue_rows_max")]
    pub(super) max_queue_rows: usize,
    #[serde(alias = "queue_us_max")]
    pub(super) max_queue_delay_us: u64,
    #[serde(alias = "refusal_percent_max")]
    pub(super) max_refusal_percent: u32,
    pub(super) deadline_ms: Option<u64>,
    pub(super) request_ids: RequestIds,
    pub(super) http: HttpLimits,
    pub(super) http2: Http2Limits,
    pub(super) batch: BatchPolicy,
    pub(super) features: FeatureSettings,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) prediction_log: Option<PredictionLog>,
    pub(super) access_log: AccessLog,
    pub(super) otlp: OtlpSettings,
}

/// The table `[admin]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [admin] listen = …")]
pub(super) struct AdminSettings {
    pub(super) listen: SocketAddr,
    pub(super) token_file: Option<PathBuf>,
    pub(super) hosts: Vec<String>,
    pub(super) repository_on_serving_port: bool,
    pub(super) tls: TlsSettings,
}

/// The table `[features]`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FeatureSettings {
    pub(super) scylla: ScyllaSettings,
    pub(super) writes: WriteSettings,
}

/// `model = "a"` or `model = ["a", "b"]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "OneOrMore")]
pub(super) struct Names(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a model's name or a list of names")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Names {
    fn from(names: OneOrMore) -> Self {
        match names {
            OneOrMore::One(name) => Self(vec![name]),
            OneOrMore::More(names) => Self(names),
        }
    }
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            listen: ADMIN_DEFAULT,
            token_file: None,
            hosts: Vec::new(),
            repository_on_serving_port: false,
            tls: TlsSettings::default(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let shard = ShardSettings::default();
        Self {
            listen: LISTEN_DEFAULT,
            admin: AdminSettings::default(),
            cores: CoreList::default(),
            steering: Steering::default(),
            models: "models".into(),
            model: Names(vec![MODEL_DEFAULT.to_owned()]),
            store: StoreAddress::Embedded(STORE_DEFAULT.into()),
            takeover: None,
            keys_file: None,
            tls: TlsSettings::default(),
            kernel: KernelChoice::default(),
            max_model_file_bytes: FileLimits::default().file_bytes_max,
            log: "info".to_owned(),
            log_format: LogFormat::default(),
            max_queue_rows: shard.queue_rows_max,
            max_queue_delay_us: shard.queue_us_max,
            max_refusal_percent: shard.refusal_percent_max,
            deadline_ms: shard.deadline_ms,
            request_ids: shard.request_ids,
            http: shard.http,
            http2: shard.http2,
            batch: shard.batch,
            features: FeatureSettings::default(),
            aggregates: Vec::new(),
            prediction_log: None,
            access_log: AccessLog::default(),
            otlp: OtlpSettings::default(),
        }
    }
}

impl Settings {
    /// Replaces what the flags, or the environment in their place, say.
    pub(super) fn lay_over(&mut self, flags: ServeFlags) {
        fn set<T>(setting: &mut T, said: Option<T>) {
            if let Some(said) = said {
                *setting = said;
            }
        }
        set(&mut self.listen, flags.listen);
        set(&mut self.admin.listen, flags.admin);
        set(&mut self.cores, flags.cores);
        set(&mut self.steering, flags.steering);
        set(&mut self.models, flags.models);
        set(&mut self.model, Some(flags.model).filter(|it| !it.is_empty()).map(Names));
        set(&mut self.store, flags.store);
        set(&mut self.kernel, flags.kernel);
        set(&mut self.log, flags.log);
        set(&mut self.log_format, flags.log_format);
        self.takeover = flags.takeover.or_else(|| self.takeover.take());
        self.otlp.endpoint = flags.otlp_endpoint.or_else(|| self.otlp.endpoint.take());
        self.keys_file = flags.keys_file.or_else(|| self.keys_file.take());
        for (setting, flag) in [
            (&mut self.tls.certificate_file, flags.tls_certificate),
            (&mut self.tls.key_file, flags.tls_key),
            (&mut self.tls.client_ca_file, flags.tls_client_ca),
        ] {
            *setting = flag.or_else(|| setting.take());
        }
        self.admin.token_file = flags.admin_token_file.or_else(|| self.admin.token_file.take());
        if let StoreAddress::Scylla { contact_points, keyspace } = &self.store {
            self.features.scylla.contact_points.clone_from(contact_points);
            self.features.scylla.keyspace.clone_from(keyspace);
        }
    }

    /// Whether the values make sense, each with its key.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let per_address = self.http.connections_per_address_max.unwrap_or(usize::MAX);
        for (key, found) in [
            ("batch.max_batch_size", self.batch.batch_rows_max),
            ("batch.max_batches_in_flight", self.batch.batches_in_flight_max),
            ("http.max_connections", self.http.connections_max),
            ("http.max_connections_per_address", per_address),
            ("http.max_pipelined_requests", self.http.pipelined_requests_max),
        ] {
            anyhow::ensure!(found > 0, "{key}: found 0, expected a whole number above 0");
        }
        let found = self.max_refusal_percent;
        anyhow::ensure!(
            (1..=100).contains(&found),
            "max_refusal_percent: found {found}, expected a whole number from 1 to 100"
        );
        self.otlp.check()?;
        self.journals().ensure_usable()
    }

    /// What is written down beside metrics.
    pub(super) fn journals(&self) -> Journals {
        Journals { predictions: self.prediction_log.clone(), access: self.access_log }
    }
}
