//! The way in: bytes of the socket become requests, as many as may wait at a time.

use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_lite::AsyncRead;

use super::Connection;
use crate::api::Arrival;
use crate::http::open_connection::PREFACE_LINE;
use crate::http::pending_response::PendingResponse;
use crate::http1::head::HeadError;
use crate::http1::reader::Step;
use crate::mutation::{Mutation, is_in_force};
use crate::tls::UNSENT_BYTES_MAX;

/// How much the pending responses of one connection may keep, about, in bytes: some 1,400 rows.
/// Beyond it no further request is taken.
const HELD_BYTES_MAX: usize = 524_288;
/// How much is read beyond the requests that are taken, in bytes: a client that sent a few more and
/// went away is seen to have gone.
const AHEAD_BYTES_MAX: usize = 65_536;
/// The message for a request that there is no memory for.
pub(super) const MEMORY_SCARCE: &str =
    "too much memory is held by requests that have not wholly arrived";

/// The part of some bytes that is not needed any more.
struct Taken {
    /// How many at the start were requests.
    bytes: usize,
    /// Those behind them that belong to a request whose end has not arrived.
    spent: Range<usize>,
}

impl Taken {
    fn all(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), spent: bytes.len()..bytes.len() }
    }
}

impl<S: AsyncRead + Unpin> Connection<S> {
    /// Tells the shard how much memory the connection keeps; true where all keep too much.
    fn is_memory_scarce(&mut self) -> bool {
        let buffers = self.input.capacity() + self.reader.buffered_bytes() + self.output.capacity();
        let unsent = if self.is_unflushed { UNSENT_BYTES_MAX } else { 0 };
        self.place.keeps(buffers + self.held_bytes + unsent)
    }

    /// Whether no further request is taken for now: the client has to take its responses first, or
    /// enough of them are pending.
    fn is_full(&self) -> bool {
        !self.output.is_empty()
            || self.pending.len() >= self.front.limits().pipelined_requests_max
            || self.held_bytes >= HELD_BYTES_MAX
    }

