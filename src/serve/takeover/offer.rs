//! The side of the process that serves: it sends its sockets to whoever asks, and lets go of them
//! when the first of those is ready.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, ensure};
use sendfd::SendWithFd;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{HELD_ELSEWHERE, READY, SOCKETS_MAX, TAKEN, YOURS, ensure_socket_or_nothing};
use crate::serve::peer;

/// How many may have the sockets and not yet be ready: each keeps a thread, and one that never
/// becomes ready must not keep the others waiting.
const PEERS_MAX: usize = 8;
/// How many may wait to be heard.
const BACKLOG: i32 = 64;

/// A socket to offer others at, apart from the path where the process that serves now may still be
/// found.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: UnixListener,
    apart: Apart,
    path: PathBuf,
    shared: Shared,
}

/// A path that is left to nobody where it has not become another.
#[derive(Debug)]
struct Apart(PathBuf);

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What is sent.
#[derive(Debug)]
struct Shared {
    sockets: Vec<Socket>,
    held_elsewhere: bool,
}

/// How far the next process is.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    state: Mutex<State>,
    path: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct State {
    taken: bool,
    stopping: bool,
    /// Those who have the sockets and are not ready, the first who asked first.
    peers: Vec<(u64, UnixStream)>,
    asked: u64,
}

impl Bound {
    /// Makes ready to offer `sockets`, the admin port's last, at `path`.
    pub(crate) fn beside(
        path: &Path,
        sockets: Vec<Socket>,
        held_elsewhere: bool,
    ) -> anyhow::Result<Self> {
        ensure!(
            sockets.len() <= SOCKETS_MAX,
            "takeover: {} sockets, expected at most {SOCKETS_MAX}",
            sockets.len()
        );
        let mut apart = path.as_os_str().to_owned();
        apart.push(format!(".{}", std::process::id()));
        let apart = Apart(PathBuf::from(apart));
        let listener =
            listen(&apart.0).with_context(|| format!("takeover: {}", apart.0.display()))?;
        let shared = Shared { sockets, held_elsewhere };
        Ok(Self { listener, apart, path: path.to_owned(), shared })
    }

    /// Offers them from now on, instead of whoever did. The thread ends with the process.
    pub(crate) fn offer(self) -> anyhow::Result<Arc<Handover>> {
        let Self { listener, apart, path, shared } = self;
        let subject = || format!("takeover: {}", path.display());
        // It was looked at before the models were loaded.
        ensure_socket_or_nothing(&path).with_context(subject)?;
        fs::rename(&apart.0, &path).with_context(subject)?;
        let handover = Arc::new(Handover { state: Mutex::default(), path: Some(path.clone()) });
        let known = Arc::clone(&handover);
        let shared = Arc::new(shared);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let (shared, known) = (Arc::clone(&shared), Arc::clone(&known));
                let peer = move || known.serve(&stream, &shared);
                // Without a thread to be had the peer is told by the end of its stream.
                let _ = std::thread::Builder::new().name("takeover-peer".to_owned()).spawn(peer);
            }
        };
        std::thread::Builder::new()
            .name("takeover".to_owned())
            .spawn(serve)
            .with_context(subject)?;
        Ok(handover)
    }
}

impl Handover {
    #[expect(clippy::disallowed_methods, reason = "the process waits, never a shard")]
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another process uses the sockets.
    pub(crate) fn is_taken(&self) -> bool {
        self.state().taken
    }

    /// Offers nothing any more, as the process is about to stop; true where somebody has the
    /// sockets already, and will serve. Of several only the first may.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.state();
        state.stopping = true;
        if !state.taken
            && let Some(path) = &self.path
        {
            let _ = fs::remove_file(path);
        }
        if state.peers.len() > 1 {
            state.peers.drain(1..).for_each(|(_, peer)| dismiss(&peer));
        }
        !state.peers.is_empty()
    }

    /// Sends the sockets to one that asks, and waits for what becomes of it.
    fn serve(&self, stream: &UnixStream, shared: &Shared) {
        match peer::of(stream) {
            Ok(peer) if peer.is_trusted() => {}
            Ok(peer) => {
                let (process, user, expected) = (peer.process, peer.user, peer::own_user());
                tracing::warn!(process, user, expected, "a takeover by another user is refused");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "a takeover by nobody knows whom is refused");
                return;
            }
        }
        let Some(number) = self.enter(stream) else { return };
        let is_ready = hand_over(stream, shared).unwrap_or(false);
        self.leave(number, is_ready);
    }

    /// Counts one in; `None` where it is refused.
    fn enter(&self, stream: &UnixStream) -> Option<u64> {
        let mut state = self.state();
        if state.stopping || state.taken || state.peers.len() >= PEERS_MAX {
            return None;
        }
        state.asked += 1;
        let number = state.asked;
        state.peers.push((number, stream.try_clone().ok()?));
        Some(number)
    }

    /// Lets the first that is ready have the sockets, and tells it and the others.
    fn leave(&self, number: u64, is_ready: bool) {
        let mut state = self.state();
        let Some(place) = state.peers.iter().position(|(known, _)| *known == number) else {
            return;
        };
        let (_, mut peer) = state.peers.remove(place);
        if is_ready {
            state.taken = true;
            // One that has gone since has closed nothing: its sockets are those of this process.
            let _ = peer.write_all(&[YOURS]);
            state.peers.drain(..).for_each(|(_, other)| dismiss(&other));
        } else {
            tracing::warn!("a takeover was begun and not completed");
        }
    }
}

/// Listens at `path`, for this user alone. Linux gives the path the mode of the socket, so that it
/// has it from the first moment on: a `chmod` of the path would come after others can connect.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let _ = fs::remove_file(path);
    let socket = File::from(OwnedFd::from(Socket::new(Domain::UNIX, Type::STREAM, None)?));
    socket.set_permissions(fs::Permissions::from_mode(0o600))?;
    let socket = Socket::from(OwnedFd::from(socket));
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(UnixListener::from(OwnedFd::from(socket)))
}

/// Tells one that another has the sockets.
fn dismiss(mut peer: &UnixStream) {
    let _ = peer.write_all(&[TAKEN]);
    let _ = peer.shutdown(std::net::Shutdown::Both);
}

/// Sends the sockets; true when the other side has said that it uses them.
fn hand_over(mut stream: &UnixStream, shared: &Shared) -> io::Result<bool> {
    let descriptors: Vec<RawFd> = shared.sockets.iter().map(AsRawFd::as_raw_fd).collect();
    let held = if shared.held_elsewhere { HELD_ELSEWHERE } else { 0 };
    let count = descriptors.len() as u32 | held;
    stream.send_with_fd(&count.to_le_bytes(), &descriptors)?;
    let mut word = [0_u8; 1];
    Ok(stream.read(&mut word)? == 1 && word[0] == READY)
}
