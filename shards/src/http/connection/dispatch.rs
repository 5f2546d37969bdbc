//! Dispatches a request to its endpoint, and keeps the response until its turn to be written.

use std::rc::Rc;

use super::Connection;
use crate::api::{Arrival, Call, CallContext};
use crate::credentials::Credentials;
use crate::http::front::Front;
use crate::http::pending_response::{PendingResponse, ResponseSource};
use crate::http::response::{self, BodyCoding};
use crate::http::routes::{Route, route, route_name};
use crate::http::statuses::status_of_rows;
use crate::http1::codings::{self, UnpackError, takes_gzip};
use crate::http1::head::{ContentCoding, Head};
use crate::http1::reader::RequestReader;
use crate::keys::{Asked, KeyRefusal, Permissions, Shown};
use crate::origin::{Origin, RequestId, RequestIds};
use crate::spans::SpanStart;

/// The content codings of a body that are taken (RFC 9110 section 12.5.3).
const ACCEPTED: &str = "accept-encoding: gzip, deflate, identity\r\n";
/// How a request without a usable key is told to have one (RFC 9110 section 11.6.1).
const CHALLENGE: &str = "www-authenticate: Bearer\r\n";

impl Front {
    /// Has the endpoint answer a complete request of this client, which has this route.
    pub(crate) fn answer(
        &self,
        client: u32,
        (head, route): (&Head<'_>, Route<'_>),
        body: Option<&[u8]>,
        arrival: Arrival,
        origin: &Origin,
    ) -> ResponseSource {
        match route {
            Route::Call(call) => {
                let may = match self.admit(&call, client, head.credentials, arrival) {
                    Ok(may) => may,
                    Err(refusal) => return key_needed(refusal),
                };
                let context = CallContext {
                    client,
                    arrival,
                    limit_ns: head.limit_ns,
                    priority: head.priority,
                    origin,
                    credentials: head.credentials,
                    may_explain: may.may_explain,
                    body,
                    json_bytes: head.inference_header_length,
                    idempotency_key: head.idempotency_key,
                };
                self.answer_call(call, head, context)
            }
            Route::NotFound => ResponseSource::error(404, "", "no such path"),
            Route::MethodNotAllowed { allow } => {
                ResponseSource::error(405, allow, "this path does not take that method")
            }
            Route::MethodUnknown => ResponseSource::error(501, "", "not a method of HTTP"),
        }
    }

    /// Has a call answered, its body unpacked where it is coded.
    fn answer_call(
        &self,
        call: Call<'_>,
        head: &Head<'_>,
        context: CallContext<'_>,
    ) -> ResponseSource {
        let mut unpacked = Vec::new();
        if let Some(coded) = context.body.filter(|_| head.coding != ContentCoding::Identity) {
            let bytes_max = self.limits().body_bytes_max;
            if let Err(error) = codings::unpack(coded, head.coding, bytes_max, &mut unpacked) {
                let fields = if error == UnpackError::Coding { ACCEPTED } else { "" };
                return ResponseSource::error(error.status(), fields, &error.to_string());
            }
            let context = CallContext { body: Some(&unpacked), ..context };
            return ResponseSource::of(self.api.answer(call, &context), status_of_rows(&call));
        }
        ResponseSource::of(self.api.answer(call, &context), status_of_rows(&call))
    }

    /// Whether a response is packed, where it may be long enough.
    pub(crate) fn coding_of(&self, source: &ResponseSource, head: &Head<'_>) -> BodyCoding {
        if !source.may_reach(self.limits().compressed_bytes_min) {
            return BodyCoding::Never;
        }
        match head.accept_encoding {
            Some(value) if takes_gzip(value) => BodyCoding::Gzip,
            _ => BodyCoding::Plain,
        }
    }

