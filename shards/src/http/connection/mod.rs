//! One connection: reads requests, hands them to endpoints, writes the responses in order.
//!
//! It is one task and one hand-written future. Reading goes on while requests are being answered,
//! so that a client that went away is seen and its rows leave the queue. Bytes are read into the
//! shard's scratch buffer and parsed there. Only the rest of an unfinished request is copied into
//! the connection's own buffer, so that an idle connection holds none.
//!
//! [`reading`] is the way in, [`dispatch`] hands a request to its endpoint, [`writing`] is the way
//! out.
//!
//! What is *not* here: how heads look (`http1`, `response`), and what becomes of a call (`api`).

mod dispatch;
mod reading;
mod writing;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};

use super::handles::ConnectionHandle;
use super::open_connection::{Http2Connection, OpenConnection};
use super::pending_response::PendingResponse;
use super::rendered::RenderedResponse;
use crate::http::front::Front;
use crate::http1::reader::RequestReader;

/// How much of a refused request is read and thrown away, so that the refusal arrives.
const LINGER_BYTES_MAX: usize = 1_048_576;
const LINGER_MS: u64 = 1_000;
/// How often one poll may read and write: a client that always has more to say must not keep the
/// shard from the others.
const ROUNDS_MAX: usize = 4;

/// The phase of a connection, by which it has a time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// A phase came to its end: the next one has its full time.
    Starting,
    Idle,
    ReadingHead,
    ReadingBody,
    Waiting,
    /// The client has one time limit for all that is in the output, however slowly it reads.
    Writing,
    Lingering,
}

#[expect(clippy::struct_excessive_bools, reason = "none of them follows from the others")]
pub(crate) struct Connection<S> {
    stream: S,
    front: Rc<Front>,
    handle: Rc<ConnectionHandle>,
    number: u32,
    place: OpenConnection,
    input: Vec<u8>,
    reader: RequestReader,
    output: Vec<u8>,
    written: usize,
    /// Whether an encrypted stream holds some of what was written back.
    is_unflushed: bool,
    rendered: Vec<RenderedResponse>,
    rendered_ns: u64,
    pending: VecDeque<PendingResponse>,
    /// How much the pending responses keep, about, in bytes.
    held_bytes: usize,
    /// Whether `input` may hold whole requests, left there at a limit on pending responses.
    stalled: bool,
    end_of_input: bool,
    closing: bool,
    /// Whether the client waits for `100 Continue`, which comes after the responses before it.
    invites: bool,
    lingered: usize,
    /// How many responses were rendered since it was polled, and how many of them refuse.
    answered: u32,
    refused: u32,
    doing: Doing,
    /// What was read of a connection that turned out to speak HTTP/2.
    http2: Option<Vec<u8>>,
}

impl<S> Connection<S> {
    /// Ends a phase: the next one has its full time.
    fn start_over(&mut self) {
        self.doing = Doing::Starting;
        self.handle.slow_since_ms.set(u64::MAX);
        self.handle.idle_since_ms.set(u64::MAX);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, front: Rc<Front>) -> Self {
        Self::with_place(stream, OpenConnection::new(front))
    }

    /// A connection that was counted already.
    pub(crate) fn with_place(stream: S, place: OpenConnection) -> Self {
        Self {
            stream,
            front: Rc::clone(&place.front),
            handle: Rc::clone(&place.handle),
            number: place.number,
            place,
            input: Vec::new(),
            reader: RequestReader::default(),
            output: Vec::new(),
            written: 0,
            is_unflushed: false,
            rendered: Vec::new(),
            rendered_ns: 0,
            pending: VecDeque::new(),
            held_bytes: 0,
            stalled: false,
            end_of_input: false,
            closing: false,
            invites: false,
            lingered: 0,
            answered: 0,
            refused: 0,
            doing: Doing::Starting,
            http2: None,
        }
    }

    /// Notes the client's socket, so that it is seen to go away while nothing is read from it, and
    /// its address, where connections are counted by that.
    pub(crate) fn watch(&self, socket: RawFd, address: Option<IpAddr>) {
        self.handle.socket.set(Some(socket));
        if let Some(address) = address {
            self.front.handles.count_address(&self.handle, address);
        }
    }

    /// Serves the connection until it ends.
    pub(crate) async fn serve(mut self)
    where
        S: 'static,
    {
        poll_fn(|context| {
            self.handle.register(context.waker());
            self.poll_serve(context)
        })
        .await;
        if let Some(read) = self.http2 {
            let (place, stream) = (self.place, Box::pin(self.stream));
            (self.front.serve_http2)(Http2Connection { place, stream, read }).await;
        }
    }

    fn poll_serve(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.handle.is_gone.get() || self.gives_back() {
            return Poll::Ready(());
        }
        let is_called = self.handle.is_called.replace(false);
        let start_ns = self.front.shedding.is_watched().then(|| self.front.context.clock.now_ns());
        if !is_called && self.waits_to_be_read() {
            if let Some(start_ns) = start_ns {
                self.front
                    .shedding
                    .spend(self.front.context.clock.now_ns().saturating_sub(start_ns));
            }
            return Poll::Pending;
        }
        (self.answered, self.refused) = (0, 0);
        let served = self.poll_rounds(context);
        if self.refused > 0 {
            let (refused, answered) = (u64::from(self.refused), u64::from(self.answered));
            let clock = &self.front.context.clock;
            let taken_ns = start_ns.map(|start_ns| clock.now_ns().saturating_sub(start_ns));
            let share_ns = taken_ns.map(|taken_ns| taken_ns.saturating_mul(refused) / answered);
            self.front.shedding.charge(self.refused, share_ns);
        }
        served
    }

