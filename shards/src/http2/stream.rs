//! One stream: a request that arrives, and its response.

use std::task::Context;

use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::request::Parts;

use super::limits::{StreamLimit, StreamWait};
use super::plain::Plain;
use super::rpc::Rpc;
use super::sending::{Over, Sender};
use crate::api::Arrival;
use crate::grpc::framing::{MessageReader, PREFIX_BYTES};
use crate::http::front::Front;
use crate::http::rendered::RenderedResponse;
use crate::http1::head::{self, Head, HeadError};

const FULL: &str = "too many responses wait for their client to take them";

/// Whether there is room for the responses to further requests of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// Not until some of those that are computed were sent: nothing waits for the client.
    Later,
    /// Not until the client takes what waits for its window.
    Blocked,
}

/// What a stream does not read until there is room for the response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum PutOff {
    #[default]
    Nothing,
    /// Its request, which is refused where the client makes no room.
    Request,
    /// A further message of an RPC, whose client may wait.
    Message,
}

impl PutOff {
    /// Whether it goes on in this room.
    pub(super) fn goes_on(self, room: Room) -> bool {
        match self {
            Self::Nothing => false,
            Self::Request => room != Room::Later,
            Self::Message => room == Room::Free,
        }
    }
}

/// What the streams of a connection share in one poll of it.
pub(super) struct Round<'a> {
    pub(super) front: &'a Front,
    /// The number that the connection is woken by.
    pub(super) client: u32,
    /// When what is read now came.
    pub(super) arrival: Arrival,
    /// Whether streams that could go on for ever are to end.
    pub(super) is_ending: bool,
    /// Whether the socket takes nothing more: nothing is rendered then.
    pub(super) is_blocked: bool,
    /// Whether there is room for the response to a further request.
    pub(super) room: Room,
    /// The responses that were rendered.
    pub(super) rendered: &'a mut Vec<RenderedResponse>,
    /// How many of them refuse for load.
    pub(super) refused: u32,
}

impl Round<'_> {
    /// Notes a response with this status of HTTP, or what says the same.
    pub(super) fn note(&mut self, rendered: RenderedResponse, status: u16) {
        self.rendered.push(rendered);
        self.refused += u32::from(matches!(status, 429 | 503 | 504));
    }
}

/// What a stream keeps and waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamState {
    /// How much has arrived and is not read, in bytes.
    pub(super) buffered_bytes: usize,
    /// How much its responses keep, about, in bytes.
    pub(super) held_bytes: usize,
    /// What it waits for its client for.
    pub(super) wait: StreamWait,
    /// Whether it is answered again whenever the answer changes.
    pub(super) is_watch: bool,
    /// What it does not read for now.
    pub(super) put_off: PutOff,
}

/// What a stream is.
enum Kind {
    Plain(Plain),
    Rpc(Box<Rpc>),
}

/// One stream.
pub(super) struct Stream {
    parts: Parts,
    /// The rest of the request's body; `None` once it has wholly arrived.
    body: Option<RecvStream>,
    input: MessageReader,
    kind: Kind,
    sender: Sender,
    limit: StreamLimit,
    put_off: PutOff,
}

impl Stream {
    pub(super) fn new(
        parts: Parts,
        body: RecvStream,
        respond: SendResponse<bytes::Bytes>,
        round: &Round<'_>,
    ) -> Self {
        let has_body = !body.is_end_stream();
        let kind = match Rpc::begin(&parts, round) {
            Some(rpc) => Kind::Rpc(Box::new(rpc)),
            None => Kind::Plain(Plain::new(has_body)),
        };
        Self {
            parts,
            body: has_body.then_some(body),
            input: MessageReader::default(),
            kind,
            sender: Sender::new(respond),
            limit: StreamLimit::default(),
            put_off: PutOff::Nothing,
        }
    }

    /// Ends it with a refusal, where nothing else was said.
    pub(super) fn refuse(&mut self, status: u16, message: &str, round: &Round<'_>) {
        match &mut self.kind {
            Kind::Plain(plain) => plain.refuse(status, message, round),
            Kind::Rpc(rpc) => rpc.refuse(status, message),
        }
        self.body = None;
        self.input = MessageReader::default();
    }

    /// Gives it up.
    pub(super) fn reset(&mut self) {
        self.sender.reset(Reason::CANCEL);
    }

    /// Whether a response may have become ready without news of the stream.
    pub(super) fn is_ready(&mut self) -> bool {
        match &mut self.kind {
            Kind::Plain(plain) => plain.is_ready(),
            Kind::Rpc(rpc) => rpc.is_ready(),
        }
    }

