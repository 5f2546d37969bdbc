//! A password that is kept in a file.
//!
//! The file is read for each connection that is made, so that a password that was changed counts
//! without a restart. One line end at its end is not part of the password. Secrets that a container
//! engine mounts may be read by everybody in the container, so that is a warning and not an error.

use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use scylla::authentication::{
    AuthError, AuthenticatorProvider, AuthenticatorSession, PlainTextAuthenticator,
};
use thiserror::Error;

/// The longest password; a file that is longer is another one.
const PASSWORD_BYTES_MAX: usize = 4_096;

/// Why a file holds no password.
#[derive(Debug, Error)]
pub(super) enum PasswordError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read { path: String, source: std::io::Error },
    /// It is longer than any password.
    #[error("{path}: found more than {PASSWORD_BYTES_MAX} bytes, expected a password alone")]
    TooLong { path: String },
    /// It has no text, or several lines of it.
    #[error("{path}: found {found}, expected the password in one line of UTF-8")]
    NotALine { path: String, found: &'static str },
}

/// Reads a password.
pub(super) fn read(path: &Path) -> Result<String, PasswordError> {
    let shown = || path.display().to_string();
    let failed = |source| PasswordError::Read { path: shown(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // Two more, for the line end.
    file.take(PASSWORD_BYTES_MAX as u64 + 3).read_to_end(&mut bytes).map_err(failed)?;
    let without_end = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = without_end.strip_suffix(b"\r").unwrap_or(without_end);
    if line.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong { path: shown() });
    }
    let refused = |found| PasswordError::NotALine { path: shown(), found };
    match std::str::from_utf8(line) {
        Err(_) => Err(refused("bytes that are not UTF-8")),
        Ok("") => Err(refused("nothing")),
        // The protocol ends each part of the answer with a NUL.
        Ok(line) if line.contains(['\n', '\r', '\0']) => {
            Err(refused("a line end or NUL within it"))
        }
        Ok(line) => Ok(line.to_owned()),
    }
}

/// Whether every user of this machine may read the file.
pub(super) fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// Answers a node that asks who the gateway is.
#[derive(Debug)]
pub(super) struct FromFile {
    pub(super) user: String,
    pub(super) path: PathBuf,
}

/// How a conversation about who the gateway is begins.
type Started = Result<(Option<Vec<u8>>, Box<dyn AuthenticatorSession>), AuthError>;

impl AuthenticatorProvider for FromFile {
    fn start_authentication_session<'life0, 'life1, 'async_trait>(
        &'life0 self,
        authenticator_name: &'life1 str,
    ) -> Pin<Box<dyn Future<Output = Started> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let password = read(&self.path).map_err(|error| error.to_string())?;
            let plain = PlainTextAuthenticator::new(self.user.clone(), password);
            plain.start_authentication_session(authenticator_name).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn a_file_holds_a_line_or_says_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (text, password) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            (" with spaces \n", " with spaces "),
            ("pa\u{df}wort", "pa\u{df}wort"),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap(), password);
        }
        let long = "x".repeat(PASSWORD_BYTES_MAX);
        std::fs::write(&path, format!("{long}\r\n")).unwrap();
        assert_eq!(read(&path).unwrap(), long);
        for (bytes, said) in [
            (&b""[..], "found nothing"),
            (b"\n", "found nothing"),
            (b"one\ntwo\n", "a line end or NUL"),
            (b"one\0two", "a line end or NUL"),
            (b"\xff", "not UTF-8"),
            (format!("{long}x").as_bytes(), "more than 4096 bytes"),
            (format!("{long}xyz0123456789").as_bytes(), "more than 4096 bytes"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let line = read(&path).unwrap_err().to_string();
            assert!(line.contains(said) && line.contains("/password: "), "{line}");
        }
        let line = read(&folder.path().join("nowhere")).unwrap_err().to_string();
        assert!(line.contains("nowhere: No such file"), "{line}");
    }

    #[test]
    fn a_file_that_everybody_may_read_is_told_from_others() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o444, true), (0o604, true)] {
            file.as_file().set_permissions(PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(is_exposed(file.path()), exposed, "{mode:o}");
        }
    }

    #[test]
    fn each_connection_gets_the_password_that_is_there_then() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let provider = FromFile { user: "u".to_owned(), path: file.path().to_owned() };
        for password in ["first", "second"] {
            std::fs::write(file.path(), password).unwrap();
            let started = block_on(provider.start_authentication_session("any"));
            let (response, _) = started.map_err(|error| panic!("{error}")).unwrap();
            assert_eq!(response.unwrap(), format!("\0u\0{password}").into_bytes());
        }
        std::fs::write(file.path(), "").unwrap();
        assert!(block_on(provider.start_authentication_session("any")).is_err());
    }
}
