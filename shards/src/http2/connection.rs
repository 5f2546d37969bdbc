//! One connection of HTTP/2: frames in, streams polled, frames out, in one task.
//!
//! A poll has the streams answered whose rows are done, so that their frames go out with the next
//! write; then it reads frames, which bring new streams and news of those that are open. It goes on
//! until nothing is left that it could do at once.

use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Reason;
use h2::server::Handshake;

use super::io::{Io, IoState};
use super::limits::age_due_ms;
use super::signals::News;
use super::stream::{Room, Round, Stream};
use super::streams::Streams;
use crate::api::Arrival;
use crate::http::front::Front;
use crate::http::handles::ConnectionHandle;
use crate::http::open_connection::{Http2Connection, OpenConnection};
use crate::http::rendered::RenderedResponse;

/// How often one poll may read and go through its streams.
const ROUNDS_MAX: u32 = 4;
/// How much of a response `h2` may take before it is written, in bytes.
const SEND_BYTES_MAX: usize = 65_536;
/// How long a connection that is told to end may take for it when nothing is left to do, in ms.
const LINGER_MS: u64 = 1_000;
/// How often watched services are looked at, in ms.
const WATCH_MS: u64 = 200;
const MEMORY_SCARCE: &str = "too much memory is held by requests that have not wholly arrived";

type Frames = h2::server::Connection<Io, Bytes>;

/// Serves a connection until it ends.
pub(super) async fn serve(connection: Http2Connection) {
    let Http2Connection { place, stream, read } = connection;
    let io = Rc::<IoState>::default();
    let bytes = Io::new(stream, read, Rc::clone(&io));
    let handshake = begin(&place.front, bytes);
    let Some(frames) = shake_hands(&place, &io, handshake).await else { return };
    let mut served = ServedConnection::new(place, io, frames);
    poll_fn(|context| {
        served.handle.register(context.waker());
        served.poll_serve(context)
    })
    .await;
}

fn begin(front: &Front, bytes: Io) -> Handshake<Io, Bytes> {
    let limits = &front.settings.http2;
    let head_bytes = u32::try_from(front.limits().head_bytes_max).unwrap_or(u32::MAX);
    // What is not set here has a limit of h2's own: resets of streams that were not looked at yet,
    // of streams that it refuses, frames of a head, and empty ones.
    h2::server::Builder::new()
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(head_bytes)
        .initial_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_send_buffer_size(SEND_BYTES_MAX)
        .handshake(bytes)
}

