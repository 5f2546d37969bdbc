//! The open streams of a connection, and what they keep together.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::limits::StreamWait;
use super::signals::{News, StreamNews};
use super::stream::{PutOff, Room, Round, Stream, StreamState};

/// How much the responses of one connection may keep before no further request is read, about, in
/// bytes.
const HELD_BYTES_MAX: usize = 524_288;

/// A place for a stream. Its waker is made once, and is that of every stream which has the place.
struct Slot {
    news: Arc<StreamNews>,
    waker: Waker,
    stream: Option<Box<Stream>>,
    state: StreamState,
}

/// The open streams of a connection.
pub(super) struct Streams {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Whether any of them has something new.
    news: Arc<News>,
    /// How much they keep together, in bytes.
    buffered_bytes: usize,
    held_bytes: usize,
    /// How many wait for the rest of a request, and how many for their client's window.
    unfinished: usize,
    blocked: usize,
    watches: usize,
    /// How many put off a request, and how many a message.
    put_off_requests: usize,
    put_off_messages: usize,
    /// When the first of them may be due, in ms of the shard's coarse clock; it may have gone on
    /// since.
    due_ms: u64,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            news: Arc::default(),
            buffered_bytes: 0,
            held_bytes: 0,
            unfinished: 0,
            blocked: 0,
            watches: 0,
            put_off_requests: 0,
            put_off_messages: 0,
            due_ms: u64::MAX,
        }
    }
}

impl Streams {
    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How much of requests has arrived and is not answered, in bytes.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// How much responses keep, about, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether there is room for the responses to further requests.
    pub(super) fn room(&self) -> Room {
        match (self.held_bytes < HELD_BYTES_MAX, self.blocked) {
            (true, _) => Room::Free,
            (false, 0) => Room::Later,
            (false, _) => Room::Blocked,
        }
    }

    /// Whether all of them wait for their client.
    pub(super) fn all_wait_for_client(&self) -> bool {
        self.open() > 0 && self.open() == self.unfinished + self.blocked
    }

    /// Whether any is answered again whenever the answer changes.
    pub(super) fn has_watches(&self) -> bool {
        self.watches > 0
    }

    /// When the first of them may be due, in ms of the shard's coarse clock.
    pub(super) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Whether any of them has something new, or can go on with what it had put off.
    pub(super) fn has_news(&self) -> bool {
        let goes_on = |count: usize, put_off: PutOff| count > 0 && put_off.goes_on(self.room());
        self.news.is_there()
            || goes_on(self.put_off_requests, PutOff::Request)
            || goes_on(self.put_off_messages, PutOff::Message)
    }

    /// Adds a stream, and polls it.
    pub(super) fn insert(&mut self, stream: Stream, round: &mut Round<'_>) {
        let place = self.free.pop().unwrap_or_else(|| {
            let (news, waker) = StreamNews::new(&self.news);
            let state = StreamState::default();
            self.slots.push(Slot { news, waker, stream: None, state });
            self.slots.len() - 1
        });
        let slot = &mut self.slots[place];
        slot.news.take();
        slot.stream = Some(Box::new(stream));
        self.poll(place, round, true);
    }

    /// Polls the streams that have something new, and those that had put off what they read, as far
    /// as there is room.
    pub(super) fn poll_news(&mut self, round: &mut Round<'_>) {
        if !self.has_news() {
            return;
        }
        self.news.take();
        for place in 0..self.slots.len() {
            let goes_on = self.slots[place].state.put_off.goes_on(self.room());
            if self.slots[place].news.take() || goes_on {
                self.poll(place, round, true);
            }
        }
    }

    /// Polls the streams with responses that may have become ready.
    pub(super) fn poll_ready(&mut self, round: &mut Round<'_>) {
        for place in 0..self.slots.len() {
            let stream = self.slots[place].stream.as_mut();
            if round.is_ending || stream.is_some_and(|stream| stream.is_ready()) {
                self.poll(place, round, false);
            }
        }
    }

    /// Ends the waits of clients that have taken too long; gives back how many responses were cut.
    pub(super) fn time_out(&mut self, now_ms: u64, round: &mut Round<'_>) -> usize {
        let mut cut = 0;
        if self.due_ms > now_ms {
            return cut;
        }
        self.due_ms = u64::MAX;
        for place in 0..self.slots.len() {
            let Slot { stream: Some(stream), state, .. } = &mut self.slots[place] else { continue };
            let Some(due_ms) = stream.due_ms() else { continue };
            if due_ms > now_ms {
                self.due_ms = self.due_ms.min(due_ms);
                continue;
            }
            if state.wait == StreamWait::Window {
                cut += 1;
                stream.reset();
                self.close(place);
            } else {
                stream.refuse(408, "the request took too long to arrive", round);
                self.poll(place, round, false);
            }
        }
        cut
    }

    /// Refuses the requests that have not wholly arrived.
    pub(super) fn refuse_unfinished(&mut self, message: &str, round: &mut Round<'_>) {
        for place in 0..self.slots.len() {
            let Some(stream) = &mut self.slots[place].stream else { continue };
            if stream.is_unfinished() {
                stream.refuse(503, message, round);
                self.poll(place, round, false);
            }
        }
    }

    /// Polls a stream, and counts it anew.
    fn poll(&mut self, place: usize, round: &mut Round<'_>, has_news: bool) {
        round.room = self.room();
        let slot = &mut self.slots[place];
        let Some(stream) = &mut slot.stream else { return };
        let mut context = Context::from_waker(&slot.waker);
        if stream.poll(round, &mut context, has_news) {
            return self.close(place);
        }
        stream.settle();
        let (state, due_ms) = (stream.state(), stream.due_ms());
        self.due_ms = self.due_ms.min(due_ms.unwrap_or(u64::MAX));
        self.count(place, state);
    }

    fn close(&mut self, place: usize) {
        self.slots[place].stream = None;
        self.count(place, StreamState::default());
        self.free.push(place);
    }

    fn count(&mut self, place: usize, state: StreamState) {
        let before = std::mem::replace(&mut self.slots[place].state, state);
        if before == state {
            return;
        }
        let moved = |all: usize, before: usize, now: usize| all + now - before;
        self.buffered_bytes =
            moved(self.buffered_bytes, before.buffered_bytes, state.buffered_bytes);
        self.held_bytes = moved(self.held_bytes, before.held_bytes, state.held_bytes);
        let waits = |wait| (usize::from(before.wait == wait), usize::from(state.wait == wait));
        let (was, is) = waits(StreamWait::Request);
        self.unfinished = moved(self.unfinished, was, is);
        let (was, is) = waits(StreamWait::Window);
        self.blocked = moved(self.blocked, was, is);
        let (was, is) = (usize::from(before.is_watch), usize::from(state.is_watch));
        self.watches = moved(self.watches, was, is);
        let put_off =
            |kind| (usize::from(before.put_off == kind), usize::from(state.put_off == kind));
        let (was, is) = put_off(PutOff::Request);
        self.put_off_requests = moved(self.put_off_requests, was, is);
        let (was, is) = put_off(PutOff::Message);
        self.put_off_messages = moved(self.put_off_messages, was, is);
    }
}
