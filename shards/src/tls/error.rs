//! Why the serving port cannot be encrypted.

use std::path::PathBuf;

use thiserror::Error;

/// Why the serving port cannot be encrypted.
#[derive(Debug, Error)]
pub enum TlsError {
    /// One of certificate and key is given alone.
    #[error("[tls]: `{given}` needs `{missing}` beside it")]
    Alone {
        /// The key that is there.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// A file cannot be read, or holds nothing usable.
    #[error("[tls] {key}: {}: {reason}", path.display())]
    File {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What was found, and what was expected.
        reason: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not spoken.
    #[error("[tls]: certificate and key cannot be used: {reason}")]
    Unusable {
        /// Why.
        reason: String,
    },
}
