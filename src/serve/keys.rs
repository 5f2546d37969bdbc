//! The API keys of the serving port: read at the start and again at each reload.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shards::keys::{KeyFile, KeyFileError};
use shards::shard::{Command, ShardShared};

/// Where the keys are.
#[derive(Debug)]
pub(crate) struct ServingKeys {
    path: PathBuf,
}

impl ServingKeys {
    /// Reads the keys; `None` where requests need none.
    pub(crate) fn open(path: Option<&Path>) -> Result<Option<(Self, KeyFile)>, KeyFileError> {
        let Some(path) = path else { return Ok(None) };
        let file = KeyFile::read(path)?;
        say(&file);
        Ok(Some((Self { path: path.to_owned() }, file)))
    }

    /// Reads the keys again, and has all shards let requests in by them. Where the file cannot be
    /// used, the keys that were read before go on.
    pub(super) fn renew(&self, shards: &[Arc<ShardShared>]) {
        match KeyFile::read(&self.path) {
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
