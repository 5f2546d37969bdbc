//! How a user is named in the log.

use std::fmt::Write;

use anyhow::{Context, ensure};
use aws_lc_rs::hmac;

use super::settings::PredictionLog;

/// The shortest key, in bytes: as long as the hash, as RFC 2104 wants it.
const KEY_BYTES_MIN: usize = 32;

/// Names users.
pub(super) struct Users {
    /// The key of HMAC-SHA-256; without one, users are named as they were asked for.
    key: Option<hmac::Key>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.key.is_some() { "Users(hashed)" } else { "Users(plain)" })
    }
}

impl Users {
    /// As they were asked for.
    pub(super) const fn plain() -> Self {
        Self { key: None }
    }

    /// As the log's settings say; reads the key.
    pub(super) fn of(log: &PredictionLog) -> anyhow::Result<Self> {
        let Some(path) = &log.user_key_file else { return Ok(Self::plain()) };
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
        Ok(Self { key: Some(hmac::Key::new(hmac::HMAC_SHA256, key)) })
    }

    /// The user's hash, in hexadecimal digits, where users are hashed.
    pub(super) fn hash(&self, user_id: &[u8]) -> Option<String> {
        let key = self.key.as_ref()?;
        let mut digits = String::with_capacity(64);
        for byte in hmac::sign(key, user_id).as_ref() {
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
        let users = Users { key: Some(hmac::Key::new(hmac::HMAC_SHA256, b"Jefe")) };
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(users.hash(b"what do ya want for nothing?").as_deref(), Some(expected));
        assert_eq!(Users::plain().hash(b"user"), None);
    }
}
