//! Takes models and new versions of them into service, on every shard or on none, and out of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shards::batch::{PrepareError, PreparedModel};
use shards::features::schema::Schema;
use shards::features::{StoreError, StoreSource};
use shards::model::repository::{ModelDirectory, Repository, RepositoryError};
use shards::model::{LoadOptions, Loads};
use shards::shard::{Command, ShardShared};
use thiserror::Error;

use crate::allocator;
use crate::config::Config;

/// How long a shard may take to swap prepared models; it does so at its next tick.
const SWAP_MAX: Duration = Duration::from_secs(5);

/// Of how many models that are not served it is remembered why: names come and go without end.
const REMEMBERED_MAX: usize = 256;

/// Why what is served was not changed.
#[derive(Debug, Error)]
pub(crate) enum ReloadError {
    /// A model was not found.
    #[error(transparent)]
    Find(#[from] RepositoryError),
    /// A version of a model was not loaded.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The store does not say which columns it has.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No plan can be bound to what the store has.
    #[error("the feature store has no columns that a model could be bound to")]
    NoSchema,
    /// Loading panicked.
    #[error("loading model `{name}` panicked")]
    Panicked {
        /// The model.
        name: String,
    },
    /// A shard has not carried out what it was told; it will as soon as it can.
    #[error("shard {index} has not swapped its models within {} s", SWAP_MAX.as_secs())]
    Shard {
        /// The shard's number, from 0.
        index: usize,
    },
    /// A model that is not served cannot be unloaded.
    #[error("model `{name}` is not served")]
    NotServed {
        /// What was asked for.
        name: String,
    },
    /// The default model has to be there, for `/predict`.
    #[error("model `{name}` is the default one, which answers /predict: it cannot be unloaded")]
    Default {
        /// The default model.
        name: String,
    },
}

/// What is served by all shards, and the one place where that changes.
#[derive(Debug)]
pub(crate) struct Reloader {
    load: LoadOptions,
    repository: Repository,
    store: StoreSource,
    shards: Vec<Arc<ShardShared>>,
    served: Mutex<Served>,
}

/// What is served.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served {
    /// The versions that are served, those of the default model first.
    pub(crate) directories: Vec<ModelDirectory>,
    /// Of models that were to be loaded and are not: why the last attempt failed. Of
    /// [`REMEMBERED_MAX`] models at most.
    pub(crate) failures: BTreeMap<String, Failure>,
    /// Models that were served and were unloaded since, the last [`REMEMBERED_MAX`] of them.
    pub(crate) unloaded: VecDeque<String>,
}

/// Why a model was not loaded.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The version that was tried; none where no version was found.
    pub(crate) version: Option<u64>,
    /// What is to be done about it.
    pub(crate) reason: String,
}

/// Says in the log which folders of a model are ignored and why.
pub(super) fn warn_of_folders(repository: &Repository, name: &str) {
    for note in repository.folder_notes(name) {
        tracing::warn!(model = name, "{note}");
    }
}

impl Served {
    /// The names of the models, the default one first.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for directory in &self.directories {
            if !names.contains(&directory.name) {
                names.push(directory.name.clone());
            }
        }
        names
    }

    /// Puts what is served of a model now in the place of what was, or at the end.
    fn replace(&mut self, name: &str, now: Vec<ModelDirectory>) {
        let place = self.directories.iter().position(|known| known.name == name);
        self.directories.retain(|known| known.name != name);
        let place = place.unwrap_or(self.directories.len());
        self.directories.splice(place..place, now);
        self.failures.remove(name);
        self.unloaded.retain(|known| known != name);
    }

    /// A model could not be loaded.
    fn fail(&mut self, name: &str, version: Option<u64>, reason: String) {
        // Which one is forgotten does not matter: each was logged when it failed.
        if self.failures.len() >= REMEMBERED_MAX && !self.failures.contains_key(name) {
            self.failures.pop_first();
        }
        self.failures.insert(name.to_owned(), Failure { version, reason });
    }

    /// A model is served no more.
    fn unload(&mut self, name: String) {
        self.replace(&name, Vec::new());
        if self.unloaded.len() >= REMEMBERED_MAX {
            self.unloaded.pop_front();
        }
        self.unloaded.push_back(name);
    }
}

impl Reloader {
    /// `directories` are what the shards have opened with.
    pub(crate) fn new(
        config: &Config,
        store: StoreSource,
        shards: Vec<Arc<ShardShared>>,
        directories: Vec<ModelDirectory>,
    ) -> Self {
        Self {
            load: config.load_options(),
            repository: config.repository(),
            store,
            shards,
            served: Mutex::new(Served { directories, ..Served::default() }),
        }
    }

    /// Where the models are.
    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What is served now. Waits for a change that is under way.
    pub(crate) fn served(&self) -> Served {
        self.lock().clone()
    }

    /// Takes every model that is served into service as it is on disk now, or none of them;
    /// returns their names and versions.
    pub(crate) fn reload(&self) -> Result<Vec<String>, ReloadError> {
        let mut served = self.lock();
        let names = served.names();
        self.install(&mut served, &names)
    }

    /// Takes one model into service as it is on disk now, whether it was served before or not;
    /// returns its name with each version that is served of it.
    pub(crate) fn load(&self, name: &str) -> Result<Vec<String>, ReloadError> {
        self.install(&mut self.lock(), &[name.to_owned()])
    }

