//! The process's handle on the feature store: opened, filled on a first run, and preloaded.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use shards::features::StoreSource;
use shards::features::address::StoreAddress;
use shards::features::embedded::{EmbeddedError, EmbeddedStore};
use shards::features::import::{
    CsvOptions, ImportNote, ImportObserver, ImportOptions, ImportProgress, OnBadRow, RowError,
    import_embedded, now_us,
};
use shards::features::inputs::{InputColumn, Source};
use shards::model::repository::ModelDirectory;

use super::signals::Waiter;
use super::writes::entities::Entities;
use crate::config::Config;

/// The most of an embedded store that is read into memory before the first request.
const PRELOAD_BYTES_MAX: u64 = 64 << 30;

/// How often an import that is waited for is looked at.
const IMPORT_LOOK: Duration = Duration::from_millis(50);
/// What is said of a file that holds the store's password.
pub(crate) const EXPOSED_PASSWORD: &str = "the store's password_file may be read by every user of this machine: chmod o-r takes that away";

/// Where the shards' features come from, as the configuration says; `None` where a signal says to
/// stop meanwhile. A cluster's contact points are resolved here: each shard connects by itself.
pub(crate) fn open(
    config: &Config,
    models: &[ModelDirectory],
    entities: &Entities,
    signals: &Waiter,
) -> anyhow::Result<Option<StoreSource>> {
    if config.file.is_some() {
        return Ok(Some(StoreSource::RequestsAlone));
    }
    if config.store_is_default && models.iter().all(reads_requests_alone)
        || models.iter().all(names_no_store) && !has_default_store(config)
    {
        tracing::info!("no feature store is opened: requests give every column of the models");
        return Ok(Some(StoreSource::RequestsAlone));
    }
    match &config.store {
        StoreAddress::Embedded(folder) => {
            Ok(open_embedded(config, folder, entities, signals)?.map(StoreSource::Embedded))
        }
        StoreAddress::Scylla { .. } => {
            anyhow::ensure!(
                config.aggregates.is_empty(),
                "aggregates: they are counted in an embedded store; of a cluster, a stream processor \
                 writes them to the table (the manual's page on writes says how)"
            );
            let (settings, addresses) = (config.scylla.clone(), config.scylla.resolve()?);
            if let Some(file) = settings.exposed_password_file() {
                tracing::warn!(file = %file.display(), "{EXPOSED_PASSWORD}");
            }
            Ok(Some(StoreSource::Cql { addresses, settings: Arc::new(settings) }))
        }
    }
}

/// Whether `model.toml` has columns, and none of them, or of what its expressions read, is the store's.
fn reads_requests_alone(model: &ModelDirectory) -> bool {
    let is_sent = |column: &InputColumn| column.source != Source::Store;
    let columns = model.manifest.columns.as_ref();
    columns.is_some_and(|columns| columns.iter().chain(&model.manifest.inputs).all(is_sent))
}

/// Whether each column is a field of the request, or none is named: then requests give those of the
/// model's own file, where there is no store.
fn names_no_store(model: &ModelDirectory) -> bool {
    model.manifest.columns.is_none() || reads_requests_alone(model)
}

/// Whether there is a store: one that is named, the default one, or what that is filled from.
fn has_default_store(config: &Config) -> bool {
    let StoreAddress::Embedded(folder) = &config.store else { return true };
    let bundled = config.model.first().map(|model| bundled_features(config, model));
    !config.store_is_default || folder.exists() || bundled.is_some_and(|csv| csv.is_file())
}

/// The features that are bundled with a model.
fn bundled_features(config: &Config, model: &str) -> PathBuf {
    config.models.join(model).join("features.csv")
}

fn open_embedded(
    config: &Config,
    folder: &Path,
    entities: &Entities,
    signals: &Waiter,
) -> anyhow::Result<Option<EmbeddedStore>> {
    if !make_ready(config, folder, signals)? {
        return Ok(None);
    }
    let store = match EmbeddedStore::open(folder) {
        // Models may read its other tables alone.
        Err(error) if error.is_absent() && has_tables(folder)? => {
            EmbeddedStore::open_or_create(folder)?
        }
        opened => opened?,
    };
    entities.prepare(&store)?;
    let mut tables = if store.schema()?.is_some() { vec![store.clone()] } else { Vec::new() };
    tables.extend(store.tables()?.iter().map(|name| store.table(name)));
    for table in &tables {
        preload(config, table, signals)?;
        if signals.stop_asked().is_some() {
            return Ok(None);
        }
    }
    Ok(Some(store))
}

