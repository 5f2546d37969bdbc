//! Accepts a shard's connections, and stops accepting without resetting one that waits.
//!
//! A connection is accepted by a plain system call once the listener is known to have one, and never
//! by glommio's `accept`: that has the kernel accept whenever one comes, so that one which comes
//! while the wait is given up is accepted for nobody.

use std::io;
use std::net::{TcpListener, TcpStream as StdStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::rc::Rc;
use std::time::Duration;

use futures_lite::AsyncReadExt;
use glommio::net::TcpStream;
use glommio::timer::sleep;

use super::connection::Connection;
use super::hop_limit;
use crate::shard::ShardState;

/// How long to pause after an `accept` that failed: file descriptors may be short (EMFILE), and
/// trying again at once would only burn the core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How long handshakes that began before [`refuse_new`] may take to end up in the queue.
const HANDSHAKES_END: Duration = Duration::from_millis(50);

/// Accepts connections until it is dropped, which loses none. An error never ends it.
pub(crate) async fn accept(listener: TcpListener, shard: Rc<ShardState>) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                start(stream, &shard);
                // A flood of connections must not keep those that are open from being served.
                glommio::yield_if_needed().await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => readable(&listener).await,
            Err(_) => {
                shard.counters().accept_errors.add(1);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until a connection can be accepted, or for a little while where there is no descriptor to
/// wait with.
async fn readable(listener: &TcpListener) {
    let Ok(copy) = listener.try_clone() else { return sleep(ACCEPT_PAUSE).await };
    // glommio waits only for streams. One that listens has no bytes, so that the read fails; but it
    // is tried only when the kernel has said that there is something.
    let _ = stream(copy).read(&mut [0]).await;
}

/// A socket for this thread's executor.
fn stream(socket: impl IntoRawFd) -> TcpStream {
    // SAFETY: the descriptor is that of a TCP socket, and `into_raw_fd` gives up its ownership, so
    // the value made here is its only owner.
    unsafe { TcpStream::from_raw_fd(socket.into_raw_fd()) }
}

/// Takes over the connections that are still in the listener's queue. To be called after
/// [`refuse_new`], with `accept` dropped: then the queue can only shrink, and the listener may
/// be closed once it is empty.
pub(crate) fn accept_rest(listeners: &[TcpListener], shard: &Rc<ShardState>) {
    for listener in listeners {
        if listener.set_nonblocking(true).is_err() {
            continue;
        }
        while let Ok((stream, _)) = listener.accept() {
            start(stream, shard);
        }
    }
}

/// Stops the kernel from beginning new connections on the listeners, and lets those that have
/// begun arrive in their queues. Closing a listener resets what waits in its queue, so this comes
/// first. A client gets no answer to its SYN and sends another one a second later.
pub(crate) async fn refuse_new(listeners: &[TcpListener]) {
    for listener in listeners {
        if let Err(error) = hop_limit::require(listener, hop_limit::UNREACHED) {
            tracing::warn!(%error, "new connections cannot be kept away: a stop may reset some");
        }
    }
    sleep(HANDSHAKES_END).await;
}

fn start(accepted: StdStream, shard: &Rc<ShardState>) {
    if shard.links.len() >= shard.limits().connections_max {
        shard.counters().connections_refused.add(1);
        return;
    }
    if shard.draining.get() {
        // It may have its listener's hop limit; until now the kernel has dropped what its client
        // sent, which is sent again.
        let _ = hop_limit::require(&accepted, hop_limit::ANY);
    }
    // Answers are small and written whole: waiting for more would only delay them. A socket that
    // refuses the option has been closed already, which its first read will tell.
    let _ = accepted.set_nodelay(true);
    let socket = accepted.as_raw_fd();
    let connection = Connection::new(stream(accepted), Rc::clone(shard));
    connection.watch(socket);
    glommio::spawn_local(connection.serve()).detach();
}
