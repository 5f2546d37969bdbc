//! The process's handle on the feature store: opened, filled on a first run, and preloaded.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use shards::features::StoreSource;
use shards::features::address::StoreAddress;
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{
    CsvOptions, ImportNote, ImportObserver, ImportOptions, ImportProgress, OnBadRow, RowError,
    import_embedded, now_us,
};

use crate::config::Config;

/// The most of an embedded store that is read into memory before the first request.
const PRELOAD_BYTES_MAX: u64 = 64 << 30;

/// What is said of a file that holds the store's password.
pub(crate) const EXPOSED_PASSWORD: &str = "the store's password_file may be read by every user of this machine: chmod o-r takes that away";

/// Where the shards' features come from, as the configuration says. A cluster's contact points are
/// resolved here: each shard connects by itself.
pub(crate) fn open(config: &Config) -> anyhow::Result<StoreSource> {
    match &config.store {
        StoreAddress::Embedded(folder) => Ok(StoreSource::Embedded(open_embedded(config, folder)?)),
        StoreAddress::Scylla { .. } => {
            let (settings, addresses) = (config.scylla.clone(), config.scylla.resolve()?);
            if let Some(file) = settings.exposed_password_file() {
                tracing::warn!(file = %file.display(), "{EXPOSED_PASSWORD}");
            }
            Ok(StoreSource::Cql { addresses, settings: Arc::new(settings) })
        }
    }
}

fn open_embedded(config: &Config, folder: &Path) -> anyhow::Result<EmbeddedStore> {
    if config.store_is_default {
        fill_on_first_run(config, folder)?;
    }
    let store = EmbeddedStore::open(folder).with_context(|| {
        format!("import one with: shardgate import FILE.csv --store {}", config.store)
    })?;
    let preloaded = store.preload(PRELOAD_BYTES_MAX, |_| {})?;
    tracing::info!(
        store = %config.store,
        users = store.rows()?,
        bytes = preloaded.done_bytes,
        mib_per_second = (preloaded.bytes_per_second() / 1_048_576.0).round(),
        "feature store preloaded"
    );
    Ok(store)
}

/// Fills the default store from the CSV that is bundled with the default model.
fn fill_on_first_run(config: &Config, folder: &Path) -> anyhow::Result<()> {
    let store = EmbeddedStore::open_or_create(folder)?;
    if store.schema()?.is_some() {
        return Ok(());
    }
    let Some(model) = config.model.first() else { return Ok(()) };
    let csv = config.models.join(model).join("features.csv");
    let file = File::open(&csv).with_context(|| {
        format!("{}: the first run fills the store {} from it", csv.display(), config.store)
    })?;
    let options = ImportOptions {
        csv: CsvOptions { key_column: None, last_updated_us: now_us() },
        on_bad_row: OnBadRow::Fatal,
        replace: false,
    };
    let imported = import_embedded(&store, file, &options, &mut Quiet)
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