    /// Takes a model out of service. What waits for it is answered; later requests are not.
    pub(crate) fn unload(&self, name: &str) -> Result<(), ReloadError> {
        let mut served = self.lock();
        let names = served.names();
        let name = name.to_owned();
        match names.iter().position(|known| *known == name) {
            None => return Err(ReloadError::NotServed { name }),
            Some(0) => return Err(ReloadError::Default { name }),
            Some(_) => {}
        }
        let sent = self.shards.iter().map(|shard| shard.send(Command::Remove(name.clone())));
        let sent: Vec<u64> = sent.collect();
        served.unload(name);
        self.wait_for(&sent)
    }

    /// A copy for each shard is loaded on a thread of its own; when all are loaded and warmed up,
    /// every shard swaps. Where one cannot be loaded the old versions go on serving.
    fn install(&self, served: &mut Served, names: &[String]) -> Result<Vec<String>, ReloadError> {
        let found = self.find(names).map_err(|(name, error)| {
            // Of what is no model nothing is remembered.
            if !matches!(error, RepositoryError::Name { .. } | RepositoryError::NoModel { .. }) {
                served.fail(name, None, error.to_string());
            }
            error
        })?;
        let prepared = self.prepare(&found);
        allocator::give_back();
        let prepared = prepared.map_err(|(directory, error)| {
            served.fail(&directory.name, Some(directory.version), error.to_string());
            error
        })?;
        for model in prepared.first().into_iter().flatten() {
            let (name, version, description) = (model.name(), model.version(), model.describe());
            tracing::info!(model = name, version, score = description.score, "loaded");
            for doubt in description.doubts() {
                tracing::warn!(model = name, version, "{doubt}");
            }
        }
        let mut sent = Vec::with_capacity(self.shards.len());
        for (shard, models) in self.shards.iter().zip(prepared) {
            let install = |model| shard.send(Command::Install(Box::new(model)));
            sent.push(models.into_iter().map(install).last().unwrap_or(0));
        }
        let title =
            |directory: &ModelDirectory| format!("{}/{}", directory.name, directory.version);
        let titles = found.iter().map(title).collect();
        for name in names {
            let now = found.iter().filter(|directory| directory.name == *name).cloned().collect();
            served.replace(name, now);
        }
        self.wait_for(&sent)?;
        Ok(titles)
    }

    /// What is to be served of each of these models.
    fn find<'a>(
        &self,
        names: &'a [String],
    ) -> Result<Vec<ModelDirectory>, (&'a String, RepositoryError)> {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            warn_of_folders(&self.repository, name);
            found.extend(self.repository.find_served(name).map_err(|error| (name, error))?);
        }
        Ok(found)
    }

    /// The columns that the store has now, not those that it had at the start, with the tables that
    /// these models name: the shards have opened them then.
    fn schema(&self, directories: &[ModelDirectory]) -> Result<Schema, ReloadError> {
        let names = || directories.iter().flat_map(|it| it.manifest.tables());
        if names().next().is_some() {
            self.read_tables(&names().map(str::to_owned).collect::<Vec<_>>())?;
        }
        if let Some(schema) = self.store.current_schema_with(names())? {
            return Ok(schema);
        }
        self.shards.iter().find_map(|shard| shard.schema()).ok_or(ReloadError::NoSchema)
    }

    /// Loads a copy of every directory for each shard, from files that are read once.
    fn prepare<'a>(
        &self,
        directories: &'a [ModelDirectory],
    ) -> Result<Vec<Vec<PreparedModel>>, (&'a ModelDirectory, ReloadError)> {
        let Some(first) = directories.first() else { return Ok(Vec::new()) };
        let schema = self.schema(directories).map_err(|error| (first, error))?;
        let loads = Loads::for_shards(self.shards.len());
        let load = |directory: &'a ModelDirectory| {
            let loaded = PreparedModel::load_with(&loads, directory, self.load, &schema);
            loaded.map_err(|error| (directory, error.into()))
        };
        let load_all = || directories.iter().map(load).collect::<Result<Vec<_>, _>>();
        std::thread::scope(|scope| {
            let threads: Vec<_> = self.shards.iter().map(|_| scope.spawn(load_all)).collect();
            let joined = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    // Which of them it was is in the log; the first stands for all.
                    Err((first, ReloadError::Panicked { name: first.name.clone() }))
                })
            });
            joined.collect()
        })
    }

    /// Has each shard open these tables of the store, and waits for it.
    fn read_tables(&self, names: &[String]) -> Result<(), ReloadError> {
        let before: Vec<u64> = self.shards.iter().map(|shard| shard.tables_read()).collect();
        for shard in &self.shards {
            shard.send(Command::ReadTables(names.to_vec()));
        }
        let give_up = Instant::now() + SWAP_MAX;
        for (index, (shard, before)) in self.shards.iter().zip(before).enumerate() {
            while shard.tables_read() == before {
                if Instant::now() >= give_up {
                    return Err(ReloadError::Shard { index });
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Waits until each shard has carried out the command of the number that it was sent.
    fn wait_for(&self, sent: &[u64]) -> Result<(), ReloadError> {
        let give_up = Instant::now() + SWAP_MAX;
        for (index, (shard, number)) in self.shards.iter().zip(sent).enumerate() {
            while shard.done() < *number {
                if Instant::now() >= give_up {
                    return Err(ReloadError::Shard { index });
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "threads of the process wait, never a shard")]
    fn lock(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