    pub(super) fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let is_scarce = self.is_memory_scarce();
        let is_full = self.is_full() && !self.closing;
        let shard = Rc::clone(&self.front);
        // Bytes that were read beyond the limits come before those of the socket.
        if self.stalled && !is_full {
            self.stalled = false;
            let input = std::mem::take(&mut self.input);
            let arrival = self.arrival();
            self.take_from(input, arrival);
            return Poll::Ready(Ok(()));
        }
        let ahead_bytes_max = if is_scarce { 0 } else { AHEAD_BYTES_MAX };
        let is_deaf = is_full && self.input.len() >= ahead_bytes_max;
        self.handle.is_deaf.set(is_deaf);
        if self.end_of_input || is_deaf {
            return Poll::Pending;
        }
        let mut scratch = shard.scratch.borrow_mut();
        let stream = Pin::new(&mut self.stream);
        let Poll::Ready(read) = stream.poll_read(context, &mut scratch.input) else {
            // Nothing was waiting to be read.
            self.handle.unread_since_ns.set(None);
            return Poll::Pending;
        };
        let length = read?;
        if length == 0 {
            self.end_of_input = true;
            return Poll::Ready(Ok(()));
        }
        shard.handles.cancel_eviction(&self.handle);
        if self.closing {
            self.lingered += length;
            return Poll::Ready(Ok(()));
        }
        if is_full {
            self.input.extend_from_slice(&scratch.input[..length]);
            self.stalled = true;
            return Poll::Ready(Ok(()));
        }
        let arrival = self.arrival();
        if self.input.is_empty() {
            let Taken { bytes, spent } = self.take_requests(&scratch.input[..length], arrival);
            self.input.extend_from_slice(&scratch.input[bytes..spent.start]);
            self.input.extend_from_slice(&scratch.input[spent.end..length]);
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(&scratch.input[..length]);
            self.take_from(input, arrival);
        }
        if !self.input.is_empty() && !self.stalled && self.is_memory_scarce() {
            self.refuse(503, MEMORY_SCARCE);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the connection speaks HTTP/2, of which these are the first bytes.
    fn is_http2(&self, bytes: &[u8]) -> bool {
        let is_first = !self.handle.has_asked.get() && self.pending.is_empty();
        is_first && self.front.settings.http2.enabled && bytes.starts_with(PREFACE_LINE)
    }

    /// The arrival of bytes that have just been read.
    fn arrival(&self) -> Arrival {
        let read_ns = self.front.context.clock.now_ns();
        Arrival { arrived_ns: self.handle.unread_since_ns.take().unwrap_or(read_ns), read_ns }
    }

    /// Takes the requests in `input` and keeps the rest.
    fn take_from(&mut self, mut input: Vec<u8>, arrival: Arrival) {
        let Taken { bytes, spent } = self.take_requests(&input, arrival);
        if bytes == input.len() {
            // The buffer goes back to the allocator: an idle connection holds none.
            self.input = Vec::new();
            return;
        }
        let has_spent = !spent.is_empty();
        input.drain(spent);
        input.drain(..bytes);
        if has_spent {
            // The rest is the head of a request whose body is kept elsewhere.
            input.shrink_to_fit();
        }
        self.input = input;
    }

    /// Takes every complete request at the start of `bytes`.
    fn take_requests(&mut self, bytes: &[u8], arrival: Arrival) -> Taken {
        let mut at = 0;
        let mut spent_at_end = 0..0;
        while at < bytes.len() && !self.closing {
            if self.is_full() {
                self.stalled = true;
                break;
            }
            // The reader is lent out, as a request borrows from it.
            let mut reader = std::mem::take(&mut self.reader);
            let step = reader.next(&bytes[at..], self.front.limits());
            match step {
                Ok(Step::Request { head, body, taken }) => {
                    at += taken;
                    self.dispatch(&head, body, arrival);
                    reader.forget_body();
                    self.reader = reader;
                }
                Ok(Step::Skip { taken }) => {
                    at += taken;
                    self.reader = reader;
                }
                Ok(Step::More { invite, spent }) => {
                    self.reader = reader;
                    self.invites |= invite;
                    spent_at_end = spent;
                    break;
                }
                Err(HeadError::Version) if self.is_http2(&bytes[at..]) => {
                    self.http2 = Some(bytes[at..].to_vec());
                    self.closing = true;
                    return Taken::all(bytes);
                }
                Err(error) => {
                    self.refuse(error.status(), &error.to_string());
                    return Taken::all(bytes);
                }
            }
        }
        if at == bytes.len() && self.front.context.draining.get() {
            self.close_after_last();
        }
        if self.closing {
            return Taken::all(bytes);
        }
        Taken { bytes: at, spent: at + spent_at_end.start..at + spent_at_end.end }
    }

    /// While draining, reads the socket once more before the last response is rendered. If nothing
    /// has arrived, this response says that no other follows. Otherwise the client could send its
    /// next request while the connection is being closed, and never know what became of it.
    pub(super) fn poll_last(&mut self, context: &mut Context<'_>) -> std::io::Result<()> {
        let is_last = !self.closing && !self.end_of_input && !self.is_full();
        if !is_last || !self.pending.iter_mut().all(PendingResponse::is_ready) {
            return Ok(());
        }
        match self.poll_input(context) {
            Poll::Ready(read) => read?,
            Poll::Pending if self.input.is_empty() => self.close_after_last(),
            Poll::Pending => {}
        }
        Ok(())
    }

    /// While draining, answers all requests that were received; the last response says that it is.
    fn close_after_last(&mut self) {
        if is_in_force(Mutation::DropAtDrain) {
            self.pending.clear();
            self.closing = true;
        }
        if let Some(last) = self.pending.back_mut() {
            last.close = true;
            self.closing = true;
        }
    }
}
