//! The tables `[prediction_log]` and `[access_log]` of the configuration file.

use std::path::PathBuf;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use shards::journal::{JournalSettings, Share};

/// The least that the log may hold: some writes of the thread that writes.
const MAX_BYTES_MIN: u64 = 1 << 20;

/// What is written down beside metrics, and where.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journals {
    /// The prediction log, if there is one.
    pub(crate) predictions: Option<PredictionLog>,
    /// The access log.
    pub(crate) access: AccessLog,
}

/// Which requests are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessLog {
    /// The share of them, from 0 to 1.
    pub(crate) sample: f64,
    /// Whether the first user of each is named.
    pub(crate) user_ids: bool,
}

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
    /// By HMAC-SHA-256 with a key of the user's own, in `user_key_file`: to destroy it makes the user's
    /// lines nobody's.
    Erasable,
}

/// What is logged of predictions, and where.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PredictionLog {
    /// The folder of the files; made where it does not exist.
    pub(crate) folder: PathBuf,
    /// A file of so many bytes is followed by another.
    #[serde(rename = "max_file_bytes", alias = "file_bytes_max", default = "file_bytes_max")]
    pub(crate) file_bytes_max: u64,
    /// A file of this age is followed by another, in seconds.
    #[serde(rename = "max_file_age_s", alias = "file_s_max", default = "file_s_max")]
    pub(crate) file_s_max: u64,
    /// A file that was last written to so long ago is removed, in seconds.
    #[serde(default = "keep_s")]
    pub(crate) keep_s: u64,
    /// All files together hold at most so many bytes: the oldest are removed before their time.
    #[serde(default = "max_bytes")]
    pub(crate) max_bytes: u64,
    /// The share of the rows that are logged, above 0 and at most 1.
    #[serde(default = "sample")]
    pub(crate) sample: f64,
    /// How users are named.
    #[serde(default)]
    pub(crate) users: UserNames,
    /// The file that holds the key of hashed users.
    #[serde(default)]
    pub(crate) user_key_file: Option<PathBuf>,
    /// How much of each shard may wait to be written, in bytes.
    #[serde(rename = "max_buffer_bytes", alias = "buffer_bytes_max", default = "buffer_bytes_max")]
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

const fn max_bytes() -> u64 {
    32 << 30
}

const fn sample() -> f64 {
    1.0
}

fn buffer_bytes_max() -> usize {
    JournalSettings::default().buffer_bytes_max
}

impl Journals {
    /// Whether nothing is written down.
    pub(crate) fn is_empty(&self) -> bool {
        self.predictions.is_none() && self.share().is_none()
    }

    /// What a shard is told of it.
    pub(crate) fn settings(&self) -> JournalSettings {
        let defaults = JournalSettings::default();
        let bytes_max = self.predictions.as_ref().map(|log| log.buffer_bytes_max);
        JournalSettings {
            predictions: self
                .predictions
                .as_ref()
                .and_then(|log| Share::of(log.sample))
                .unwrap_or_default(),
            access: self.share(),
            access_users: self.access.user_ids,
            buffer_bytes_max: bytes_max.unwrap_or(defaults.buffer_bytes_max),
        }
    }

    /// Whether its values make sense together.
    pub(crate) fn ensure_usable(&self) -> anyhow::Result<()> {
        let sample = self.access.sample;
        ensure!(
            Share::of(sample).is_some(),
            "access_log.sample: found {sample}, expected a number from 0 to 1"
        );
        self.predictions.as_ref().map_or(Ok(()), PredictionLog::ensure_usable)
    }

    fn share(&self) -> Share {
        Share::of(self.access.sample).unwrap_or_default()
    }
}

impl PredictionLog {
    /// Whether its values make sense together.
    fn ensure_usable(&self) -> anyhow::Result<()> {
        for (key, found) in [
            ("max_file_bytes", self.file_bytes_max),
            ("max_file_age_s", self.file_s_max),
            ("keep_s", self.keep_s),
            ("max_buffer_bytes", self.buffer_bytes_max as u64),
        ] {
            ensure!(found > 0, "prediction_log.{key}: found 0, expected a whole number above 0");
        }
        ensure!(
            self.max_bytes >= MAX_BYTES_MIN,
            "prediction_log.max_bytes: found {}, expected {MAX_BYTES_MIN} or more",
            self.max_bytes
        );
        ensure!(
            Share::of(self.sample).is_some_and(|share| !share.is_none()),
            "prediction_log.sample: found {}, expected a number above 0 and at most 1",
            self.sample
        );
        ensure!(
            (self.users != UserNames::Plain) == self.user_key_file.is_some(),
            "prediction_log: `users = \"hashed\"` or `\"erasable\"` and `user_key_file` go together, found \
             one alone"
        );
        Ok(())
    }
}