    /// Lets a call of this client in by its key, or by the names of its certificate; gives back what
    /// else it may ask for, or why it is not let in.
    pub(crate) fn admit(
        &self,
        call: &Call<'_>,
        client: u32,
        credentials: Credentials<'_>,
        arrival: Arrival,
    ) -> Result<Permissions, KeyRefusal> {
        let keys = self.keys.borrow();
        let is_asked = !call.is_probe() && !call.is_for_the_process();
        let Some(keys) = keys.as_ref().filter(|_| is_asked) else { return Ok(Permissions::ALL) };
        let handle = self.handles.get(client);
        let certificate = handle.as_ref().map_or(&[][..], |handle| handle.certificate_names());
        let shown = Shown { credentials, certificate };
        let admitted = self.api.with_model(call, |model| {
            let asked = Asked { model, writes: matches!(call, Call::WriteFeatures(_)) };
            keys.admit(shown, asked, arrival.read_ns)
        });
        admitted.inspect_err(|refusal| self.counters().keys_refused[refusal.index()].add(1))
    }

    /// The origin of a request, and its span of this name where it is recorded. One without an id gets
    /// one, if that is configured.
    pub(crate) fn origin(
        &self,
        head: &Head<'_>,
        name: &'static str,
    ) -> (Origin, Option<Box<SpanStart>>) {
        let request_id = match (head.request_id, self.settings.request_ids) {
            (Some(id), _) => RequestId::Sent(id.into()),
            (None, RequestIds::Make) => self.request_ids.make(),
            (None, RequestIds::Echo) => RequestId::None,
        };
        let tracer = self.context.tracer.as_ref();
        let span = tracer.and_then(|tracer| tracer.begin(head.trace, head.trace_state, name));
        let trace = match &span {
            Some(span) => Some(span.as_parent(head.trace)),
            None => head.trace,
        };
        let state = head.trace_state.map(Rc::from);
        (Origin { request_id, trace, state, is_recorded: span.is_some() }, span)
    }
}

/// The response to a call that its key doesn't let in.
fn key_needed(refusal: KeyRefusal) -> ResponseSource {
    let message = refusal.message();
    match refusal {
        KeyRefusal::Missing | KeyRefusal::Unknown => ResponseSource::error(401, CHALLENGE, message),
        KeyRefusal::OtherModel | KeyRefusal::NotAllowed => ResponseSource::error(403, "", message),
        KeyRefusal::TooMany => ResponseSource::error(429, response::RETRY, message),
    }
}

impl<S> Connection<S> {
    /// Has the endpoint answer a complete request; the response waits behind those before it.
    pub(super) fn dispatch(&mut self, head: &Head<'_>, body: Option<&[u8]>, arrival: Arrival) {
        self.start_over();
        self.handle.has_asked.set(true);
        self.invites = false;
        let close = !head.keep_alive;
        let route = route(head.method, head.path);
        let (origin, span) = self.front.origin(head, route_name(&route));
        let source = self.front.answer(self.number, (head, route), body, arrival, &origin);
        self.closing |= close;
        let coding = self.front.coding_of(&source, head);
        let mut response = PendingResponse::new(source, arrival.arrived_ns);
        response.close = close;
        response.coding = coding;
        response.is_http_1_0 = head.is_http_1_0;
        response.head_only = head.method == "HEAD";
        response.origin = origin;
        response.span = span;
        self.push(response);
    }

    fn push(&mut self, response: PendingResponse) {
        self.held_bytes += response.held_bytes();
        self.pending.push_back(response);
    }

    /// Ends the connection with an error, after the responses that come before it.
    pub(super) fn refuse(&mut self, status: u16, message: &str) {
        let fields = if status == 503 { response::RETRY } else { "" };
        let source = ResponseSource::error(status, fields, message);
        let mut response = PendingResponse::new(source, self.front.context.clock.now_ns());
        response.close = true;
        self.push(response);
        self.input = Vec::new();
        self.stalled = false;
        self.reader = RequestReader::default();
        self.invites = false;
        self.closing = true;
    }
}
