//! Dispatches a request to its endpoint, and keeps the response until its turn to be written.

use super::Connection;
use crate::api::{Arrival, Call, CallContext};
use crate::credentials::Credentials;
use crate::http::front::Front;
use crate::http::pending_response::{PendingResponse, ResponseSource};
use crate::http::response::{self, BodyCoding};
use crate::http::routes::{Route, route};
use crate::http::statuses::status_of_rows;
use crate::http1::codings::{self, UnpackError, takes_gzip};
use crate::http1::head::{ContentCoding, Head};
use crate::http1::reader::RequestReader;
use crate::keys::KeyRefusal;
use crate::origin::{Origin, RequestId, RequestIds};

/// The content codings of a body that are taken (RFC 9110 section 12.5.3).
const ACCEPTED: &str = "accept-encoding: gzip, deflate, identity\r\n";
/// How a request without a usable key is told to have one (RFC 9110 section 11.6.1).
const CHALLENGE: &str = "www-authenticate: Bearer\r\n";

impl Front {
    /// Has the endpoint answer a complete request of this client.
    pub(crate) fn answer(
        &self,
        client: u32,
        head: &Head<'_>,
        body: Option<&[u8]>,
        arrival: Arrival,
        origin: &Origin,
    ) -> ResponseSource {
        match route(head.method, head.path) {
            Route::Call(call) => {
                if let Some(refusal) = self.refused_by_key(&call, head.credentials, arrival) {
                    return key_needed(refusal);
                }
                let context = CallContext {
                    client,
                    arrival,
                    limit_ns: head.limit_ns,
                    priority: head.priority,
                    origin,
                    credentials: head.credentials,
                    body,
                    json_bytes: head.inference_header_length,
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

    /// Why the sender's key doesn't let a call in.
    pub(crate) fn refused_by_key(
        &self,
        call: &Call<'_>,
        credentials: Credentials<'_>,
        arrival: Arrival,
    ) -> Option<KeyRefusal> {
        let keys = self.keys.borrow();
        let keys = keys.as_ref().filter(|_| !call.is_probe() && !call.is_for_the_process())?;
        let refusal = self
            .api
            .with_model(call, |model| keys.admit(credentials, model, arrival.read_ns).err())?;
        self.counters().keys_refused[refusal.index()].add(1);
        Some(refusal)
    }

    /// The origin of a request. One without an id gets one, if that is configured.
    pub(crate) fn origin(&self, head: &Head<'_>) -> Origin {
        let request_id = match (head.request_id, self.settings.request_ids) {
            (Some(id), _) => RequestId::Sent(id.into()),
            (None, RequestIds::Make) => self.request_ids.make(),
            (None, RequestIds::Echo) => RequestId::None,
        };
        Origin { request_id, trace: head.trace }
    }
}

/// The response to a call that its key doesn't let in.
fn key_needed(refusal: KeyRefusal) -> ResponseSource {
    let message = refusal.message();
    match refusal {
        KeyRefusal::Missing | KeyRefusal::Unknown => ResponseSource::error(401, CHALLENGE, message),
        KeyRefusal::OtherModel => ResponseSource::error(403, "", message),
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
        let origin = self.front.origin(head);
        let source = self.front.answer(self.number, head, body, arrival, &origin);
        self.closing |= close;
        let coding = self.front.coding_of(&source, head);
        let mut response = PendingResponse::new(source, arrival.arrived_ns);
        response.close = close;
        response.coding = coding;
        response.is_http_1_0 = head.is_http_1_0;
        response.head_only = head.method == "HEAD";
        response.origin = origin;
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
