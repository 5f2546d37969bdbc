//! How a user is named in the log.

use std::fmt::Write;

use anyhow::{Context, ensure};
use aws_lc_rs::hmac;

use super::settings::{PredictionLog, UserNames};
use super::user_keys::UserKeys;

/// The shortest key, in bytes: as long as the hash, as RFC 2104 wants it.
const KEY_BYTES_MIN: usize = 32;

/// The name of a user whose key could not be written.
const UNNAMED: &str = "unnamed";

/// Names users.
pub(super) enum Users {
    /// As they were asked for.
    Plain,
    /// By HMAC-SHA-256 with this key.
    Hashed(Box<hmac::Key>),
    /// By HMAC-SHA-256 with a key of each.
    Erasable(UserKeys),
}

impl std::fmt::Debug for Users {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Plain => "Users(plain)",
            Self::Hashed(_) => "Users(hashed)",
            Self::Erasable(_) => "Users(erasable)",
        })
    }
}

impl Users {
    /// As they were asked for.
    pub(super) const fn plain() -> Self {
        Self::Plain
    }

    /// As the log's settings say; reads the key.
    pub(super) fn of(log: &PredictionLog) -> anyhow::Result<Self> {
        let Some(path) = &log.user_key_file else { return Ok(Self::plain()) };
        if log.users == UserNames::Erasable {
            return UserKeys::open(path).map(Self::Erasable);
        }
        let bytes = std::fs::read(path)
            .with_context(|| format!("{}: the key of hashed users", path.display()))?;
        let key = bytes.trim_ascii();
        ensure!(
            key.len() >= KEY_BYTES_MIN,
            "{}: a key of {} bytes, expected {KEY_BYTES_MIN} or more, as \
             `head -c32 /dev/urandom | base64` writes them",
            path.display(),
            key.len()
        );
        Ok(Self::Hashed(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key))))
    }

    /// The keys of users, where each has one.
    pub(super) fn keys(&self) -> Option<&UserKeys> {
        if let Self::Erasable(keys) = self { Some(keys) } else { None }
    }

    /// The user's hash, in hexadecimal digits, where users are hashed.
    pub(super) fn hash(&self, user_id: &[u8]) -> Option<String> {
        let tag = match self {
            Self::Plain => return None,
            Self::Hashed(key) => hmac::sign(key, user_id),
            Self::Erasable(keys) => match keys.name(user_id) {
                Ok(tag) => tag,
                Err(error) => {
                    tracing::error!(%error, "a user is logged without a name");
                    return Some(UNNAMED.to_owned());
                }
            },
        };
        let mut digits = String::with_capacity(64);
        for byte in tag.as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        Some(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::{Users, hmac};

    /// RFC 4231, test case 2.
    #[test]
    fn a_hash_is_what_any_other_tool_computes() {
        let users = Users::Hashed(Box::new(hmac::Key::new(hmac::HMAC_SHA256, b"Jefe")));
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(users.hash(b"what do ya want for nothing?").as_deref(), Some(expected));
        assert_eq!(Users::plain().hash(b"user"), None);
    }
}
