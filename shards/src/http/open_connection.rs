//! A connection that is counted as open, and how one that speaks HTTP/2 is handed on.
//!
//! What is *not* here: either protocol.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use futures_lite::{AsyncRead, AsyncWrite};

use super::front::Front;
use super::handles::ConnectionHandle;
use crate::mutation::{Mutation, is_in_force};

/// The place of a connection among those that are open, which it leaves when it ends.
pub(crate) struct OpenConnection {
    /// What it shares with the others.
    pub(crate) front: Rc<Front>,
    /// Its number among them.
    pub(crate) number: u32,
    /// Its handle.
    pub(crate) handle: Rc<ConnectionHandle>,
    /// How much of its memory the shard has been told of, in bytes.
    pub(crate) buffered_bytes: usize,
    /// What its encryption keeps, in bytes; 0 where it is plain.
    pub(crate) session_bytes: usize,
}

impl OpenConnection {
    /// Counts a connection as open.
    pub(crate) fn new(front: Rc<Front>) -> Self {
        let (number, handle) = front.handles.add();
        front.counters().connections_open.add(1);
        front.counters().connections_accepted.add(1);
        Self { front, number, handle, buffered_bytes: 0, session_bytes: 0 }
    }

    /// Tells the shard how much memory the connection keeps beside what its encryption does; true where
    /// all keep too much.
    pub(crate) fn keeps(&mut self, own_bytes: usize) -> bool {
        let kept_bytes = own_bytes + self.session_bytes;
        if kept_bytes != self.buffered_bytes {
            let counter = &self.front.counters().buffered_bytes;
            counter.add(kept_bytes as u64);
            counter.subtract(std::mem::replace(&mut self.buffered_bytes, kept_bytes) as u64);
            self.handle.kept_bytes.set(kept_bytes);
        }
        own_bytes > 0 && self.front.is_memory_scarce()
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.front.handles.remove(self.number);
        self.front.counters().connections_open.subtract(1);
        let leaks = is_in_force(Mutation::LeakBytes);
        let left = if leaks { 0 } else { self.buffered_bytes as u64 };
        self.front.counters().buffered_bytes.subtract(left);
    }
}

/// A stream of bytes, whatever carries it.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite {}

impl<S: AsyncRead + AsyncWrite> ByteStream for S {}

/// A connection that speaks HTTP/2.
pub(crate) struct Http2Connection {
    /// Its place.
    pub(crate) place: OpenConnection,
    /// Its bytes.
    pub(crate) stream: Pin<Box<dyn ByteStream>>,
    /// Those that were read already.
    pub(crate) read: Vec<u8>,
}

/// How a connection is served that speaks HTTP/2.
pub(crate) type ServeHttp2 = fn(Http2Connection) -> Pin<Box<dyn Future<Output = ()>>>;

/// The first line of HTTP/2's preface, by which a client that knows the server speaks it begins (RFC
/// 9113 section 3.4).
pub(crate) const PREFACE_LINE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
