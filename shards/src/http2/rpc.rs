//! A stream of gRPC: its messages are answered in their order, and it ends with a status.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method as HttpMethod, Response};

use super::plain::add_lines;
use super::rpc_fields::{GRPC, REQUEST_ID, add_status};
use super::sending::{Over, Sender};
use super::stream::{Round, head_of};
use crate::api::{CallContext, RowsSummary};
use crate::credentials::Credentials;
use crate::grpc::framing::{FramingError, MessageReader};
use crate::grpc::method::Method;
use crate::grpc::reply::Reply;
use crate::grpc::request::Request;
use crate::grpc::status::{Code, Status};
use crate::http::rendered::{Answered, Protocol, RenderedResponse};
use crate::http::response::write_row_fields;
use crate::origin::Origin;
use crate::priority::Priority;
use crate::spans::SpanStart;

/// The name in traces of a method that is none.
const UNKNOWN_METHOD: &str = "grpc/unknown";

/// How much is rendered at a time, in bytes, to within one message.
const OUTPUT_BYTES_MAX: usize = 65_536;

/// A reply that waits for its turn.
struct PendingReply {
    reply: Reply,
    /// When its message had been read, in ns of the shard's clock.
    started_ns: u64,
    /// The span of its message, where the stream is recorded.
    span: Option<Box<SpanStart>>,
}

/// A stream of gRPC.
pub(super) struct Rpc {
    method: Method,
    limit_ns: Option<u64>,
    priority: Priority,
    origin: Origin,
    /// Its span, where it is recorded.
    span: Option<Box<SpanStart>>,
    started_ns: u64,
    pending: VecDeque<PendingReply>,
    /// How much the replies keep, about, in bytes.
    held_bytes: usize,
    /// How it ends once every reply was sent.
    end: Option<Status>,
    /// A service that is watched, and the status that was said last.
    watched: Option<(Request, i32)>,
}

