//! What a socket has now, without waiting for it.

use std::os::fd::RawFd;

/// Whether a socket has something to read or, where it listens, a connection to accept.
pub(crate) fn has_input(socket: RawFd) -> bool {
    ready_for(socket, libc::POLLIN) != 0
}

/// Which of these events, and of errors, a socket has now.
pub(crate) fn ready_for(socket: RawFd, events: i16) -> i16 {
    let mut polled = libc::pollfd { fd: socket, events, revents: 0 };
    // SAFETY: there is one structure, which lives through the call, and the call does not wait. A
    // socket is closed after its connection has left the links, so it is still that client's; the
    // one to a model's server is closed with what asks here, and one that listens is its caller's.
    let ready = unsafe { libc::poll(&raw mut polled, 1, 0) };
    if ready > 0 { polled.revents } else { 0 }
}
