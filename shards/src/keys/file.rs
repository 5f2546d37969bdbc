//! The file of keys.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

/// A SHA-256.
pub(super) type KeyHash = [u8; 32];

/// The keys of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFile {
    pub(super) keys: Vec<ApiKey>,
}

/// A key and what it may do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiKey {
    pub(super) name: String,
    pub(super) hash: KeyHash,
    /// The models that it may ask; `None`: all.
    pub(super) models: Option<Vec<String>>,
    /// Whether it may write features.
    pub(super) may_write: bool,
    /// How many requests it may make a second, on each core; `None`: as many as it likes.
    pub(super) requests_per_s_max: Option<f64>,
}

/// Why a file of keys cannot be used.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, or has a key that is not known.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where, what was found and what was expected.
        source: Box<toml::de::Error>,
    },
    /// A value of the right type that makes no sense.
    #[error("{}: key `{name}`: `{field}`: found {found}, expected {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The name of the key.
        name: String,
        /// The field.
        field: &'static str,
        /// What the file says.
        found: String,
        /// What it may say.
        expected: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    #[serde(default)]
    keys: Vec<WrittenKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    name: String,
    sha256: String,
    models: Option<Vec<String>>,
    max_requests_per_s: Option<f64>,
    #[serde(default)]
    write: bool,
}

impl KeyFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeyFileError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads the text of a file; `path` is what errors name.
    pub fn parse(text: &str, path: &Path) -> Result<Self, KeyFileError> {
        let written: WrittenFile = toml::from_str(text).map_err(|source| KeyFileError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
        let mut keys = Vec::with_capacity(written.keys.len());
        for written in written.keys {
            let name = written.name.clone();
            let wrong = |field, found: String, expected| KeyFileError::Value {
                path: path.to_owned(),
                name: name.clone(),
                field,
                found,
                expected,
            };
            let hash = hash_of(&written.sha256).ok_or_else(|| {
                wrong("sha256", format!("\"{}\"", written.sha256), "64 hexadecimal digits")
            })?;
            if written.name.is_empty() || !names.insert(written.name.clone()) {
                let found = format!("\"{}\"", written.name);
                return Err(wrong("name", found, "a name that no other key has"));
            }
            if !hashes.insert(hash) {
                let found = format!("\"{}\"", written.sha256);
                return Err(wrong("sha256", found, "the hash of no other key"));
            }
            let rate = written.max_requests_per_s;
            if let Some(rate) = rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
                return Err(wrong("max_requests_per_s", rate.to_string(), "a number above 0"));
            }
            let (name, models) = (written.name, written.models);
            let may_write = written.write;
            keys.push(ApiKey { name, hash, models, may_write, requests_per_s_max: rate });
        }
        Ok(Self { keys })
    }

    /// The names of the keys, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }
}

/// The bytes of 64 hexadecimal digits.
fn hash_of(digits: &str) -> Option<KeyHash> {
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::KeyFile;

    const HASH: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn message(text: &str) -> String {
        KeyFile::parse(text, Path::new("keys.toml")).expect_err("wrong").to_string()
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_key() {
        let key = |more: &str| format!("[[keys]]\nname = \"a\"\nsha256 = \"{HASH}\"\n{more}\n");
        assert!(KeyFile::parse(&key("models = [\"risk\"]"), Path::new("k")).is_ok());
        for (text, expected) in [
            (key("rate = 3"), "unknown field `rate`"),
            (key("max_requests_per_s = 0"), "key `a`: `max_requests_per_s`: found 0"),
            (key("").repeat(2), "expected a name that no other key has"),
            (key("") + &key("").replace("\"a\"", "\"b\""), "expected the hash of no other key"),
            (key("").replace("2bb8", "2bbx"), "expected 64 hexadecimal digits"),
        ] {
            assert!(message(&text).contains(expected), "{}", message(&text));
        }
    }
}
