//! The file of keys.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use super::permissions::{Permission, Permissions};
use crate::telemetry::KeyCounters;

/// A SHA-256.
pub(super) type KeyHash = [u8; 32];

/// The keys of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFile {
    pub(super) keys: Vec<ApiKey>,
    /// How many shards let requests in by them.
    pub(super) shards: usize,
}

/// How a client shows that a key is its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Proof {
    /// It sends what has this hash.
    Hash(KeyHash),
    /// Its certificate has this name.
    Subject(Box<str>),
}

/// A key and what it may do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiKey {
    pub(super) name: String,
    pub(super) proof: Proof,
    /// The models that it may ask; `None`: all.
    pub(super) models: Option<Vec<String>>,
    /// What it lets its client do.
    pub(super) may: Permissions,
    /// How many requests it may make a second, over all shards; `None`: as many as it likes.
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
    sha256: Option<String>,
    subject: Option<String>,
    models: Option<Vec<String>>,
    may: Option<Vec<Permission>>,
    max_requests_per_s: Option<f64>,
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
        let (mut names, mut proofs) = (HashSet::new(), HashSet::new());
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
            let proof = written.proof().map_err(|(field, found, expected)| {
                wrong(field, found.map_or("none".to_owned(), |it| format!("\"{it}\"")), expected)
            })?;
            if written.name.is_empty() || !names.insert(written.name.clone()) {
                let found = format!("\"{}\"", written.name);
                return Err(wrong("name", found, "a name that no other key has"));
            }
            if !proofs.insert(proof.clone()) {
                let (field, found, expected) = match (&written.sha256, &written.subject) {
                    (Some(hash), _) => ("sha256", hash.as_str(), "the hash of no other key"),
                    (None, subject) => (
                        "subject",
                        subject.as_deref().unwrap_or_default(),
                        "the subject of no other key",
                    ),
                };
                return Err(wrong(field, format!("\"{found}\""), expected));
            }
            let may = match &written.may {
                None => Permissions::UNSAID,
                Some(said) => Permissions::of(said).ok_or_else(|| {
                    let expected =
                        "some of \"predict\", \"explain\" (with \"predict\") and \"write\"";
                    wrong("may", format!("{said:?}").to_lowercase(), expected)
                })?,
            };
            let rate = written.max_requests_per_s;
            if let Some(rate) = rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
                return Err(wrong("max_requests_per_s", rate.to_string(), "a number above 0"));
            }
            let (name, models) = (written.name, written.models);
            keys.push(ApiKey { name, proof, models, may, requests_per_s_max: rate });
        }
        Ok(Self { keys, shards: 1 })
    }

    /// The same keys where so many shards let requests in by them, each at its share of a rate.
    #[must_use]
    pub fn for_shards(self, shards: usize) -> Self {
        Self { shards: shards.max(1), ..self }
    }

    /// Counters of a shard for these keys, at zero.
    pub fn counters(&self) -> Arc<KeyCounters> {
        let rates = self.keys.iter().map(|key| key.requests_per_s_max).collect();
        Arc::new(KeyCounters::new(self.names().map(str::to_owned).collect(), rates))
    }

    /// Whether a key is shown by a client's certificate.
    pub fn has_subjects(&self) -> bool {
        self.keys.iter().any(|key| matches!(key.proof, Proof::Subject(_)))
    }

    /// The names of the keys, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }
}

/// The kinds of names that certificates have.
const SUBJECTS: [&str; 4] = ["dns:", "uri:", "email:", "cn:"];

impl WrittenKey {
    /// How a client shows it: or the field, what was found there, and what is expected.
    fn proof(&self) -> Result<Proof, (&'static str, Option<&str>, &'static str)> {
        match (&self.sha256, &self.subject) {
            (Some(hash), None) => hash_of(hash).map(Proof::Hash).ok_or((
                "sha256",
                Some(hash),
                "64 hexadecimal digits",
            )),
            (None, Some(subject)) => {
                let kind = SUBJECTS.iter().find(|kind| subject.starts_with(**kind));
                if kind.is_none_or(|kind| subject.len() == kind.len()) {
                    let expected = "a name of a client's certificate as dns:NAME, uri:NAME, \
                                    email:NAME or cn:NAME";
                    return Err(("subject", Some(subject), expected));
                }
                let is_host = kind.is_some_and(|kind| *kind == SUBJECTS[0]);
                let name = if is_host { subject.to_ascii_lowercase() } else { subject.clone() };
                Ok(Proof::Subject(name.into()))
            }
            (Some(_), Some(subject)) => {
                Err(("subject", Some(subject), "no `sha256` beside it: two keys, one of each"))
            }
            (None, None) => {
                Err(("sha256", None, "the hash of the key, or a certificate's `subject`"))
            }
        }
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
            (key("").replace("sha256", "subject"), "expected a name of a client's certificate"),
            (key("subject = \"cn:a\""), "expected no `sha256` beside it"),
            ("[[keys]]\nname = \"a\"\n".to_owned(), "`sha256`: found none"),
            (key("may = []"), "`may`: found []"),
            (key("may = [\"explain\", \"write\"]"), "`may`: found [explain, write]"),
            (key("may = [\"read\"]"), "unknown variant `read`"),
        ] {
            assert!(message(&text).contains(expected), "{}", message(&text));
        }
    }
}
