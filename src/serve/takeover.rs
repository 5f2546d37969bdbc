//! A new process takes over the listening sockets of the one that serves, which then drains.
//!
//! Both are started with the same `--takeover PATH`. The one that serves listens there; the new
//! one connects and is sent the sockets themselves (`SCM_RIGHTS`), so that not one handshake is
//! refused or reset: closing a listener would reset what waits in its queue. When its shards are
//! ready, the new one says so, and only then does the old one stop accepting. A new process that
//! fails before that leaves the old one as it was.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use sendfd::{RecvWithFd, SendWithFd};
use socket2::Socket;

/// The most sockets that one message carries (the kernel's limit is 253).
const SOCKETS_MAX: usize = 200;
/// What the new process says when its shards are ready.
const READY: u8 = b'R';

/// The sockets of a process that serves, its admin port's last, and the word to give it once they
/// are in use.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) sockets: Vec<Socket>,
    stream: UnixStream,
}

impl Offer {
    /// Asks the process that listens at `path` for its sockets; `None` when there is none.
    pub(crate) fn ask(path: &Path) -> anyhow::Result<Option<Self>> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(error).with_context(|| format!("takeover: {}", path.display()));
            }
        };
        let sockets = receive(&stream).with_context(|| format!("takeover: {}", path.display()))?;
        Ok(Some(Self { sockets, stream }))
    }

    /// Tells the old process that the sockets are in use, so that it stops accepting and drains.
    pub(crate) fn accept(mut self) -> anyhow::Result<()> {
        self.stream.write_all(&[READY]).context("takeover: the old process has gone")
    }
}

fn receive(stream: &UnixStream) -> io::Result<Vec<Socket>> {
    let mut count = [0_u8; 4];
    let mut descriptors = [-1 as RawFd; SOCKETS_MAX];
    let (read, received) = stream.recv_with_fd(&mut count, &mut descriptors)?;
    let sockets: Vec<Socket> = descriptors[..received]
        .iter()
        .map(|descriptor| {
            // SAFETY: the kernel has just made this descriptor for the message, and nobody else
            // in this process knows its number.
            Socket::from(unsafe { OwnedFd::from_raw_fd(*descriptor) })
        })
        .collect();
    if read != count.len() || u32::from_le_bytes(count) as usize != sockets.len() {
        return Err(io::Error::other(format!("{} sockets arrived, not all", sockets.len())));
    }
    Ok(sockets)
}

/// Offers `sockets` at `path` to whoever connects; `taken` is set when they are in use elsewhere.
/// The thread ends with the process.
pub(crate) fn offer(
    path: &Path,
    sockets: Vec<Socket>,
    taken: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        sockets.len() <= SOCKETS_MAX,
        "takeover: {} shards, expected at most {SOCKETS_MAX}",
        sockets.len()
    );
    let subject = || format!("takeover: {}", path.display());
    // What is left of a process that has gone, or of the one that was just taken over.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(subject);
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(subject)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).with_context(subject)?;
    let serve = move || {
        for stream in listener.incoming().flatten() {
            if matches!(hand_over(stream, &sockets), Ok(true)) {
                taken.store(true, Ordering::Release);
                return;
            }
            tracing::warn!("a takeover was begun and not completed: serving goes on");
        }
    };
    std::thread::Builder::new().name("takeover".to_owned()).spawn(serve).with_context(subject)?;
    Ok(())
}

/// Sends the sockets; true when the other side has said that it uses them.
fn hand_over(mut stream: UnixStream, sockets: &[Socket]) -> io::Result<bool> {
    let descriptors: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
    stream.send_with_fd(&(sockets.len() as u32).to_le_bytes(), &descriptors)?;
    let mut word = [0_u8; 1];
    Ok(stream.read(&mut word)? == 1 && word[0] == READY)
}
