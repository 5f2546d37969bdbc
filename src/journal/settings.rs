//! The table `[prediction_log]` of the configuration file.

use std::path::PathBuf;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use shards::journal::JournalSettings;

/// How users are named in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserNames {
    /// As they were asked for.
    #[default]
    Plain,
    /// By HMAC-SHA-256 with the key of `user_key_file`, so that rows of one user can be joined,
    /// and nobody without the key can tell who it is.
    Hashed,
}

/// What is logged of predictions, and where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PredictionLog {
    /// The folder of the files; made where it does not exist.
    pub(crate) folder: PathBuf,
    /// A file of so many bytes is followed by another.
    #[serde(default = "file_bytes_max")]
    pub(crate) file_bytes_max: u64,
    /// A file of this age is followed by another, in seconds.
    #[serde(default = "file_s_max")]
    pub(crate) file_s_max: u64,
    /// A file that was last written to so long ago is removed, in seconds.
    #[serde(default = "keep_s")]
    pub(crate) keep_s: u64,
    /// How users are named.
    #[serde(default)]
    pub(crate) users: UserNames,
    /// The file that holds the key of hashed users.
    #[serde(default)]
    pub(crate) user_key_file: Option<PathBuf>,
    /// How much of each shard may wait to be written, in bytes.
    #[serde(default = "buffer_bytes_max")]
    pub(crate) buffer_bytes_max: usize,
}

const fn file_bytes_max() -> u64 {
    256 << 20
}

const fn file_s_max() -> u64 {
    3_600
}

const fn keep_s() -> u64 {
    7 * 86_400
}

fn buffer_bytes_max() -> usize {
    JournalSettings::default().buffer_bytes_max
}

impl PredictionLog {
    /// Whether its values make sense together.
    pub(crate) fn ensure_usable(&self) -> anyhow::Result<()> {
        for (key, found) in [
            ("file_bytes_max", self.file_bytes_max),
            ("file_s_max", self.file_s_max),
            ("keep_s", self.keep_s),
            ("buffer_bytes_max", self.buffer_bytes_max as u64),
        ] {
            ensure!(found > 0, "prediction_log.{key}: found 0, expected a whole number above 0");
        }
        ensure!(
            (self.users == UserNames::Hashed) == self.user_key_file.is_some(),
            "prediction_log: `users = \"hashed\"` and `user_key_file` go together, found one alone"
        );
        Ok(())
    }
}
