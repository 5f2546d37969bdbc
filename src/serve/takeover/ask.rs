//! The side of the new process: it gets the sockets, and says when it uses them.

use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use sendfd::RecvWithFd;
use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

use super::{HELD_ELSEWHERE, READY, SOCKETS_MAX, TAKEN, ensure_socket_or_nothing};
use crate::serve::peer::{self, Peer};

/// How long the old process may take to send its sockets, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the process that serves cannot be taken over.
#[derive(Debug, Error)]
enum AskError {
    /// It is of another user.
    #[error(
        "process {} of user {} listens there, expected one of user {expected} or of root",
        .found.process,
        .found.user
    )]
    AnotherUser { found: Peer, expected: libc::uid_t },
    /// It does not send its sockets.
    #[error(
        "process {process} does not send its sockets within {} s: it {}. `kill -CONT {process}` has \
         it go on, `kill -9 {process}` ends it and the connections that it has; then start this one \
         again",
        PATIENCE.as_secs(),
        ailment(*.0),
        process = .0.process
    )]
    Silent(Peer),
    /// The system fails.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Why a process may not answer.
fn ailment(peer: Peer) -> &'static str {
    if peer.is_stopped() == Some(true) {
        "is stopped (SIGSTOP, or a debugger)"
    } else {
        "may hang, or be stopped"
    }
}

/// The sockets of a process that serves, and the word to give it once they are in use.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Its admin port's is the last.
    pub(crate) sockets: Vec<Socket>,
    /// Whether somebody else than the old process holds them too.
    pub(crate) held_elsewhere: bool,
    stream: UnixStream,
    peer: Peer,
}

impl Offer {
    /// Asks the process that listens at `path` for its sockets; `None` when there is none.
    pub(crate) fn ask(path: &Path) -> anyhow::Result<Option<Self>> {
        Self::try_ask(path).with_context(|| format!("takeover: {}", path.display()))
    }

    fn try_ask(path: &Path) -> Result<Option<Self>, AskError> {
        ensure_socket_or_nothing(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Where the queue of a process that hangs is full, it limits the connecting too.
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        match socket.connect(&SockAddr::unix(path)?) {
            Ok(()) => {}
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                    io::ErrorKind::WouldBlock => Err(io::Error::other(
                        "nobody takes the connection: the process there hangs, or is stopped",
                    )
                    .into()),
                    _ => Err(error.into()),
                };
            }
        }
        let peer = peer::of(&socket)?;
        if !peer.is_trusted() {
            return Err(AskError::AnotherUser { found: peer, expected: peer::own_user() });
        }
        let stream = UnixStream::from(OwnedFd::from(socket));
        let (sockets, held_elsewhere) = receive(&stream).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => AskError::Silent(peer),
            _ => error.into(),
        })?;
        Ok(Some(Self { sockets, held_elsewhere, stream, peer }))
    }

    /// Tells the old process that the sockets are in use, so that it stops accepting and drains.
    /// Where it is gone, or does not answer, they are used all the same: nobody else does.
    ///
    /// # Errors
    /// Another process has taken them over.
    pub(crate) fn accept(mut self) -> anyhow::Result<()> {
        // What the old process said before it went can still be read, whatever becomes of this.
        let _ = self.stream.write_all(&[READY]);
        let mut answer = [0_u8; 1];
        match uninterrupted(|| self.stream.read(&mut answer)) {
            Ok(1) if answer[0] == TAKEN => {
                bail!("takeover: another process has taken over meanwhile")
            }
            Ok(1) => {}
            // Or it is of a version that does not answer.
            Ok(_) => tracing::info!("takeover: the old process has gone"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let process = self.peer.process;
                tracing::warn!(
                    "takeover: the old process {process} does not answer: it {}. This one serves, \
                     and connections that the old one has hang. `kill -CONT {process}` has it answer \
                     them and end, `kill -9 {process}` ends them too",
                    ailment(self.peer)
                );
            }
            Err(error) => tracing::warn!(%error, "takeover: the old process does not answer"),
        }
        Ok(())
    }
}

/// Reads again where a signal came: with a time limit the system does not do so itself.
fn uninterrupted<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The sockets, and whether they are held elsewhere.
fn receive(stream: &UnixStream) -> io::Result<(Vec<Socket>, bool)> {
    let mut count = [0_u8; 4];
    let mut descriptors = [-1 as RawFd; SOCKETS_MAX];
    let (read, received) = uninterrupted(|| stream.recv_with_fd(&mut count, &mut descriptors))?;
    let sockets: Vec<Socket> = descriptors[..received]
        .iter()
        .map(|descriptor| {
            // SAFETY: the kernel has just made this descriptor for the message, and nobody else
            // in this process knows its number.
            Socket::from(unsafe { OwnedFd::from_raw_fd(*descriptor) })
        })
        .collect();
    if read == 0 {
        return Err(io::Error::other(
            "the process there is about to end, has too many that want to take over, or is of \
             another user",
        ));
    }
    let said = u32::from_le_bytes(count);
    if read != count.len() || (said & !HELD_ELSEWHERE) as usize != sockets.len() {
        return Err(io::Error::other(format!("{} sockets arrived, not all", sockets.len())));
    }
    Ok((sockets, said & HELD_ELSEWHERE != 0))
}
