//! The command line. Every flag of `serve` is also an environment variable and a key of the
//! configuration file; a flag wins over the environment, and both over the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use shards::features::address::StoreAddress;
use shards::model::trees::KernelChoice;

use crate::commands::explain::ExplainArguments;
use crate::commands::import::ImportArguments;
use crate::commands::ingest::IngestArguments;
use crate::commands::init::InitArguments;
use crate::commands::look::{GetArguments, SchemaArguments};
use crate::commands::replay::ReplayArguments;
use crate::commands::transform::TransformArguments;
use crate::logging::LogFormat;
use crate::placement::CoreList;
use crate::serve::steering::Steering;

const ABOUT: &str = "A thread-per-core machine-learning inference gateway: \
    POST /predict {\"user_id\": \"...\"} is answered with a score, on the core that accepted it";

/// What the process is told.
#[derive(Debug, Parser)]
#[command(version, about = ABOUT, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeFlags,
}

/// What to do; `serve` when nothing is said.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer requests until SIGTERM or SIGINT; SIGUSR1 prints latency histograms.
    Serve(FileArguments),
    // What it does, and how, is said where its arguments are.
    Import(ImportArguments),
    /// Say what is wrong with the configuration, the models and the store, and where.
    Check(FileArguments),
    Ingest(IngestArguments),
    Init(InitArguments),
    /// Show the models and versions that would be served: those of --model, or all that there are.
    Models(ServeFlags),
    Schema(SchemaArguments),
    Get(GetArguments),
    Explain(ExplainArguments),
    Replay(ReplayArguments),
    Transform(TransformArguments),
    /// Write the manual pages, one for each command, into a folder.
    #[command(hide = true)]
    Man {
        /// The folder; made where it does not exist.
        folder: PathBuf,
    },
    /// Print what makes a shell complete commands and flags.
    #[command(hide = true)]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// What `serve` and `check` are told: a model's file, or where models are.
#[derive(Debug, Default, Args)]
pub(crate) struct FileArguments {
    /// A model's file to serve by itself (.onnx, .txt, .json, .ubj, .cbm, .cbm.json): requests give
    /// its columns. It needs no repository, no store and no model.toml.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What the model of FILE is called [default: the file's name without its ending].
    #[arg(long, value_name = "NAME", requires = "file")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) flags: ServeFlags,
}

/// What `serve` is told of models in a repository.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeFlags {
    /// The configuration file (TOML).
    #[arg(long, env = "SHARDGATE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to listen for requests [default: 127.0.0.1:8888].
    #[arg(long, env = "SHARDGATE_LISTEN", value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where to listen for operators [default: 127.0.0.1:9888].
    #[arg(long, env = "SHARDGATE_ADMIN", value_name = "ADDRESS:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// The file that holds the token of the admin port: what changes the process or shows its
    /// configuration then needs `Authorization: Bearer`. Without one, such calls are served on
    /// a loopback address only.
    #[arg(long, env = "SHARDGATE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// The cores that get a shard, like `0,2-5`; `all` is every core this process may use
    /// [default: all].
    #[arg(long, env = "SHARDGATE_CORES", value_name = "LIST")]
    pub(crate) cores: Option<CoreList>,
    /// Which shard gets a new connection: one that the kernel's hash of its addresses chooses, or
    /// the one of the core that its packets arrive on [default: hash].
    #[arg(long, env = "SHARDGATE_STEERING", value_enum, value_name = "HOW")]
    pub(crate) steering: Option<Steering>,
    /// The model repository [default: models].
    #[arg(long, env = "SHARDGATE_MODELS", value_name = "DIR")]
    pub(crate) models: Option<PathBuf>,
    /// A model to serve; may be given more than once, the first answers `/predict`
    /// [default: credit-risk].
    #[arg(long, env = "SHARDGATE_MODEL", value_name = "NAME", value_delimiter = ',')]
    pub(crate) model: Vec<String>,
    /// The feature store: embedded:DIR or scylla://HOST:PORT[,HOST:PORT...]/KEYSPACE
    /// [default: embedded:.cache/features].
    #[arg(long, env = "SHARDGATE_STORE", value_name = "STORE")]
    pub(crate) store: Option<StoreAddress>,
    /// A Unix socket by which a new process takes over the listening sockets of the one that
    /// serves, without refusing a connection [default: none].
    #[arg(long, env = "SHARDGATE_TAKEOVER", value_name = "PATH")]
    pub(crate) takeover: Option<PathBuf>,
    /// The file of the API keys, one of which each request then needs [default: none is needed].
    #[arg(long, env = "SHARDGATE_KEYS_FILE", value_name = "FILE")]
    pub(crate) keys_file: Option<PathBuf>,
    /// The certificate that encrypts the serving port, as PEM, and those behind it.
    #[arg(long, env = "SHARDGATE_TLS_CERTIFICATE", value_name = "FILE")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, env = "SHARDGATE_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The authorities, as PEM, one of which has to have signed each client's certificate
    /// [default: clients need none].
    #[arg(long, env = "SHARDGATE_TLS_CLIENT_CA", value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// The collector that spans of requests are sent to by OTLP, as http://HOST:PORT
    /// [default: that of `OpenTelemetry`'s environment variables, else none are recorded].
    #[arg(long, env = "SHARDGATE_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// What scores tree ensembles: auto, walk, portable, avx2 or avx512; all give the same bits
    /// [default: auto].
    #[arg(long, env = "SHARDGATE_KERNEL", value_name = "KERNEL")]
    pub(crate) kernel: Option<KernelChoice>,
    /// What to log: a level, or `target=level` pairs [default: info].
    #[arg(long, env = "SHARDGATE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How to log [default: text].
    #[arg(long, env = "SHARDGATE_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}
