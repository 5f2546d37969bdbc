//! A new process takes over the listening sockets of the one that serves, which then drains.
//!
//! Both are started with the same `--takeover PATH`. The one that serves listens there and [`offer`]s
//! them; the new one connects and [`ask`]s for them. It is sent the sockets themselves
//! (`SCM_RIGHTS`), so that not one handshake is refused or reset: closing a listener would reset what
//! waits in its queue. When its shards are ready it says so, and the old one answers whether they are
//! its own now; only then does the old one stop accepting. A new process that fails before that
//! leaves the old one as it was, and an old one that ends meanwhile leaves the sockets to the new.
//!
//! The socket at the path is for its user alone from its first moment on, and each side asks the
//! kernel for the user of the other: it has to be the same one, or root.
//!
//! [`ask`]: ask::Offer::ask
//! [`offer`]: offer::Bound::offer

pub(crate) mod ask;
pub(crate) mod offer;

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// The most sockets that one message carries (the kernel's limit is 253).
const SOCKETS_MAX: usize = 200;
/// Beside the count of the sockets: somebody else holds them too, so that nobody may close them to
/// new connections.
const HELD_ELSEWHERE: u32 = 1 << 31;

/// What the new process says when its shards are ready.
const READY: u8 = b'R';
/// What the old one answers, when it stops accepting for this one.
const YOURS: u8 = b'Y';
/// What it answers, at any time, when it has stopped for another one.
const TAKEN: u8 = b'T';

/// Fails where there is something else than a socket at `path`, which a new one would replace.
fn ensure_socket_or_nothing(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => return Ok(()),
        Ok(found) if found.is_dir() => "a folder",
        Ok(found) if found.is_symlink() => "a symbolic link",
        Ok(found) if found.is_file() => "a file",
        Ok(_) => "a device or a pipe",
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    Err(io::Error::other(format!(
        "found {kind}, expected a socket or nothing: name a path of its own"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("takeover");
        ensure_socket_or_nothing(&path).unwrap();
        let said = |path: &Path| ensure_socket_or_nothing(path).expect_err("no socket").to_string();
        assert!(said(folder.path()).starts_with("found a folder, expected a socket"));
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        ensure_socket_or_nothing(&path).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(said(&link).starts_with("found a symbolic link"));
        assert!(said(Path::new("/dev/null")).starts_with("found a device"));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(said(&file).starts_with("found a file"));
    }
}
