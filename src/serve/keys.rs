//! The API keys of the serving port: read at the start and again at each reload.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shards::keys::{KeyFile, KeyFileError};
use shards::shard::{Command, ShardShared};
use thiserror::Error;

/// Where the keys are.
#[derive(Debug)]
pub(crate) struct ServingKeys {
    path: PathBuf,
    shards: usize,
    /// Whether clients have to show certificates.
    asks_certificates: bool,
}

/// Why keys cannot be used.
#[derive(Debug, Error)]
pub(crate) enum KeysError {
    /// Their file can't.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// A key is shown by a certificate, which no client shows.
    #[error(
        "{}: `subject`: clients show no certificates: --tls-client-ca says whose they are",
        path.display()
    )]
    NoCertificates {
        /// The file.
        path: PathBuf,
    },
}

impl ServingKeys {
    /// Reads the keys; `None` where requests need none.
    pub(crate) fn open(
        path: Option<&Path>,
        shards: usize,
        asks_certificates: bool,
    ) -> Result<Option<(Self, KeyFile)>, KeysError> {
        let Some(path) = path else { return Ok(None) };
        let keys = Self { path: path.to_owned(), shards, asks_certificates };
        let file = keys.read()?;
        say(&file);
        Ok(Some((keys, file)))
    }

    fn read(&self) -> Result<KeyFile, KeysError> {
        let file = KeyFile::read(&self.path)?.for_shards(self.shards);
        if file.has_subjects() && !self.asks_certificates {
            return Err(KeysError::NoCertificates { path: self.path.clone() });
        }
        Ok(file)
    }

    /// Reads the keys again, and has all shards let requests in by them. Where the file cannot be
    /// used, the keys that were read before go on.
    pub(super) fn renew(&self, shards: &[Arc<ShardShared>]) {
        match self.read() {
            Ok(file) => {
                say(&file);
                for shard in shards {
                    shard.send(Command::TakeKeys(file.clone()));
                }
            }
            Err(error) => tracing::error!(
                %error,
                "the keys were not read again: those that were read go on"
            ),
        }
    }
}

fn say(file: &KeyFile) {
    match file.names().count() {
        0 => tracing::warn!("the file of keys has none: every request is refused"),
        keys => tracing::info!(keys, "requests need a key"),
    }
}
