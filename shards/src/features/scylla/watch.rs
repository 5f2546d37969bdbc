//! Looks at what nodes send before the driver does.
//!
//! The driver (scylla 1.9) makes room for as much as a frame's head announces, up to four gigabytes,
//! and has neither a limit nor a way to give it another stream. It reads its sockets by the C
//! library's `recv`, on the thread that turns its runtime. The linker leads the calls of that and of
//! `connect` here (`--wrap`, in `src/build.rs`). While the driver is being turned, its connections
//! are followed by [`frames`](super::frames); one that announces too much fails, and the driver closes it.
//!
//! Encrypted connections are not followed, as only the driver can read them: there a frame without
//! end takes a node that an authority has certified. What is *not* here: sockets of anybody else,
//! whose calls are passed on as they are.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::ptr;

use socket2::SockRef;

use super::frames::{FrameLimit, FrameReader};

/// A frame that was too long, on a connection that has failed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameRefused {
    /// The node that sent it.
    node: Option<SocketAddr>,
    /// How long it was said to be, in bytes.
    bytes: u64,
    /// The limit, in bytes.
    limit: u32,
}

impl fmt::Display for FrameRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, bytes, limit } = self;
        match node {
            Some(node) => write!(formatter, "the node {node}")?,
            None => formatter.write_str("a node")?,
        }
        write!(formatter, " announced a frame of {bytes} bytes, and max_frame_bytes is {limit}")
    }
}

thread_local! {
    /// What the frames of connections may take that are made and read now.
    static LIMIT: Cell<Option<FrameLimit>> = const { Cell::new(None) };
    /// The connections that were made under a limit, by descriptor. One that is closed stays until
    /// its descriptor is connected anew.
    static FOLLOWED: RefCell<HashMap<c_int, FrameReader>> = RefCell::default();
    /// The last frame that was refused, and was not logged yet.
    static UNTOLD: Cell<Option<FrameRefused>> = const { Cell::new(None) };
    /// The last frame that was refused.
    static LAST: Cell<Option<FrameRefused>> = const { Cell::new(None) };
}

/// Has `turn` run with the driver's connections followed, where there is a limit.
pub(super) fn watched<T>(limit: Option<FrameLimit>, turn: impl FnOnce() -> T) -> T {
    struct Before(Option<FrameLimit>);
    impl Drop for Before {
        fn drop(&mut self) {
            LIMIT.set(self.0);
        }
    }
    let _before = Before(LIMIT.replace(limit));
    turn()
}

/// Logs what was refused since this was called last.
pub(super) fn tell() {
    if let Some(refused) = UNTOLD.take() {
        tracing::error!(%refused, "a connection to the cluster is closed");
    }
}

/// The last frame that was refused on this thread since [`forget`].
pub(super) fn last() -> Option<FrameRefused> {
    LAST.get()
}

/// Forgets what [`last`] remembers.
pub(super) fn forget() {
    LAST.set(None);
}

/// Follows a socket that is about to be connected, where there is a limit.
fn follow(socket: c_int) {
    if let Some(limit) = LIMIT.get() {
        FOLLOWED.with_borrow_mut(|followed| followed.insert(socket, FrameReader::new(limit)));
    }
}

/// Whether the driver may have what has come on a socket.
fn passes(socket: c_int, limit: FrameLimit, bytes: &[u8]) -> bool {
    let taken = FOLLOWED.with_borrow_mut(|followed| match followed.get_mut(&socket) {
        Some(reader) => reader.take(bytes),
        None => Ok(()),
    });
    let Err(oversize) = taken else { return true };
    // SAFETY: the caller reads from this descriptor now, so it is open until that is done.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    let node = SockRef::from(&socket).peer_addr().ok().and_then(|address| address.as_socket());
    let refused = FrameRefused { node, bytes: oversize.bytes, limit: limit.bytes_max };
    UNTOLD.set(Some(refused));
    LAST.set(Some(refused));
    false
}

/// Reads from a socket, and fails where that is the driver's and a frame on it is too long.
///
/// # Safety
/// As `recv` asks: `buffer` may be written to for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_recv(
    socket: c_int,
    buffer: *mut c_void,
    length: usize,
    flags: c_int,
) -> isize {
    // SAFETY: passed on as they came; without an address this is `recv` (POSIX).
    let read =
        unsafe { libc::recvfrom(socket, buffer, length, flags, ptr::null_mut(), ptr::null_mut()) };
    let (Some(limit), 1..) = (LIMIT.get(), read) else { return read };
    if flags & (libc::MSG_PEEK | libc::MSG_TRUNC) != 0 {
        return read;
    }
    // SAFETY: the kernel has written this many bytes there, and nobody else writes until this
    // returns.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), read.cast_unsigned()) };
    if passes(socket, limit, bytes) {
        return read;
    }
    // SAFETY: the C library's own place for this thread's error.
    unsafe { *libc::__errno_location() = libc::EMSGSIZE };
    -1
}

/// Connects a socket, and follows it where it is the driver's.
///
/// # Safety
/// As `connect` asks: `address` points to an address of `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_connect(
    socket: c_int,
    address: *const libc::sockaddr,
    length: libc::socklen_t,
) -> c_int {
    follow(socket);
    // SAFETY: passed on as they came, to the system call that `connect` is.
    let connected = unsafe { libc::syscall(libc::SYS_connect, socket, address, length) };
    // 0 or -1.
    connected as c_int
}
