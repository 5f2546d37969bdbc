//! `model.toml`, from whoever sent the model.

use std::path::Path;

use shards::model::manifest::Manifest;

/// Parses the text.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        // Refused or not: what counts is that it returns.
        let _ = Manifest::parse(text, Path::new("model.toml"));
    }
}