    /// Gives back the memory of a slow client where others need it. True when the connection ends
    /// with that: behind part of a response there is no place for another.
    fn gives_back(&mut self) -> bool {
        if !self.handle.is_cut() {
            return false;
        }
        if !self.output.is_empty() {
            self.front.counters().connections_cut.add(1);
            return true;
        }
        self.front.handles.given_back(&self.handle);
        // Its request may have come to its end since.
        let is_unfinished = !self.input.is_empty() || self.reader.is_in_body();
        if is_unfinished && self.pending.is_empty() && !self.closing {
            self.refuse(503, reading::MEMORY_SCARCE);
        }
        false
    }

    /// Whether it is read later: its socket has the beginning of a request, and no other work is
    /// left.
    fn waits_to_be_read(&mut self) -> bool {
        let front = &self.front;
        let is_idle = self.pending.is_empty() && self.output.is_empty() && !self.closing;
        let is_between = is_idle && self.input.is_empty() && !self.reader.is_in_body();
        if !is_between || front.context.draining.get() || front.shedding.is_open() {
            return false;
        }
        if self.handle.unread_since_ns.get().is_some() {
            return true;
        }
        // An idle one is woken by its socket, so that there is no need to look. Its turn shows
        // whether that was the end of the stream.
        let is_woken = self.doing == Doing::Idle && !self.handle.timed_out.get();
        if !is_woken && !self.handle.has_sent() {
            return false;
        }
        self.handle.unread_since_ns.set(Some(front.context.clock.now_ns()));
        front.shedding.wait(self.number);
        // Until its turn comes, the client is not late.
        self.start_over();
        self.handle.deadline_ms.set(u64::MAX);
        true
    }

    /// Writes and reads as long as there is something to write and to read, for some rounds.
    fn poll_rounds(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS_MAX {
            if self.front.context.draining.get() && self.poll_last(context).is_err() {
                return Poll::Ready(());
            }
            let Ok(wrote) = self.poll_output(context) else { return Poll::Ready(()) };
            if self.is_over() {
                return Poll::Ready(());
            }
            let read = match self.poll_input(context) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => false,
            };
            if wrote || read {
                continue;
            }
            // Only now: a request that has arrived in time is served, however late its turn comes.
            self.set_time_limit();
            self.handle.timed_out.set(false);
            if self.handle.deadline_ms.get() > self.front.coarse_ms.get() {
                return Poll::Pending;
            }
            if self.time_out() {
                return Poll::Ready(());
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether nothing is left to write, and no more requests come.
    fn is_over(&self) -> bool {
        let is_written = self.output.is_empty() && !self.is_unflushed;
        let silent = is_written && self.pending.is_empty() && !self.stalled;
        if self.end_of_input {
            // With responses pending, the end of the stream means that the client went away.
            return silent || !self.front.limits().answer_half_closed;
        }
        self.closing && (self.http2.is_some() || (silent && self.lingered >= LINGER_BYTES_MAX))
    }

    /// Acts on a passed deadline; true when the connection ends at once.
    fn time_out(&mut self) -> bool {
        match self.doing {
            Doing::ReadingHead | Doing::ReadingBody => {
                self.refuse(408, "the request took too long to arrive");
                false
            }
            Doing::Starting | Doing::Waiting => false,
            Doing::Writing => {
                self.front.counters().connections_cut.add(1);
                true
            }
            Doing::Idle | Doing::Lingering => true,
        }
    }

    fn set_time_limit(&mut self) {
        let limits = self.front.limits();
        let (doing, limit_ms) = if !self.output.is_empty() || self.is_unflushed {
            (Doing::Writing, limits.write_limit_ms(self.output.len()))
        } else if !self.pending.is_empty() {
            (Doing::Waiting, u64::MAX)
        } else if self.closing {
            (Doing::Lingering, LINGER_MS)
        } else if self.reader.is_in_body() {
            (Doing::ReadingBody, limits.body_timeout_ms)
        } else if !self.input.is_empty() {
            (Doing::ReadingHead, limits.head_timeout_ms)
        } else if self.front.context.draining.get() {
            (Doing::Idle, limits.drain_idle_ms)
        } else {
            (Doing::Idle, limits.idle_timeout_ms)
        };
        let due_ms = self.front.coarse_ms.get().saturating_add(limit_ms);
        if self.doing != doing {
            self.doing = doing;
            self.handle.deadline_ms.set(due_ms);
            let waits_for_client =
                matches!(doing, Doing::ReadingHead | Doing::ReadingBody | Doing::Writing);
            let now_ms = self.front.coarse_ms.get();
            self.handle.slow_since_ms.set(if waits_for_client { now_ms } else { u64::MAX });
            let is_idle = doing == Doing::Idle;
            self.handle.idle_since_ms.set(if is_idle { now_ms } else { u64::MAX });
        } else if doing == Doing::Idle && due_ms < self.handle.deadline_ms.get() {
            self.handle.deadline_ms.set(due_ms);
        }
    }
}
