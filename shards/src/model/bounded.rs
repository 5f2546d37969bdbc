//! A model's file, opened within a bound: it is input, may be hostile, and may grow while it is read.

use std::fs::File;
use std::io::{Read, Take};
use std::path::Path;

use thiserror::Error;

/// Why a model's file is not read, whatever its format.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot be read: {source}")]
    Read {
        /// What the system said.
        #[from]
        source: std::io::Error,
    },
    /// The file is larger than the limit.
    #[error(
        "{bytes} bytes or more, the limit is max_model_file_bytes = {bytes_max}: raise it in the \
         configuration where there is memory for about ten times the file while it is loaded"
    )]
    TooLarge {
        /// How large it is at least.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
}

/// Refuses so many bytes beyond the limit.
pub(super) fn ensure_within(bytes: u64, bytes_max: u64) -> Result<(), FileError> {
    if bytes > bytes_max { Err(FileError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}

/// Opens a file of at most `bytes_max` bytes. One byte more can be read, which tells a file that has
/// grown from one that just fits: what was read is to be held to [`ensure_within`].
pub(super) fn open(path: &Path, bytes_max: u64) -> Result<Take<File>, FileError> {
    let file = File::open(path)?;
    ensure_within(file.metadata()?.len(), bytes_max)?;
    Ok(file.take(bytes_max.saturating_add(1)))
}

/// Reads a file of at most `bytes_max` bytes.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    open(path, bytes_max)?.read_to_end(&mut bytes)?;
    ensure_within(bytes.len() as u64, bytes_max)?;
    Ok(bytes)
}