/// Whether a folder has tables of a store beside that of users.
fn has_tables(folder: &Path) -> Result<bool, EmbeddedError> {
    Ok(folder.is_dir() && EmbeddedStore::open_or_create(folder)?.has_tables())
}

/// Reads a table into memory and says how it is.
fn preload(config: &Config, store: &EmbeddedStore, signals: &Waiter) -> anyhow::Result<()> {
    // What a process or a machine that died has left of changes, before anybody reads it.
    if let Err(error) = store.recover_changes() {
        let table = store.table_name().map(tracing::field::display);
        tracing::warn!(table, %error, "the log of changes is read as it is");
    }
    let preloaded = store.preload(PRELOAD_BYTES_MAX, |_| signals.stop_asked().is_none())?;
    let table = store.table_name().map(tracing::field::display);
    let records = preloaded.records;
    if !records.is_whole() {
        tracing::error!(
            store = %config.store,
            table,
            records = records.rows,
            damaged = records.damaged,
            damaged_index_parts = records.damaged_buckets,
            damaged_texts = records.damaged_texts,
            "the feature store is damaged: users whose records are damaged are answered as `error`; \
             import all features again with --replace"
        );
    }
    tracing::info!(
        store = %config.store,
        table,
        users = store.rows()?,
        bytes = preloaded.done_bytes,
        mib_per_second = (preloaded.bytes_per_second() / 1_048_576.0).round(),
        "feature store preloaded"
    );
    Ok(())
}

/// Has the default store filled from the bundled features, if it is not there. False where a signal says to stop meanwhile.
fn make_ready(config: &Config, folder: &Path, signals: &Waiter) -> anyhow::Result<bool> {
    let store = match EmbeddedStore::open(folder) {
        Err(EmbeddedError::NoStore { .. }) if config.store_is_default && !has_tables(folder)? => {
            EmbeddedStore::open_or_create(folder)?
        }
        // Whatever else is wrong with it, opening it says.
        _ => return Ok(true),
    };
    // Whoever imports into it now is about to make a store.
    if store.is_being_imported() {
        tracing::warn!(store = %config.store, "an import into the store is under way: waiting for it");
    }
    while store.is_being_imported() {
        if signals.stop_asked().is_some() {
            return Ok(false);
        }
        std::thread::park_timeout(IMPORT_LOOK);
    }
    if store.schema()?.is_none() {
        fill(config, &store)?;
    }
    Ok(true)
}

/// Fills the default store from the CSV that is bundled with the default model.
fn fill(config: &Config, store: &EmbeddedStore) -> anyhow::Result<()> {
    let Some(model) = config.model.first() else { return Ok(()) };
    let csv = bundled_features(config, model);
    let file = File::open(&csv).with_context(|| {
        format!("{}: the first run fills the store {} from it", csv.display(), config.store)
    })?;
    let options = ImportOptions {
        csv: CsvOptions {
            key_columns: Vec::new(),
            last_updated_us: now_us(),
            ..CsvOptions::default()
        },
        on_bad_row: OnBadRow::Fatal,
        replace: false,
    };
    let imported = import_embedded(store, file, &options, &mut Quiet)
        .with_context(|| csv.display().to_string())?;
    tracing::info!(file = %csv.display(), rows = imported.rows, "first run: features imported");
    Ok(())
}

/// The bundled file is small, and a bad row in it is fatal: there is no progress to show.
struct Quiet;

impl ImportObserver for Quiet {
    fn progress(&mut self, _: ImportProgress) {}

    fn skipped(&mut self, _: &RowError) {}

    fn noted(&mut self, note: &ImportNote) {
        tracing::warn!("the bundled features: {note}");
    }
}
