//! Dispatches a request to its endpoint, and keeps the response until its turn to be written.

use super::Connection;
use crate::api::{Arrival, Call, CallContext};
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
const KEY_MISSING: &str = "a key is needed: send Authorization: Bearer KEY, or x-api-key: KEY";

impl<S> Connection<S> {
    /// Has the endpoint answer a complete request; the response waits behind those before it.
    pub(super) fn dispatch(&mut self, head: &Head<'_>, body: Option<&[u8]>, arrival: Arrival) {
        self.start_over();
        self.handle.has_asked.set(true);
        self.invites = false;
        let close = !head.keep_alive;
        let origin = self.origin(head);
        let source = match route(head.method, head.path) {
            Route::Call(call) => match self.refused_by_key(&call, head, arrival) {
                Some(refused) => refused,
                None => self.answer(call, head, body, arrival, &origin),
            },
            Route::NotFound => ResponseSource::error(404, "", "no such path"),
            Route::MethodNotAllowed { allow } => {
                ResponseSource::error(405, allow, "this path does not take that method")
            }
            Route::MethodUnknown => ResponseSource::error(501, "", "not a method of HTTP"),
        };
        self.closing |= close;
        let coding = self.coding_of(&source, head);
        let mut response = PendingResponse::new(source, arrival.arrived_ns);
        response.close = close;
        response.coding = coding;
        response.is_http_1_0 = head.is_http_1_0;
        response.head_only = head.method == "HEAD";
        response.origin = origin;
        self.push(response);
    }

    /// Has a call answered, its body unpacked where it is coded.
    fn answer(
        &self,
        call: Call<'_>,
        head: &Head<'_>,
        body: Option<&[u8]>,
        arrival: Arrival,
        origin: &Origin,
    ) -> ResponseSource {
        let coded = body.filter(|_| head.coding != ContentCoding::Identity);
        let mut unpacked = Vec::new();
        let body = match coded {
            None => body,
            Some(coded) => {
                let bytes_max = self.front.limits().body_bytes_max;
                if let Err(error) = codings::unpack(coded, head.coding, bytes_max, &mut unpacked) {
                    let fields = if error == UnpackError::Coding { ACCEPTED } else { "" };
                    return ResponseSource::error(error.status(), fields, &error.to_string());
                }
                Some(unpacked.as_slice())
            }
        };
        let context = self.context(head, body, arrival, origin);
        ResponseSource::of(self.front.api.answer(call, &context), status_of_rows(&call))
    }

    /// Whether a response is packed, where it may be long enough.
    fn coding_of(&self, source: &ResponseSource, head: &Head<'_>) -> BodyCoding {
        if !source.may_reach(self.front.limits().compressed_bytes_min) {
            return BodyCoding::Never;
        }
        match head.accept_encoding {
            Some(value) if takes_gzip(value) => BodyCoding::Gzip,
            _ => BodyCoding::Plain,
        }
    }

    /// The response to a call that its key doesn't let in.
    fn refused_by_key(
        &self,
        call: &Call<'_>,
        head: &Head<'_>,
        arrival: Arrival,
    ) -> Option<ResponseSource> {
        let keys = self.front.keys.borrow();
        let keys = keys.as_ref().filter(|_| !call.is_probe() && !call.is_for_the_process())?;
        let refusal = self
            .front
            .api
            .with_model(call, |model| keys.admit(head.credentials, model, arrival.read_ns).err())?;
        self.front.counters().keys_refused[refusal.index()].add(1);
        Some(match refusal {
            KeyRefusal::Missing => ResponseSource::error(401, CHALLENGE, KEY_MISSING),
            KeyRefusal::Unknown => ResponseSource::error(401, CHALLENGE, "the key is not known"),
            KeyRefusal::OtherModel => {
                ResponseSource::error(403, "", "the key may not ask this model")
            }
            KeyRefusal::TooMany => {
                ResponseSource::error(429, response::RETRY, "the key has made too many requests")
            }
        })
    }

    /// The part of a request that an endpoint knows.
    fn context<'a>(
        &self,
        head: &Head<'a>,
        body: Option<&'a [u8]>,
        arrival: Arrival,
        origin: &'a Origin,
    ) -> CallContext<'a> {
        CallContext {
            client: self.number,
            arrival,
            limit_ns: head.limit_ns,
            priority: head.priority,
            origin,
            credentials: head.credentials,
            body,
            json_bytes: head.inference_header_length,
        }
    }

    fn push(&mut self, response: PendingResponse) {
        self.held_bytes += response.held_bytes();
        self.pending.push_back(response);
    }

    /// The origin of a request. One without an id gets one, if that is configured.
    fn origin(&self, head: &Head<'_>) -> Origin {
        let request_id = match (head.request_id, self.front.settings.request_ids) {
            (Some(id), _) => RequestId::Sent(id.into()),
            (None, RequestIds::Make) => self.front.request_ids.make(),
            (None, RequestIds::Echo) => RequestId::None,
        };
        Origin { request_id, trace: head.trace }
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
