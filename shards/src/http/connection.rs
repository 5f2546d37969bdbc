//! One connection: reads requests, hands them to a lane, writes the answers in order.
//!
//! It is one task and one hand-written future. Reading goes on while requests are being
//! answered, so that a client that went away is seen and its rows leave the queue. Bytes are read
//! into the shard's scratch buffer and parsed there; only what is left of an unfinished request
//! is copied into the connection's own buffer, so an idle connection holds none.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;

use super::exchange::{Answer, Exchange, Form};
use super::head::Head;
use super::links::Link;
use super::oip;
use super::origin::{Origin, RequestId, RequestIds};
use super::predict::{self, Asked, PredictError};
use super::reader::{RequestReader, Step};
use super::rendered::Rendered;
use super::response;
use super::routes::{Route, route};
use crate::batch::{Lane, RowId};
use crate::shard::ShardState;

/// Output that waits for a slow reader; beyond it no further request is read.
const OUTPUT_BYTES_MAX: usize = 262_144;
/// How much of a refused request is read and thrown away, so that the refusal arrives.
const LINGER_BYTES_MAX: usize = 1_048_576;
const LINGER_MS: u64 = 1_000;
/// How often one poll may read and write: a client that always has more to say must not keep the
/// shard from the others.
const ROUNDS_MAX: usize = 4;

/// What a connection is doing, as far as its time limit is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Something came to an end: whatever comes next has its full time.
    Starting,
    Idle,
    ReadingHead,
    ReadingBody,
    Waiting,
    Writing {
        bytes: usize,
    },
    Lingering,
}

