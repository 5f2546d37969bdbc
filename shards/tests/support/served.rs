//! A shard in a thread of its own, on port 0.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use shards::batch::PreparedModel;
use shards::executor;
use shards::facts::Role;
use shards::features::StoreSource;
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{OnBadRow, import_embedded};
use shards::features::scylla::ScyllaSettings;
use shards::keys::KeyFile;
use shards::model::LoadOptions;
use shards::model::repository::{ModelDirectory, Repository};
use shards::shard::{Command, Shard, ShardSettings, ShardSetup, ShardShared, Shutdown};
use shards::telemetry::{LaneTelemetry, ShardCounters};
use shards::tls::TlsIdentity;

use super::client::Client;
use super::patience::wait_until;
use super::stores::{self, Heard};

/// The models that are bundled with the gateway.
pub(crate) fn bundled() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models")
}

/// The users of a bundled model's golden file, and the scores that its own library gave them.
pub(crate) fn golden(model: &str) -> Vec<(String, f64)> {
    let text = std::fs::read_to_string(bundled().join(model).join("golden.csv")).unwrap();
    let rows = text.lines().skip(1).map(|line| line.split_once(',').unwrap());
    rows.map(|(user, score)| (user.to_owned(), score.parse().unwrap())).collect()
}

/// The intercept of the second class in the file of `demo-logistic`.
pub(crate) const INTERCEPT: f32 = 0.200_825_87;

/// The file of `demo-logistic` with another intercept: it has the same inputs and other scores.
pub(crate) fn demo_with_intercept(intercept: f32) -> Vec<u8> {
    let mut file = std::fs::read(bundled().join("demo-logistic/1/model.onnx")).unwrap();
    let known = INTERCEPT.to_le_bytes();
    let at = file.windows(4).position(|bytes| bytes == known).expect("the intercept");
    file[at..at + 4].copy_from_slice(&intercept.to_le_bytes());
    file
}

/// A repository of one's own: a copy of `demo-logistic` with this manifest.
fn repository_with(manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("demo-logistic");
    std::fs::create_dir_all(model.join("1")).unwrap();
    std::fs::write(model.join("model.toml"), manifest).unwrap();
    let source = bundled().join("demo-logistic/1/model.onnx");
    std::fs::copy(source, model.join("1/model.onnx")).unwrap();
    folder
}

/// What a shard is to serve, and how.
pub(crate) struct Setup {
    pub(crate) settings: ShardSettings,
    models: PathBuf,
    /// A repository that goes with the shard.
    repository: Option<tempfile::TempDir>,
    names: Vec<&'static str>,
    csv: String,
    /// Named tables of the store: the columns of their keys, and their rows.
    tables: Vec<(&'static str, Vec<String>, String)>,
    cluster: Option<ScyllaSettings>,
    tls: Option<TlsIdentity>,
    keys: Option<KeyFile>,
}

impl Setup {
    /// The bundled model `name` on the users that are bundled with it.
    pub(crate) fn of(name: &'static str) -> Self {
        let csv = std::fs::read_to_string(bundled().join(name).join("features.csv")).unwrap();
        let settings = ShardSettings::default();
        let names = vec![name];
        Self {
            settings,
            models: bundled(),
            repository: None,
            names,
            csv,
            tables: Vec::new(),
            cluster: None,
            tls: None,
            keys: None,
        }
    }

    /// `demo-logistic` with another manifest.
    pub(crate) fn with_manifest(manifest: &str) -> Self {
        let repository = repository_with(manifest);
        let models = repository.path().to_owned();
        Self { models, repository: Some(repository), ..Self::of("demo-logistic") }
    }

