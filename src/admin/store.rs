//! What is known of the feature store, for the live page.

use serde_json::{Value, json};
use shards::features::StoreSource;
use shards::features::embedded::EmbeddedStore;

/// The store as the admin port sees it.
#[derive(Debug)]
pub(crate) struct StoreView {
    address: String,
    /// Only a file of this machine can be asked for less than a look at all of it.
    embedded: Option<EmbeddedStore>,
}

impl StoreView {
    /// Of the store at `address`, which is not read where `source` is none.
    pub(crate) fn new(address: String, source: &StoreSource) -> Self {
        let embedded = match source {
            StoreSource::Embedded(store) | StoreSource::Simulated { store, .. } => {
                Some(store.clone())
            }
            StoreSource::Cql { .. } | StoreSource::RequestsAlone => None,
        };
        let is_none = matches!(source, StoreSource::RequestsAlone);
        let address = if is_none { "none".to_owned() } else { address };
        Self { address, embedded }
    }

    /// What is wrong with the file at the store's place, where one is: shards go on with what they
    /// read before. Asks the file system.
    pub(super) fn trouble(&self) -> Option<String> {
        self.embedded.as_ref()?.trouble()
    }

    /// Where it is, how many users it has, and when something was last imported, as far as that is
    /// known.
    pub(super) fn describe(&self) -> Value {
        let users = self.embedded.as_ref().and_then(|store| store.rows().ok());
        let imported = self.embedded.as_ref().and_then(|store| store.imported_us().ok()?);
        json!({
            "address": self.address,
            "users": users,
            "imported_s": imported.map(|us| us / 1_000_000),
        })
    }
}