#[expect(clippy::struct_excessive_bools, reason = "none of the four follows from the others")]
pub(crate) struct Connection {
    stream: TcpStream,
    shard: Rc<ShardState>,
    link: Rc<Link>,
    number: u32,
    input: Vec<u8>,
    reader: RequestReader,
    output: Vec<u8>,
    /// What of its buffers the shard has been told.
    buffered_bytes: usize,
    written: usize,
    rendered: Vec<Rendered>,
    rendered_ns: u64,
    exchanges: VecDeque<Exchange>,
    /// Whether `input` may hold whole requests, left there at the limit on pipelined ones.
    stalled: bool,
    end_of_input: bool,
    closing: bool,
    /// Whether the client waits for `100 Continue`, which comes after the answers before it.
    invites: bool,
    lingered: usize,
    doing: Doing,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shard.links.remove(self.number);
        self.shard.counters().connections_open.subtract(1);
        self.shard.counters().buffered_bytes.subtract(self.buffered_bytes as u64);
    }
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, shard: Rc<ShardState>) -> Self {
        let (number, link) = shard.links.add();
        shard.counters().connections_open.add(1);
        shard.counters().connections_accepted.add(1);
        Self {
            stream,
            shard,
            link,
            number,
            input: Vec::new(),
            reader: RequestReader::default(),
            output: Vec::new(),
            buffered_bytes: 0,
            written: 0,
            rendered: Vec::new(),
            rendered_ns: 0,
            exchanges: VecDeque::new(),
            stalled: false,
            end_of_input: false,
            closing: false,
            invites: false,
            lingered: 0,
            doing: Doing::Starting,
        }
    }

    /// Serves the connection until it ends.
    pub(crate) async fn serve(mut self) {
        poll_fn(|context| {
            self.link.register(context.waker());
            self.poll_serve(context)
        })
        .await;
    }

    fn poll_serve(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS_MAX {
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
            // Only now: what has arrived in time is served, however late its turn comes.
            self.set_time_limit();
            self.link.timed_out.set(false);
            if self.link.deadline_ms.get() > self.shard.coarse_ms.get() {
                return Poll::Pending;
            }
            if self.time_out() {
                return Poll::Ready(());
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Nothing is left to write, and nothing more will be asked.
    fn is_over(&self) -> bool {
        let silent = self.output.is_empty() && self.exchanges.is_empty();
        if self.end_of_input {
            // With answers outstanding, the end of the stream means that the client went away.
            return silent || !self.shard.limits().answer_half_closed;
        }
        self.closing && silent && self.lingered >= LINGER_BYTES_MAX
    }

    /// Acts on a passed deadline; true when the connection ends at once.
    fn time_out(&mut self) -> bool {
        match self.doing {
            Doing::ReadingHead | Doing::ReadingBody => {
                self.refuse(408, "the request took too long to arrive");
                false
            }
            Doing::Starting | Doing::Waiting => false,
            Doing::Idle | Doing::Writing { .. } | Doing::Lingering => true,
        }
    }

    fn set_time_limit(&mut self) {
        let limits = self.shard.limits();
        let (doing, limit_ms) = if !self.output.is_empty() {
            (Doing::Writing { bytes: self.written }, limits.write_timeout_ms)
        } else if !self.exchanges.is_empty() {
            (Doing::Waiting, u64::MAX)
        } else if self.closing {
            (Doing::Lingering, LINGER_MS)
        } else if self.reader.is_in_body() {
            (Doing::ReadingBody, limits.body_timeout_ms)
        } else if !self.input.is_empty() {
            (Doing::ReadingHead, limits.head_timeout_ms)
        } else if self.shard.draining.get() {
            (Doing::Idle, limits.drain_idle_ms)
        } else {
            (Doing::Idle, limits.idle_timeout_ms)
        };
        let due_ms = self.shard.coarse_ms.get().saturating_add(limit_ms);
        if self.doing != doing {
            self.doing = doing;
            self.link.deadline_ms.set(due_ms);
        } else if doing == Doing::Idle && due_ms < self.link.deadline_ms.get() {
            self.link.deadline_ms.set(due_ms);
        }
    }

    // ---- reading -------------------------------------------------------------------------

    /// Tells the shard how much memory the connection keeps; true where all keep too much.
    fn is_memory_scarce(&mut self) -> bool {
        let counter = &self.shard.counters().buffered_bytes;
        let kept = self.input.capacity() + self.reader.buffered_bytes() + self.output.capacity();
        if kept != self.buffered_bytes {
            counter.add(kept as u64);
            counter.subtract(std::mem::replace(&mut self.buffered_bytes, kept) as u64);
        }
        kept > 0 && counter.get() > self.shard.limits().buffered_bytes_max as u64
    }

    fn wants_input(&mut self) -> bool {
        let output_bytes_max = if self.is_memory_scarce() { 1 } else { OUTPUT_BYTES_MAX };
        !self.end_of_input
            && self.output.len() < output_bytes_max
            && self.exchanges.len() < self.shard.limits().pipelined_requests_max
    }

    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if !self.wants_input() {
            return Poll::Pending;
        }
        let shard = Rc::clone(&self.shard);
        // What stopped at the limit on pipelined requests comes before what the socket has.
        if std::mem::take(&mut self.stalled) {
            let input = std::mem::take(&mut self.input);
            self.take_from(input, shard.clock.now_ns());
            return Poll::Ready(Ok(()));
        }
        let mut scratch = shard.scratch.borrow_mut();
        let stream = Pin::new(&mut self.stream);
        let length = ready!(stream.poll_read(context, &mut scratch.input))?;
        if length == 0 {
            self.end_of_input = true;
            return Poll::Ready(Ok(()));
        }
        if self.closing {
            self.lingered += length;
            return Poll::Ready(Ok(()));
        }
        let now_ns = shard.clock.now_ns();
        if self.input.is_empty() {
            let taken = self.take_requests(&scratch.input[..length], now_ns);
            self.input.extend_from_slice(&scratch.input[taken..length]);
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(&scratch.input[..length]);
            self.take_from(input, now_ns);
        }
        if !self.input.is_empty() && !self.stalled && self.is_memory_scarce() {
            self.refuse(503, "too much memory is held by requests that have not wholly arrived");
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the requests that `input` holds and keeps the rest.
    fn take_from(&mut self, mut input: Vec<u8>, now_ns: u64) {
        let taken = self.take_requests(&input, now_ns);
        if taken == input.len() {
            // The buffer goes back to the allocator: an idle connection holds none.
            self.input = Vec::new();
        } else {
            input.drain(..taken);
            self.input = input;
        }
    }

    /// Takes every complete request at the start of `bytes`; returns how many bytes they were.
    fn take_requests(&mut self, bytes: &[u8], now_ns: u64) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.closing {
            if self.exchanges.len() >= self.shard.limits().pipelined_requests_max {
                self.stalled = true;
                break;
            }
            // The reader is lent out, as what it finds borrows from it.
            let mut reader = std::mem::take(&mut self.reader);
            let step = reader.next(&bytes[at..], self.shard.limits());
            match step {
                Ok(Step::Request { head, body, taken }) => {
                    at += taken;
                    self.answer(&head, body, now_ns);
                    reader.forget_body();
                    self.reader = reader;
                }
                Ok(Step::Skip { taken }) => {
                    at += taken;
                    self.reader = reader;
                }
                Ok(Step::More { invite }) => {
                    self.reader = reader;
                    self.invites |= invite;
                    break;
                }
                Err(error) => {
                    self.refuse(error.status(), &error.to_string());
                    return bytes.len();
                }
            }
        }
        if at == bytes.len() && self.shard.draining.get() {
            self.close_after_last();
        }
        if self.closing { bytes.len() } else { at }
    }

    /// While draining: all that was received is answered, and the last answer says that it is.
    fn close_after_last(&mut self) {
        if let Some(last) = self.exchanges.back_mut() {
            last.close = true;
            self.closing = true;
        }
    }

    // ---- answering -----------------------------------------------------------------------

    /// Queues what a complete request asks for.
    fn answer(&mut self, head: &Head<'_>, body: Option<&[u8]>, now_ns: u64) {
        self.doing = Doing::Starting;
        self.invites = false;
        let close = !head.keep_alive;
        let origin = self.origin(head);
        let answer = match route(head.method, head.path) {
            Route::Predict { model } => self.predict(head, model, body, &origin, now_ns),
            Route::Oip(route) => {
                let (shard, connection) = (&self.shard, self.number);
                let asker = oip::Asker { shard, connection, now_ns, origin: &origin };
                asker.answer(route, head, body)
            }
            Route::NotFound => Answer::error(404, "", "no such path"),
            Route::MethodNotAllowed { allow } => {
                Answer::error(405, allow, "this path does not take that method")
            }
            Route::MethodUnknown => Answer::error(501, "", "not a method of HTTP"),
        };
        self.closing |= close;
        let mut exchange = Exchange::new(answer, now_ns);
        exchange.close = close;
        exchange.is_http_1_0 = head.is_http_1_0;
        exchange.head_only = head.method == "HEAD";
        exchange.origin = origin;
        self.exchanges.push_back(exchange);
    }

    /// Where a request comes from; without an id it gets one, if that is configured.
    fn origin(&self, head: &Head<'_>) -> Origin {
        let request_id = match (head.request_id, self.shard.settings.request_ids) {
            (Some(id), _) => RequestId::Sent(id.into()),
            (None, RequestIds::Make) => self.shard.request_ids.make(),
            (None, RequestIds::Echo) => RequestId::None,
        };
        Origin { request_id, trace: head.trace }
    }

    /// Turns a prediction's body into rows and queues them.
    fn predict(
        &mut self,
        head: &Head<'_>,
        model: Option<&str>,
        body: Option<&[u8]>,
        origin: &Origin,
        now_ns: u64,
    ) -> Answer {
        let Some(body) = body else {
            return Answer::error(
                411,
                "",
                "the request has no body: send Content-Length or chunks",
            );
        };
        let Some(mut lane) = self.shard.lane(model) else {
            return Answer::error(404, "", "no such model");
        };
        let terms = self.shard.settings.terms(head, now_ns);
        if let Some(failure) = lane.refuse(&terms) {
            return Answer::refusal(failure, failure.status());
        }
        let mut asked = self.parse(body, &lane);
        if let Ok(Asked { first, .. }) = asked
            && let Some(canary) = self.canary(&lane, first)
        {
            // Its version may read other fields of the request.
            asked = self.parse(body, &canary);
            lane = canary;
        }
        match asked {
            Err(error) => Answer::error(error.status(), "", &error.to_string()),
            Ok(asked) => {
                let form = if asked.is_array { Form::Array } else { Form::Lone };
                Answer::queue(lane, asked.first, form, &terms, origin)
            }
        }
    }

    fn parse(&self, body: &[u8], lane: &Lane) -> Result<Asked, PredictError> {
        let (fields, rows_max) =
            (&lane.settings.request_fields, self.shard.limits().array_rows_max);
        predict::parse(body, fields, rows_max, self.number, &mut lane.rows.borrow_mut())
    }

    /// The version that is tried out, if it is to score the rows from `first` on, which are then
    /// freed. An array is scored by one version: the one for its first user.
    fn canary(&self, lane: &Lane, first: RowId) -> Option<Rc<Lane>> {
        lane.settings.canary?;
        let mut rows = lane.rows.borrow_mut();
        let canary = self.shard.canary(lane, &rows.get(first).key)?;
        predict::release(&mut rows, Some(first));
        Some(canary)
    }

    /// Ends the connection with an error, after what was asked before it.
    fn refuse(&mut self, status: u16, message: &str) {
        let fields = if status == 503 { response::RETRY } else { "" };
        let answer = Answer::error(status, fields, message);
        let mut exchange = Exchange::new(answer, self.shard.clock.now_ns());
        exchange.close = true;
        self.exchanges.push_back(exchange);
        self.input = Vec::new();
        self.reader = RequestReader::default();
        self.invites = false;
        self.closing = true;
    }

    // ---- writing -------------------------------------------------------------------------

    /// Renders every answer that is ready and in turn, and writes; true if anything moved.
    fn poll_output(&mut self, context: &mut Context<'_>) -> std::io::Result<bool> {
        let shard = Rc::clone(&self.shard);
        if self.invites && self.exchanges.is_empty() {
            self.invites = false;
            self.output.extend_from_slice(response::CONTINUE);
        }
        if self.output.is_empty() {
            let mut scratch = shard.scratch.borrow_mut();
            let scratch = &mut *scratch;
            scratch.output.clear();
            if !self.render(&mut scratch.output, &mut scratch.body) {
                return Ok(false);
            }
            let sent = match Pin::new(&mut self.stream).poll_write(context, &scratch.output) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            if sent == scratch.output.len() {
                self.finish_write(context);
            } else {
                self.output.extend_from_slice(&scratch.output[sent..]);
                self.written = 0;
            }
            return Ok(true);
        }
        match Pin::new(&mut self.stream).poll_write(context, &self.output[self.written..]) {
            Poll::Pending => Ok(false),
            Poll::Ready(sent) => {
                self.written += sent?;
                if self.written == self.output.len() {
                    self.output = Vec::new();
                    self.written = 0;
                    self.finish_write(context);
                }
                Ok(true)
            }
        }
    }

    /// Records what the written answers took, and half-closes after the last.
    fn finish_write(&mut self, context: &mut Context<'_>) {
        let now_ns = self.shard.clock.now_ns();
        self.doing = Doing::Starting;
        let write_ns = now_ns.saturating_sub(self.rendered_ns);
        for rendered in self.rendered.drain(..) {
            rendered.record(&self.shard, now_ns, write_ns);
        }
        if self.closing && self.exchanges.is_empty() && !self.end_of_input {
            // The client sees the end at once; what it still sends is read and thrown away, as
            // a close with unread input would reset the connection under the answer.
            let _ = Pin::new(&mut self.stream).poll_close(context);
        }
    }

    /// Appends the answers at the front that are ready; true if there was one.
    fn render(&mut self, out: &mut Vec<u8>, body: &mut Vec<u8>) -> bool {
        let shard = Rc::clone(&self.shard);
        let date = shard.date.borrow();
        let mut any = false;
        while self.exchanges.front_mut().is_some_and(Exchange::is_ready)
            && let Some(exchange) = self.exchanges.pop_front()
        {
            if !any {
                self.rendered_ns = shard.clock.now_ns();
            }
            any = true;
            let status = exchange.render(out, body, &date);
            self.rendered.push(Rendered::new(&exchange, status, &shard));
        }
        any
    }
}