    /// What it keeps and waits for.
    pub(super) fn state(&self) -> StreamState {
        let (held_bytes, is_watch) = match &self.kind {
            Kind::Plain(plain) => (plain.held_bytes(), false),
            Kind::Rpc(rpc) => (rpc.held_bytes(), rpc.is_watch()),
        };
        StreamState {
            buffered_bytes: self.input.buffered_bytes(),
            held_bytes: held_bytes + self.sender.unsent_bytes(),
            wait: self.limit.wait(),
            is_watch,
            put_off: self.put_off,
        }
    }

    /// When its client has taken too long, in ms of the shard's coarse clock.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.limit.due_ms()
    }

    /// Reads what has arrived, has it answered, and sends what is ready; true when it is over. With
    /// `has_news` it also looks whether the client has reset it.
    pub(super) fn poll(
        &mut self,
        round: &mut Round<'_>,
        context: &mut Context<'_>,
        has_news: bool,
    ) -> bool {
        let polled = self.poll_parts(round, context, has_news);
        if let Ok(false) = polled {
            let limits = round.front.limits();
            let (wait, limit_ms) = match () {
                () if self.sender.is_blocked() => {
                    (StreamWait::Window, limits.write_limit_ms(self.sender.unsent_bytes()))
                }
                () if self.put_off != PutOff::Nothing => (StreamWait::Nothing, u64::MAX),
                () if self.is_unfinished() => (StreamWait::Request, limits.body_timeout_ms),
                () => (StreamWait::Nothing, u64::MAX),
            };
            self.limit.note(wait, round.front.coarse_ms.get(), limit_ms);
        }
        polled.unwrap_or(true)
    }

    fn poll_parts(
        &mut self,
        round: &mut Round<'_>,
        context: &mut Context<'_>,
        has_news: bool,
    ) -> Result<bool, Over> {
        if has_news {
            self.sender.poll_reset(context)?;
        }
        loop {
            self.make_room(round);
            if self.put_off == PutOff::Nothing {
                self.receive(round, context)?;
            }
            let (parts, input) = (&self.parts, &mut self.input);
            let is_whole = self.body.is_none();
            let has_moved = match &mut self.kind {
                Kind::Plain(plain) => {
                    plain.answer(round, parts, input, is_whole);
                    plain.render(round, &mut self.sender)?
                }
                Kind::Rpc(rpc) => {
                    rpc.answer(round, parts, input, is_whole);
                    rpc.render(round, &mut self.sender)?
                }
            };
            if self.sender.poll(context)? {
                return Ok(true);
            }
            if !has_moved {
                return Ok(false);
            }
        }
    }

    /// Refuses the request, or puts off reading it, where there is no room for the response.
    fn make_room(&mut self, round: &Round<'_>) {
        let (is_unread, may_wait) = match &self.kind {
            Kind::Plain(plain) => (!plain.is_answered(), false),
            Kind::Rpc(rpc) if rpc.is_stream() => (rpc.takes_more(round), true),
            Kind::Rpc(rpc) => (rpc.is_unfinished(true) && !self.sender.has_begun(), false),
        };
        self.put_off = match round.room {
            _ if !is_unread => PutOff::Nothing,
            Room::Free => PutOff::Nothing,
            Room::Later | Room::Blocked if may_wait => PutOff::Message,
            Room::Later => PutOff::Request,
            Room::Blocked => {
                self.refuse(503, FULL, round);
                PutOff::Nothing
            }
        };
    }

    /// Reads the body as far as it has arrived and there is room for it.
    fn receive(&mut self, round: &Round<'_>, context: &mut Context<'_>) -> Result<(), Over> {
        let most = round.front.limits().body_bytes_max + PREFIX_BYTES;
        let takes_more = match &self.kind {
            Kind::Plain(plain) => !plain.is_answered(),
            Kind::Rpc(rpc) => rpc.takes_more(round),
        };
        while let Some(body) = self.body.as_mut().filter(|_| takes_more && self.input.len() <= most)
        {
            let Some(bytes) = (match body.poll_data(context) {
                std::task::Poll::Pending => break,
                std::task::Poll::Ready(read) => read.transpose()?,
            }) else {
                self.body = None;
                break;
            };
            body.flow_control().release_capacity(bytes.len())?;
            self.input.push(bytes);
            if body.is_end_stream() {
                self.body = None;
            }
        }
        Ok(())
    }

    /// Whether it waits for the rest of a request.
    pub(super) fn is_unfinished(&self) -> bool {
        let is_within = match &self.kind {
            Kind::Plain(plain) => !plain.is_answered(),
            // Between the messages of a stream its client may be silent.
            Kind::Rpc(rpc) => rpc.is_unfinished(!self.input.is_empty()),
        };
        self.body.is_some() && is_within
    }

    /// Copies the beginning of a request whose rest has not arrived.
    pub(super) fn settle(&mut self) {
        self.input.settle();
    }
}

/// A request's head, as HTTP/1.1 has it.
pub(super) fn head_of(parts: &Parts) -> Result<Head<'_>, HeadError> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
    let fields = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    head::of_http2((parts.method.as_str(), target), authority, fields)
}
