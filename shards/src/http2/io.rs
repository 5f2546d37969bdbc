//! The bytes of a connection as `h2` reads and writes them, with the waker of its task.
//!
//! `h2` wakes the task that polls it for each frame that is to be sent. The connection sends frames
//! in the poll that makes them, so it gives `h2` a waker that only says so; sockets wake the task by
//! its own.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::open_connection::ByteStream;

/// What a connection and its bytes say to each other.
#[derive(Debug)]
pub(super) struct IoState {
    waker: RefCell<Waker>,
    /// How often the socket may still be read in this poll: a client that always has more to say
    /// must not keep the shard from the others.
    reads_left: Cell<u32>,
    /// Whether nothing is read for now.
    pub(super) is_gated: Cell<bool>,
    /// Whether a read was put off, by either.
    pub(super) was_put_off: Cell<bool>,
    /// Whether the socket takes nothing more for now.
    pub(super) is_blocked: Cell<bool>,
    /// How much was read, in bytes.
    pub(super) read_bytes: Cell<u64>,
    /// How much was written, in bytes.
    pub(super) written_bytes: Cell<u64>,
}

impl Default for IoState {
    fn default() -> Self {
        Self {
            waker: RefCell::new(Waker::noop().clone()),
            reads_left: Cell::default(),
            is_gated: Cell::default(),
            was_put_off: Cell::default(),
            is_blocked: Cell::default(),
            read_bytes: Cell::default(),
            written_bytes: Cell::default(),
        }
    }
}

impl IoState {
    /// Begins a poll by this task, in which the socket may be read so often.
    pub(super) fn begin(&self, waker: &Waker, reads: u32) {
        self.waker.borrow_mut().clone_from(waker);
        self.reads_left.set(reads);
        self.was_put_off.set(false);
    }

    /// Whether a read was put off only because the poll has read enough.
    pub(super) fn has_more(&self) -> bool {
        self.was_put_off.get() && !self.is_gated.get()
    }
}

/// The bytes of a connection.
pub(super) struct Io {
    stream: Pin<Box<dyn ByteStream>>,
    /// What was read before.
    early: Bytes,
    state: Rc<IoState>,
}

impl Io {
    pub(super) fn new(
        stream: Pin<Box<dyn ByteStream>>,
        early: Vec<u8>,
        state: Rc<IoState>,
    ) -> Self {
        Self { stream, early: early.into(), state }
    }

    /// Asks the stream for something to be written.
    fn poll_out<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut dyn ByteStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let waker = self.state.waker.borrow();
        let polled = poll(self.stream.as_mut(), &mut Context::from_waker(&waker));
        self.state.is_blocked.set(polled.is_pending());
        polled
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let state = &this.state;
        if !this.early.is_empty() {
            let length = this.early.len().min(buffer.remaining());
            buffer.put_slice(&this.early[..length]);
            this.early.advance(length);
            return Poll::Ready(Ok(()));
        }
        if state.is_gated.get() || state.reads_left.get() == 0 {
            state.was_put_off.set(true);
            return Poll::Pending;
        }
        let waker = state.waker.borrow();
        let mut context = Context::from_waker(&waker);
        let read = this.stream.as_mut().poll_read(&mut context, buffer.initialize_unfilled());
        let length = ready!(read)?;
        buffer.advance(length);
        state.reads_left.update(|left| left - 1);
        state.read_bytes.update(|bytes| bytes + length as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(self.poll_out(|stream, context| stream.poll_write(context, bytes)))?;
        self.state.written_bytes.update(|all| all + length as u64);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(|stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(|stream, context| stream.poll_close(context))
    }
}
