//! Accepts a shard's connections, and stops accepting without resetting one that waits.
//!
//! A connection is accepted by a plain system call once the listener is known to have one. The
//! runtime's `accept` has the kernel accept whenever one comes: one that came while the wait was
//! given up would be lost.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream as StdStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::rc::Rc;
use std::time::Duration;

use futures_lite::AsyncReadExt;

use super::connection::Connection;
use super::eviction::{IdleLimitsMs, counted_address};
use super::handshake::Handshake;
use super::hop_limit;
use crate::executor::readiness::has_input;
use crate::executor::runtime::{TcpStream, sleep, spawn, yield_if_needed};
use crate::http::front::Front;
use crate::http1::HttpLimits;

/// How long to pause after an `accept` that failed: file descriptors may be short (EMFILE), and
/// trying again at once would only burn the core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How long a connection is idle, or silent since it was accepted, before it may be evicted, in ms.
const IDLE_MS_MIN: u64 = 1_000;
const SILENT_MS_MIN: u64 = 250;
/// The most connections that are evicted at a time where descriptors are short: one at first, and
/// twice as many each time while that does not suffice.
const EVICTED_MAX: usize = 64;
/// How long handshakes that began before [`refuse_new`] may take to end up in the queue.
const HANDSHAKES_END: Duration = Duration::from_millis(50);

/// Accepts connections until it is dropped, which loses none. An error never ends it.
pub(crate) async fn accept(listener: TcpListener, front: Rc<Front>) {
    let (mut is_short, mut evicted) = (false, 1);
    loop {
        is_short = is_short && !has_descriptors(&listener, &front);
        if is_short && has_input(listener.as_raw_fd()) {
            evict(&front, evicted);
            evicted = (2 * evicted).min(EVICTED_MAX);
            sleep(ACCEPT_PAUSE).await;
            continue;
        }
        match listener.accept() {
            Ok((stream, address)) => {
                (is_short, evicted) = (!is_within(&stream, &front), 1);
                start(stream, address, &front);
                // A flood of connections must not keep those that are open from being served.
                yield_if_needed().await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => readable(&listener).await,
            Err(_) => {
                front.counters().accept_errors.add(1);
                evict(&front, 1);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether connections may take one more descriptor: the next is that of the lowest free number.
fn has_descriptors(listener: &TcpListener, front: &Front) -> bool {
    listener.try_clone().is_ok_and(|next| is_within(&next, front))
}

/// Whether a descriptor is one of those that connections may take.
fn is_within(descriptor: &impl AsRawFd, front: &Front) -> bool {
    front.settings.descriptors_max.is_none_or(|most| descriptor.as_raw_fd() < most)
}

/// Evicts up to `count` connections that have been idle for long. Others wait to be accepted, and
/// can wait a little longer than those that would be refused.
fn evict(front: &Front, count: usize) {
    let long_ms = front.limits().head_timeout_ms;
    let idle_limits = IdleLimitsMs { silent: long_ms, idle: long_ms, head: long_ms };
    for _ in 0..count {
        if !front.handles.evict(front.coarse_ms.get(), idle_limits) {
            return;
        }
        front.counters().connections_evicted.add(1);
    }
}

/// Waits until a connection can be accepted, or for a little while where there is no descriptor to
/// wait with.
async fn readable(listener: &TcpListener) {
    let Ok(copy) = listener.try_clone() else { return sleep(ACCEPT_PAUSE).await };
    // The runtime waits only for streams. One that listens has no bytes, so that the read fails;
    // but it is tried only when the kernel has said that there is something.
    let _ = stream(copy).read(&mut [0]).await;
}

/// A socket for this thread's executor.
fn stream(socket: impl IntoRawFd) -> TcpStream {
    // SAFETY: the descriptor is that of a TCP socket, and `into_raw_fd` gives up its ownership, so
    // the value made here is its only owner.
    unsafe { TcpStream::from_raw_fd(socket.into_raw_fd()) }
}

/// Takes over the connections that are still in the listener's queue. Call it after
/// [`refuse_new`], with `accept` dropped: then the queue can only shrink, and the listener may
/// be closed once it is empty.
pub(crate) fn accept_rest(listeners: &[TcpListener], front: &Rc<Front>) {
    for listener in listeners {
        if listener.set_nonblocking(true).is_err() {
            continue;
        }
        while let Ok((stream, address)) = listener.accept() {
            start(stream, address, front);
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

fn start(accepted: StdStream, address: SocketAddr, front: &Rc<Front>) {
    let limits = front.limits();
    let address =
        limits.connections_per_address_max.map(|most| (counted_address(address.ip()), most));
    let is_one_of_too_many =
        address.is_some_and(|(address, most)| front.handles.of_address(address) >= most);
    if is_one_of_too_many || !has_room(front, limits) {
        front.counters().connections_refused.add(1);
        return;
    }
    if front.context.draining.get() {
        // It may have its listener's hop limit; until now the kernel has dropped what its client
        // sent, which is sent again.
        let _ = hop_limit::require(&accepted, hop_limit::ANY);
    }
    // Responses are small and written whole: waiting for more would only delay them. A socket that
    // refuses the option has been closed already, which its first read will tell.
    let _ = accepted.set_nodelay(true);
    let (socket, address) = (accepted.as_raw_fd(), address.map(|(address, _)| address));
    let tls = front.tls.borrow().clone();
    let Some(tls) = tls else {
        let connection = Connection::new(stream(accepted), Rc::clone(front));
        connection.watch(socket, address);
        spawn(connection.serve()).detach();
        return;
    };
    let handshake = Handshake::new(Rc::clone(front), socket, address);
    spawn(handshake.serve(tls, stream(accepted))).detach();
}

/// Whether the shard has a place for one more connection, or an idle one is evicted for it.
fn has_room(front: &Front, limits: &HttpLimits) -> bool {
    let idle_limits =
        IdleLimitsMs { silent: SILENT_MS_MIN, idle: IDLE_MS_MIN, head: limits.head_timeout_ms };
    while front.handles.staying() >= limits.connections_max {
        if !front.handles.evict(front.coarse_ms.get(), idle_limits) {
            return false;
        }
        front.counters().connections_evicted.add(1);
    }
    true
}