/// Exchanges the prefaces, as far as the client goes along in time.
async fn shake_hands(
    place: &OpenConnection,
    io: &IoState,
    handshake: Handshake<Io, Bytes>,
) -> Option<Frames> {
    let (front, handle) = (&place.front, &place.handle);
    let now_ms = front.coarse_ms.get();
    handle.idle_since_ms.set(now_ms);
    handle.deadline_ms.set(now_ms.saturating_add(front.limits().head_timeout_ms));
    let mut handshake = std::pin::pin!(handshake);
    poll_fn(|context| {
        handle.register(context.waker());
        io.begin(context.waker(), ROUNDS_MAX);
        match handshake.as_mut().poll(context) {
            Poll::Ready(shaken) => Poll::Ready(shaken.ok()),
            Poll::Pending if handle.deadline_ms.get() <= front.coarse_ms.get() => Poll::Ready(None),
            Poll::Pending if front.context.draining.get() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Not yet.
    Open,
    /// The client was told to begin nothing more. Streams that could go on for ever may do so until
    /// this time, in ms of the shard's coarse clock.
    Told { until_ms: u64 },
    /// Nothing is left but to say so, until this time.
    Leaving { until_ms: u64 },
}

/// A connection after its prefaces.
struct ServedConnection {
    frames: Frames,
    /// Whether `h2` may have requests that were not accepted, as the connection holds enough.
    accepts_later: bool,
    /// What `h2` has to send.
    frames_news: Arc<News>,
    frames_waker: Waker,
    io: Rc<IoState>,
    streams: Streams,
    rendered: Vec<RenderedResponse>,
    front: Rc<Front>,
    handle: Rc<ConnectionHandle>,
    place: OpenConnection,
    ending: Ending,
    /// When it is told to end for its age.
    age_due_ms: Option<u64>,
    /// Since when it has no stream, in ms of the shard's coarse clock, if it has none.
    idle_since_ms: Option<u64>,
    /// Until when the client may take what was written last, and how much that was by then.
    blocked_due: Option<(u64, u64)>,
}

impl ServedConnection {
    fn new(place: OpenConnection, io: Rc<IoState>, frames: Frames) -> Self {
        let front = Rc::clone(&place.front);
        let now_ms = front.coarse_ms.get();
        let random = RandomState::new().build_hasher().finish();
        let frames_news = Arc::<News>::default();
        Self {
            frames,
            accepts_later: false,
            frames_waker: Waker::from(Arc::clone(&frames_news)),
            frames_news,
            io,
            streams: Streams::default(),
            rendered: Vec::new(),
            handle: Rc::clone(&place.handle),
            age_due_ms: age_due_ms(now_ms, front.settings.http2.age_ms_max, random),
            place,
            ending: Ending::Open,
            idle_since_ms: Some(now_ms),
            blocked_due: None,
            front,
        }
    }

    fn poll_serve(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.handle.is_gone.get() {
            return Poll::Ready(());
        }
        if self.handle.is_cut() {
            self.front.counters().connections_cut.add(1);
            return Poll::Ready(());
        }
        let is_called = self.handle.is_called.replace(false);
        // Nothing but an eviction sets it to that.
        let is_evicted = self.handle.deadline_ms.get() == 0;
        self.handle.timed_out.set(false);
        let start_ns = self.front.context.clock.now_ns();
        self.io.begin(context.waker(), ROUNDS_MAX);
        let may_read = is_called || !self.waits_to_be_read(start_ns);
        let read_before = self.io.read_bytes.get();
        self.end_where_it_is_time();
        let Ok(refused) = self.poll_rounds(is_called, may_read, start_ns) else {
            return Poll::Ready(());
        };
        if self.io.read_bytes.get() != read_before {
            self.front.handles.cancel_eviction(&self.handle);
        }
        self.finish(refused, start_ns);
        if self.set_time_limit(is_evicted) {
            return Poll::Ready(());
        }
        let is_put_off =
            (self.accepts_later || (self.io.was_put_off.get() && may_read)) && !self.is_full();
        if self.io.has_more() || is_put_off || self.frames_news.is_there() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Whether it is read later, as refusals take too much of the shard's time.
    fn waits_to_be_read(&self, now_ns: u64) -> bool {
        let front = &self.front;
        if front.context.draining.get() || front.shedding.is_open() {
            return false;
        }
        if self.handle.unread_since_ns.get().is_some() {
            return true;
        }
        if !self.handle.has_sent() {
            return false;
        }
        self.handle.unread_since_ns.set(Some(now_ns));
        front.shedding.wait(self.place.number);
        true
    }

    /// Whether no further request is taken for now: the client has to take its responses first, or
    /// enough of them are pending. One that has to open its windows for that must be read.
    fn is_full(&self) -> bool {
        self.io.is_blocked.get() || self.streams.room() == Room::Later
    }

    /// Tells the client to begin nothing more, where the shard drains or the connection is old.
    fn end_where_it_is_time(&mut self) {
        let now_ms = self.front.coarse_ms.get();
        let is_draining = self.front.context.draining.get();
        match &mut self.ending {
            Ending::Open => {
                let is_old = self.age_due_ms.is_some_and(|due_ms| due_ms <= now_ms);
                if is_draining || is_old {
                    self.frames.graceful_shutdown();
                    let grace_ms = if is_draining { 0 } else { self.front.limits().drain_ms_max };
                    let until_ms = now_ms.saturating_add(grace_ms);
                    self.ending = Ending::Told { until_ms };
                    self.age_due_ms = None;
                }
            }
            Ending::Told { until_ms } if is_draining => *until_ms = now_ms.min(*until_ms),
            Ending::Told { .. } | Ending::Leaving { .. } => {}
        }
    }

    /// Polls streams and frames until nothing can be done at once; gives back how many responses
    /// refuse for load. An error is the end.
    fn poll_rounds(&mut self, is_called: bool, may_read: bool, now_ns: u64) -> Result<u32, ()> {
        let front = Rc::clone(&self.front);
        let now_ms = front.coarse_ms.get();
        let unread_since_ns = if may_read { self.handle.unread_since_ns.take() } else { None };
        let arrived_ns = unread_since_ns.unwrap_or(now_ns);
        let mut rendered = std::mem::take(&mut self.rendered);
        let is_ending = match self.ending {
            Ending::Open => false,
            Ending::Told { until_ms } => until_ms <= now_ms,
            Ending::Leaving { .. } => true,
        };
        let mut round = Round {
            front: &front,
            client: self.place.number,
            arrival: Arrival { arrived_ns, read_ns: now_ns },
            is_ending,
            is_blocked: false,
            room: Room::Free,
            rendered: &mut rendered,
            refused: 0,
        };
        let mut looks_at_rows = is_called || is_ending || self.streams.has_watches();
        let cut = self.streams.time_out(now_ms, &mut round);
        front.counters().connections_cut.add(cut as u64);
        for _ in 0..ROUNDS_MAX {
            round.is_blocked = self.io.is_blocked.get();
            if looks_at_rows && !round.is_blocked {
                self.streams.poll_ready(&mut round);
            }
            looks_at_rows = false;
            self.io.is_gated.set(!may_read || self.is_full());
            self.frames_news.take();
            let was_blocked = round.is_blocked;
            let has_begun = self.poll_frames(&mut round)?;
            // What was ready while nothing could be written.
            looks_at_rows |= was_blocked && !self.io.is_blocked.get();
            self.streams.poll_news(&mut round);
            let is_kept =
                self.place.keeps(self.streams.buffered_bytes() + self.streams.held_bytes());
            if is_kept && self.streams.buffered_bytes() > 0 {
                self.streams.refuse_unfinished(MEMORY_SCARCE, &mut round);
            }
            let has_news = self.frames_news.is_there() || self.streams.has_news();
            if !has_begun && !looks_at_rows && !has_news {
                break;
            }
        }
        let refused = round.refused;
        self.rendered = rendered;
        Ok(refused)
    }

    /// Reads and writes frames, and begins the streams that they bring; true if there were any.
    fn poll_frames(&mut self, round: &mut Round<'_>) -> Result<bool, ()> {
        let mut has_begun = false;
        let waker = self.frames_waker.clone();
        let mut context = Context::from_waker(&waker);
        self.accepts_later = false;
        loop {
            if self.streams.room() == Room::Later {
                // Those that were read already wait where they are.
                self.accepts_later = true;
                return match self.frames.poll_closed(&mut context) {
                    Poll::Pending => Ok(has_begun),
                    Poll::Ready(_) => Err(()),
                };
            }
            match Pin::new(&mut self.frames).poll_accept(&mut context) {
                Poll::Pending => return Ok(has_begun),
                Poll::Ready(None | Some(Err(_))) => return Err(()),
                Poll::Ready(Some(Ok((request, respond)))) => {
                    has_begun = true;
                    self.handle.has_asked.set(true);
                    let (parts, body) = request.into_parts();
                    self.streams.insert(Stream::new(parts, body, respond, round), round);
                }
            }
        }
    }

    /// Notes what was written, and charges load shedding for what was refused.
    fn finish(&mut self, refused: u32, start_ns: u64) {
        let answered = self.rendered.len() as u64;
        if answered == 0 {
            return;
        }
        let now_ns = self.front.context.clock.now_ns();
        for rendered in self.rendered.drain(..) {
            rendered.record(&self.front, now_ns, now_ns.saturating_sub(start_ns));
        }
        if refused > 0 {
            let taken_ns = now_ns.saturating_sub(start_ns);
            let share_ns = taken_ns.saturating_mul(refused.into()) / answered;
            let is_watched = self.front.shedding.is_watched();
            self.front.shedding.charge(refused, is_watched.then_some(share_ns));
        }
    }

    /// Says when the connection has to be looked at again; true where it ends at once.
    fn set_time_limit(&mut self, is_evicted: bool) -> bool {
        let (front, limits) = (Rc::clone(&self.front), self.front.limits());
        let now_ms = front.coarse_ms.get();
        let mut due_ms = self.streams.due_ms().min(self.age_due_ms.unwrap_or(u64::MAX));
        if self.streams.has_watches() {
            due_ms = due_ms.min(now_ms.saturating_add(WATCH_MS));
        }
        if self.io.is_blocked.get() {
            let written = self.io.written_bytes.get();
            let (since, block_due_ms) =
                self.blocked_due.filter(|(since, _)| *since == written).unwrap_or_else(|| {
                    let limit_ms =
                        limits.write_limit_ms(self.streams.held_bytes() + SEND_BYTES_MAX);
                    (written, now_ms.saturating_add(limit_ms))
                });
            if block_due_ms <= now_ms {
                front.counters().connections_cut.add(1);
                return true;
            }
            self.blocked_due = Some((since, block_due_ms));
            due_ms = due_ms.min(block_due_ms);
        } else {
            self.blocked_due = None;
        }
        let waits = self.blocked_due.is_some() || self.streams.all_wait_for_client();
        let slow_since_ms = self.handle.slow_since_ms.get();
        self.handle.slow_since_ms.set(if waits { slow_since_ms.min(now_ms) } else { u64::MAX });
        self.handle.is_deaf.set(self.io.is_gated.get());
        if self.streams.open() > 0 {
            self.idle_since_ms = None;
            self.handle.idle_since_ms.set(u64::MAX);
            if let Ending::Told { until_ms } = self.ending
                && until_ms > now_ms
            {
                due_ms = due_ms.min(until_ms);
            }
        } else {
            match self.idle_due_ms(is_evicted, now_ms) {
                None => return true,
                Some(idle_due_ms) => due_ms = due_ms.min(idle_due_ms),
            }
        }
        self.handle.deadline_ms.set(due_ms.max(1));
        false
    }

    /// When a connection without streams has to be looked at again; `None` where it ends at once.
    fn idle_due_ms(&mut self, is_evicted: bool, now_ms: u64) -> Option<u64> {
        let limits = self.front.limits();
        let since_ms = *self.idle_since_ms.get_or_insert(now_ms);
        self.handle.idle_since_ms.set(since_ms);
        let limit_ms = match self.ending {
            Ending::Open => limits.idle_timeout_ms,
            Ending::Told { .. } => limits.drain_idle_ms,
            Ending::Leaving { until_ms } => return (now_ms < until_ms).then_some(until_ms),
        };
        let due_ms = since_ms.saturating_add(limit_ms);
        if due_ms > now_ms && !is_evicted {
            return Some(due_ms);
        }
        self.frames.abrupt_shutdown(Reason::NO_ERROR);
        let until_ms = now_ms.saturating_add(LINGER_MS);
        self.ending = Ending::Leaving { until_ms };
        // The next poll sends it.
        self.handle.is_called.set(true);
        self.frames_news.note();
        Some(until_ms)
    }
}