    /// A bundled model with this part of its manifest replaced.
    pub(crate) fn changed(self, from: &str, to: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (source, model) = (self.models.join(self.names[0]), folder.path().join(self.names[0]));
        std::fs::create_dir_all(model.join("1")).unwrap();
        for file in std::fs::read_dir(source.join("1")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), model.join("1").join(file.file_name())).unwrap();
        }
        let manifest = std::fs::read_to_string(source.join("model.toml")).unwrap();
        assert!(manifest.contains(from), "{manifest}");
        std::fs::write(model.join("model.toml"), manifest.replace(from, to)).unwrap();
        Self { models: folder.path().to_owned(), repository: Some(folder), ..self }
    }

    /// Where the manifest of a repository of its own is.
    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.models.join(self.names[0]).join("model.toml")
    }

    /// This file, served as `demo-logistic` with this manifest.
    pub(crate) fn with_model(manifest: &str, file: &[u8]) -> Self {
        let this = Self::with_manifest(manifest);
        std::fs::write(this.models.join("demo-logistic/1/model.onnx"), file).unwrap();
        this
    }

    /// The file of a model that its own library wrote, served as `demo-logistic` with this manifest.
    pub(crate) fn with_native(manifest: &str, fixture: &str) -> Self {
        let this = Self::with_manifest(manifest);
        let folder = this.models.join("demo-logistic/1");
        std::fs::remove_file(folder.join("model.onnx")).unwrap();
        let native = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native").join(fixture);
        std::fs::copy(native.join("model.txt"), folder.join("model.txt")).unwrap();
        this
    }

    /// A file beside that of the only model.
    pub(crate) fn and_file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.models.join(self.names[0]).join("1").join(name), text).unwrap();
        self
    }

    /// Another version of the only model: a copy of its first.
    pub(crate) fn and_version(self, version: u32) -> Self {
        let model = self.models.join(self.names[0]);
        std::fs::create_dir_all(model.join(version.to_string())).unwrap();
        let copy = model.join(version.to_string()).join("model.onnx");
        std::fs::copy(model.join("1/model.onnx"), copy).unwrap();
        self
    }

    /// Another version of the only model, with this file.
    pub(crate) fn and_version_of(self, version: u32, file: &[u8]) -> Self {
        let this = self.and_version(version);
        let model = this.models.join(this.names[0]);
        std::fs::write(model.join(version.to_string()).join("model.onnx"), file).unwrap();
        this
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut ShardSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) fn csv(mut self, csv: &str) -> Self {
        csv.clone_into(&mut self.csv);
        self
    }

    /// A named table of the store, with keys of these columns.
    pub(crate) fn and_table(mut self, name: &'static str, keys: &[&str], csv: &str) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        self.tables.push((name, keys, csv.to_owned()));
        self
    }

    /// The features of a cluster, and not those of a store of its own.
    pub(crate) fn cluster(mut self, settings: ScyllaSettings) -> Self {
        self.cluster = Some(settings);
        self
    }

    /// For requests that have one of these keys.
    pub(crate) fn with_keys(mut self, text: &str) -> Self {
        self.keys = Some(KeyFile::parse(text, Path::new("keys.toml")).unwrap());
        self
    }

    /// Encrypted.
    pub(crate) fn encrypted(mut self, identity: TlsIdentity) -> Self {
        self.tls = Some(identity);
        self
    }

    /// Opens the shard in a thread and serves.
    pub(crate) fn serve(self) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        stores::import(&store, &self.csv).unwrap();
        for (name, keys, csv) in &self.tables {
            stores::import_table(folder.path(), name, keys, csv);
        }
        let source = match self.cluster {
            Some(settings) => StoreSource::Cql {
                addresses: settings.resolve().unwrap(),
                settings: Arc::new(settings),
            },
            None => StoreSource::Embedded(store.clone()),
        };
        let repository = Repository::new(&self.models);
        let models: Vec<_> =
            self.names.iter().flat_map(|name| repository.find_served(name).unwrap()).collect();
        let shared = Arc::new(ShardShared::default());
        let setup = ShardSetup {
            settings: self.settings,
            models: models.clone(),
            load: LoadOptions::default(),
            loads: Arc::default(),
            store: source,
            keys: self.keys,
            tls: self.tls,
            shared: Arc::clone(&shared),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::default();
        let heard = shutdown.clone();
        let thread = std::thread::spawn(move || run(setup, listener, heard));
        Served {
            address,
            shared,
            store,
            shutdown,
            models,
            thread: Some(thread),
            _kept: (folder, self.repository),
        }
    }
}

fn run(setup: ShardSetup, listener: TcpListener, shutdown: Shutdown) -> std::io::Result<()> {
    let executor = executor::make("shard").expect("an executor");
    executor.run(async {
        let shard = Shard::open(setup).await.expect("the shard opens");
        shard.run(listener, shutdown).await
    })
}

/// A shard that serves; dropping it drains it.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<ShardShared>,
    pub(crate) store: EmbeddedStore,
    pub(crate) shutdown: Shutdown,
    models: Vec<ModelDirectory>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
    _kept: (tempfile::TempDir, Option<tempfile::TempDir>),
}

impl Served {
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.shared.telemetry.counters
    }

    /// What the version counts that scores copies.
    pub(crate) fn shadow(&self) -> Arc<LaneTelemetry> {
        let mut lanes = self.shared.telemetry.lanes().into_iter();
        lanes.find(|lane| lane.facts.role == Role::Shadow).expect("a shadow")
    }

    /// What its only model counts.
    pub(crate) fn lane(&self) -> Arc<LaneTelemetry> {
        self.shared.telemetry.lanes().pop().expect("a model")
    }

    /// Takes its models into service as they are on disk, and waits until it serves them.
    pub(crate) fn reload(&self) {
        self.reload_while(|| ());
    }

    /// [`Self::reload`] of what the repository finds for its models now, with their manifests.
    pub(crate) fn reload_as_found(&self) {
        let schema = self.store.schema().unwrap().expect("a schema");
        for known in &self.models {
            let root = known.path.parent().expect("a repository");
            let directory = Repository::new(root).find(&known.name, None).unwrap();
            let model = PreparedModel::load(&directory, LoadOptions::default(), &schema).unwrap();
            let number = self.shared.send(Command::Install(Box::new(model)));
            wait_until("a model is installed", || self.shared.done() >= number);
        }
    }

    /// [`Self::reload`], where something happens after the models were bound to the store.
    pub(crate) fn reload_while(&self, happens: impl Fn()) {
        let schema = self.store.schema().unwrap().expect("a schema");
        for directory in &self.models {
            let model = PreparedModel::load(directory, LoadOptions::default(), &schema).unwrap();
            happens();
            let number = self.shared.send(Command::Install(Box::new(model)));
            wait_until("a model is installed", || self.shared.done() >= number);
        }
    }

    /// Imports `csv` over what the store has; its columns may differ.
    pub(crate) fn replace_store(&self, csv: &str) {
        let options = stores::options(OnBadRow::Fatal, true);
        import_embedded(&self.store, csv.as_bytes(), &options, &mut Heard::default()).unwrap();
    }

    /// Tells the shard to stop and waits for the end of its drain.
    pub(crate) fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.shutdown.begin();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the shard does not panic").expect("the shard ends well");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whoever keeps asking is to hear that it is over.
            self.shutdown.begin();
        } else {
            self.join();
        }
    }
}