impl Rpc {
    /// The stream of a request, if it is one of gRPC.
    pub(super) fn begin(parts: &Parts, round: &Round<'_>) -> Option<Self> {
        let content_type = parts.headers.get(CONTENT_TYPE)?.as_bytes();
        let subtype = content_type.strip_prefix(b"application/grpc")?;
        if parts.method != HttpMethod::POST || !matches!(subtype.first(), None | Some(b'+' | b';'))
        {
            return None;
        }
        let head = head_of(parts);
        let mut this = Self {
            // Where there is none, the stream ends before it is looked at.
            method: Method::ServerLive,
            limit_ns: None,
            priority: Priority::default(),
            origin: Origin::default(),
            span: None,
            started_ns: round.arrival.arrived_ns,
            pending: VecDeque::new(),
            held_bytes: 0,
            end: None,
            watched: None,
        };
        let method = Method::named(parts.uri.path());
        match head {
            Err(error) => this.end_with(Status::new(Code::InvalidArgument, error.to_string())),
            Ok(head) => {
                this.limit_ns = head.limit_ns;
                this.priority = head.priority;
                let name = method.map_or(UNKNOWN_METHOD, Method::name);
                (this.origin, this.span) = round.front.origin(&head, name);
            }
        }
        if !matches!(subtype, b"" | b"+proto") && !subtype.starts_with(b";") {
            let message = "messages are taken as application/grpc+proto only";
            this.end_with(Status::new(Code::Unimplemented, message));
        }
        if let Some(method) = method {
            this.method = method;
        } else {
            let message = format!("no method `{}`", parts.uri.path());
            this.end_with(Status::new(Code::Unimplemented, message));
        }
        Some(this)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether its client sends several messages.
    pub(super) fn is_stream(&self) -> bool {
        self.method.is_stream()
    }

    pub(super) fn is_watch(&self) -> bool {
        self.watched.is_some()
    }

    pub(super) fn is_ready(&mut self) -> bool {
        self.watched.is_some()
            || self.pending.front_mut().is_some_and(|pending| pending.reply.is_ready())
    }

    /// Whether further messages are read for now.
    pub(super) fn takes_more(&self, round: &Round<'_>) -> bool {
        self.end.is_none() && self.pending.len() < round.front.limits().pipelined_requests_max
    }

    /// Whether it waits for the rest of a message, of which some has arrived or not.
    pub(super) fn is_unfinished(&self, has_some: bool) -> bool {
        let is_silent = self.method.is_stream() && !has_some;
        self.end.is_none() && self.pending.is_empty() && self.watched.is_none() && !is_silent
    }

    /// Ends it with what says the same as this status of HTTP.
    pub(super) fn refuse(&mut self, status: u16, message: &str) {
        let status = match status {
            408 => Status::new(Code::DeadlineExceeded, message),
            _ => Status::overloaded(message),
        };
        self.end_with(status);
    }

    /// Ends it with this status behind the replies before it, unless it is ending already.
    fn end_with(&mut self, status: Status) {
        self.end.get_or_insert(status);
    }

    /// Has the messages answered that have arrived.
    pub(super) fn answer(
        &mut self,
        round: &Round<'_>,
        parts: &Parts,
        input: &mut MessageReader,
        is_whole: bool,
    ) {
        let bytes_max = round.front.limits().body_bytes_max;
        if self.end.is_none() && self.watched.is_none() {
            if self.method.is_stream() {
                self.answer_each(round, parts, input, is_whole);
            } else if is_whole && self.pending.is_empty() {
                match whole_message(input, bytes_max) {
                    Ok(message) => self.answer_one(round, parts, message),
                    Err(status) => self.end_with(status),
                }
            } else if !is_whole && let Err(error) = input.announced(bytes_max) {
                // What comes of it is not waited for.
                self.end_with(Status::of_framing(error));
            }
        }
        self.watch(round);
        if round.is_ending && (self.method.is_stream() || self.method.is_watch()) {
            // Nothing but that would ever end it. What was read is answered.
            self.end_with(Status::new(Code::Unavailable, "the connection ends: open another one"));
        }
    }

    /// Answers the messages of a stream, as many as may wait.
    fn answer_each(
        &mut self,
        round: &Round<'_>,
        parts: &Parts,
        input: &mut MessageReader,
        is_whole: bool,
    ) {
        let limits = round.front.limits();
        while self.pending.len() < limits.pipelined_requests_max && self.end.is_none() {
            match input.next(limits.body_bytes_max) {
                Ok(Some(message)) => self.answer_one(round, parts, message),
                Ok(None) if !is_whole => return,
                Ok(None) if input.is_empty() => self.end_with(Status::new(Code::Ok, "")),
                Ok(None) => self.end_with(Status::of_framing(FramingError::Cut)),
                Err(error) => self.end_with(Status::of_framing(error)),
            }
        }
    }

    fn answer_one(&mut self, round: &Round<'_>, parts: &Parts, message: Bytes) {
        let reply = match Request::read(self.method, message) {
            Err(status) => Some(Reply::Failed(status, None)),
            Ok(request) => self.reply(round, parts, request),
        };
        if let Some(reply) = reply {
            self.push(reply, round);
        }
    }

    fn reply(&mut self, round: &Round<'_>, parts: &Parts, request: Request) -> Option<Reply> {
        let front = round.front;
        let call = request.call();
        let is_sender_asked = call.is_for_the_process() || front.keys.borrow().is_some();
        let credentials = match head_of(parts) {
            Ok(head) if is_sender_asked => head.credentials,
            _ => Credentials::default(),
        };
        let may = match front.admit(&call, round.client, credentials, round.arrival) {
            Ok(may) => may,
            Err(refusal) => return Some(Reply::Failed(Status::of_key(refusal), None)),
        };
        if self.method.is_watch() {
            self.watched = Some((request, -1));
            return None;
        }
        let may_explain = may.may_explain;
        let context = CallContext { credentials, may_explain, ..self.context(round) };
        Some(request.answer(&front.api, &context))
    }

    /// Keeps a reply until its turn. Each message of a stream has a span of its own.
    fn push(&mut self, reply: Reply, round: &Round<'_>) {
        self.held_bytes += reply.held_bytes();
        let span = match (&self.span, &round.front.context.tracer) {
            (Some(span), Some(tracer)) if self.method.is_stream() => {
                Some(Box::new(tracer.beside(span)))
            }
            (Some(_), Some(_)) => self.span.take(),
            _ => None,
        };
        let started_ns = round.arrival.arrived_ns;
        self.pending.push_back(PendingReply { reply, started_ns, span });
    }

    /// Says the status of a watched service again where it has changed.
    fn watch(&mut self, round: &Round<'_>) {
        let Some((request, said)) = &self.watched else { return };
        let status = request.watched(&round.front.api, &self.context(round));
        if let Some(status) = status.filter(|status| status != said) {
            if let Some((_, said)) = &mut self.watched {
                *said = status;
            }
            self.push(Reply::of_watched(status), round);
        }
    }

    /// The terms of a message. The time limit of a stream begins with it.
    fn context(&self, round: &Round<'_>) -> CallContext<'_> {
        let gone_ns = round.arrival.arrived_ns.saturating_sub(self.started_ns);
        CallContext {
            client: round.client,
            arrival: round.arrival,
            limit_ns: self.limit_ns.map(|limit_ns| limit_ns.saturating_sub(gone_ns)),
            priority: self.priority,
            origin: &self.origin,
            credentials: Credentials::default(),
            may_explain: true,
            body: None,
            json_bytes: None,
            idempotency_key: None,
        }
    }

    /// Sends the replies that are ready and in turn, and the end behind the last; true if anything
    /// moved.
    pub(super) fn render(
        &mut self,
        round: &mut Round<'_>,
        sender: &mut Sender,
    ) -> Result<bool, Over> {
        if round.is_blocked || sender.is_blocked() || sender.is_ended() {
            return Ok(false);
        }
        let mut lines = (!sender.has_begun() && !self.method.is_stream()).then(Vec::new);
        let rendered = self.render_ready(round, &mut lines);
        let is_over = self.pending.is_empty();
        let end = self.end.take_if(|_| is_over);
        if rendered.is_empty() && end.is_none() {
            return Ok(false);
        }
        if !sender.has_begun() {
            let mut head = Response::new(());
            head.headers_mut().reserve(4);
            head.headers_mut().insert(CONTENT_TYPE, GRPC);
            self.add_fields(head.headers_mut(), &lines.unwrap_or_default());
            if rendered.is_empty()
                && let Some(status) = &end
            {
                add_status(head.headers_mut(), status);
                sender.head(head, true)?;
                return Ok(true);
            }
            sender.head(head, false)?;
        }
        sender.data(rendered);
        if let Some(status) = end {
            let mut trailers = HeaderMap::with_capacity(2);
            add_status(&mut trailers, &status);
            sender.end(Some(trailers));
        }
        Ok(true)
    }

    /// Renders the replies at the front that are ready; `lines` are the fields that the first one's
    /// rows have in HTTP/1.1.
    fn render_ready(&mut self, round: &mut Round<'_>, lines: &mut Option<Vec<u8>>) -> Bytes {
        let mut scratch = round.front.scratch.borrow_mut();
        scratch.clear();
        let out = &mut scratch.output;
        while out.len() < OUTPUT_BYTES_MAX
            && self.pending.front_mut().is_some_and(|pending| pending.reply.is_ready())
            && let Some(PendingReply { reply, started_ns, span }) = self.pending.pop_front()
        {
            self.held_bytes -= reply.held_bytes();
            let (written, failed) = match reply.write(out) {
                Ok(written) => (written, None),
                Err(failed) => (failed.1, Some(failed.0)),
            };
            let answered = Answered {
                started_ns,
                origin: &self.origin,
                rows: reply.rows(),
                span: span.as_deref(),
                protocol: Protocol::Grpc,
            };
            let status = written.code.http_status();
            round.note(RenderedResponse::new(answered, status, round.front), status);
            if let Some((lines, (summary, rows))) =
                lines.as_mut().zip(written.summary.zip(reply.rows()))
            {
                // A failure says when to come back in a field of gRPC's own.
                let summary = RowsSummary { failure: None, ..summary };
                write_row_fields(lines, summary, &rows.first().0.settings.keys);
            }
            if let Some(failed) = failed {
                // The replies behind it are to messages of a stream that has failed.
                self.pending.clear();
                self.held_bytes = 0;
                self.end = Some(failed);
            } else if !self.method.is_stream() && !self.method.is_watch() {
                self.end = Some(Status::new(Code::Ok, ""));
            }
        }
        Bytes::copy_from_slice(out)
    }

    /// The fields that HTTP/1.1 has too.
    fn add_fields(&self, fields: &mut HeaderMap, lines: &[u8]) {
        if !self.origin.request_id.is_none() {
            let mut id = Vec::new();
            self.origin.request_id.write(&mut id);
            if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(id)) {
                fields.insert(REQUEST_ID, id);
            }
        }
        add_lines(fields, lines);
    }
}

/// The one message of a body.
fn whole_message(input: &mut MessageReader, bytes_max: usize) -> Result<Bytes, Status> {
    let invalid = |message: &str| Status::new(Code::InvalidArgument, message);
    match input.next(bytes_max) {
        Err(error) => Err(Status::of_framing(error)),
        Ok(None) if input.is_empty() => Err(invalid("the request has no message")),
        Ok(None) => Err(Status::of_framing(FramingError::Cut)),
        Ok(Some(_)) if !input.is_empty() => Err(invalid("the request has more than one message")),
        Ok(Some(message)) => Ok(message),
    }
}
