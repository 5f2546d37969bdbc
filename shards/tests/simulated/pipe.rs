//! The network between a client and the shard: two pipes of bytes in memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};
use shards::executor::simulated::below;

/// How many bytes a pipe holds: a large answer does not fit at once.
const PIPE_BYTES: usize = 2_048;

#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// Its writer has gone.
    is_ended: bool,
    /// Its reader has gone.
    is_unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a connection. Dropping it closes both pipes.
#[derive(Debug)]
pub(crate) struct End {
    from: Rc<RefCell<Pipe>>,
    to: Rc<RefCell<Pipe>>,
}

/// Both ends of a new connection.
pub(crate) fn connection() -> (End, End) {
    let (there, back) = (Rc::<RefCell<Pipe>>::default(), Rc::<RefCell<Pipe>>::default());
    let client = End { from: Rc::clone(&back), to: Rc::clone(&there) };
    (client, End { from: there, to: back })
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// Of `count` bytes, how many go at once.
fn part_of(count: usize) -> usize {
    if below(4) == 0 { 1 + below(count as u64) as usize } else { count }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.from.borrow_mut();
        let there = pipe.bytes.len().min(buffer.len());
        if there > 0 {
            let count = part_of(there).min(there);
            for (byte, read) in pipe.bytes.drain(..count).zip(buffer) {
                *read = byte;
            }
            wake(&mut pipe.writer);
            return Poll::Ready(Ok(count));
        }
        if pipe.is_ended || buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        pipe.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.to.borrow_mut();
        if pipe.is_unread {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = (PIPE_BYTES - pipe.bytes.len()).min(buffer.len());
        if room == 0 && !buffer.is_empty() {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = part_of(room).min(room);
        pipe.bytes.extend(&buffer[..count]);
        wake(&mut pipe.reader);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.to.borrow_mut();
        pipe.is_ended = true;
        wake(&mut pipe.reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut to = self.to.borrow_mut();
        to.is_ended = true;
        wake(&mut to.reader);
        drop(to);
        let mut from = self.from.borrow_mut();
        from.is_unread = true;
        wake(&mut from.writer);
    }
}
