//! `[features.writes]` of the configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shards::features::embedded::Durability;

/// When a write is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnsweredOnce {
    /// Once it is on the disk.
    #[default]
    Disk,
    /// Once the system has it.
    Async,
}

/// How features are written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WriteSettings {
    /// Whether clients of the serving port may write, beside operators.
    pub(crate) on_serving_port: bool,
    /// When a write is answered.
    pub(crate) durability: AnsweredOnce,
    /// How long the log of a table may be before it is merged into the table's file, in bytes.
    pub(crate) merge_bytes: u64,
    /// How old a change may be before it is merged, in s: so long a removed row may be on the disk.
    pub(crate) merge_s: u64,
    /// The table of an entity, where it has another name and no model that is served says it.
    pub(crate) tables: BTreeMap<String, String>,
}

impl Default for WriteSettings {
    fn default() -> Self {
        Self {
            on_serving_port: false,
            durability: AnsweredOnce::default(),
            merge_bytes: 64 << 20,
            merge_s: 3_600,
            tables: BTreeMap::new(),
        }
    }
}

impl AnsweredOnce {
    /// What the log is asked for.
    pub(crate) fn durability(self) -> Durability {
        match self {
            Self::Disk => Durability::Disk,
            Self::Async => Durability::System,
        }
    }
}
