//! What a request asks for: an answer that is there at once, or rows in the queue of a lane.

use super::Connection;
use crate::api::{Arrival, CallContext};
use crate::http::exchange::{Answer, Exchange};
use crate::http::response;
use crate::http::routes::{Route, route};
use crate::http::statuses::status_of_rows;
use crate::http1::head::{ContentCoding, Head};
use crate::http1::reader::RequestReader;
use crate::origin::{Origin, RequestId, RequestIds};

/// What is said of a body with a content coding, and which is taken (RFC 9110 section 12.5.3).
const CODED: &str =
    "the body has a Content-Encoding, and is taken only as it is: send it without one";
const ACCEPTED: &str = "accept-encoding: identity\r\n";

impl<S> Connection<S> {
    /// Queues what a complete request asks for.
    pub(super) fn answer(&mut self, head: &Head<'_>, body: Option<&[u8]>, arrival: Arrival) {
        self.start_over();
        self.link.has_asked.set(true);
        self.invites = false;
        let close = !head.keep_alive;
        let origin = self.origin(head);
        let answer = match route(head.method, head.path) {
            Route::Call(_) if body.is_some() && head.coding == ContentCoding::Coded => {
                Answer::error(415, ACCEPTED, CODED)
            }
            Route::Call(call) => {
                let context = self.context(head, body, arrival, &origin);
                Answer::of(self.front.api.answer(call, &context), status_of_rows(&call))
            }
            Route::NotFound => Answer::error(404, "", "no such path"),
            Route::MethodNotAllowed { allow } => {
                Answer::error(405, allow, "this path does not take that method")
            }
            Route::MethodUnknown => Answer::error(501, "", "not a method of HTTP"),
        };
        self.closing |= close;
        let mut exchange = Exchange::new(answer, arrival.arrived_ns);
        exchange.close = close;
        exchange.is_http_1_0 = head.is_http_1_0;
        exchange.head_only = head.method == "HEAD";
        exchange.origin = origin;
        self.push(exchange);
    }

    /// What an endpoint is to know of a request.
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

    fn push(&mut self, exchange: Exchange) {
        self.held_bytes += exchange.held_bytes();
        self.exchanges.push_back(exchange);
    }

    /// Where a request comes from; without an id it gets one, if that is configured.
    fn origin(&self, head: &Head<'_>) -> Origin {
        let request_id = match (head.request_id, self.front.settings.request_ids) {
            (Some(id), _) => RequestId::Sent(id.into()),
            (None, RequestIds::Make) => self.front.request_ids.make(),
            (None, RequestIds::Echo) => RequestId::None,
        };
        Origin { request_id, trace: head.trace }
    }

    /// Ends the connection with an error, after what was asked before it.
    pub(super) fn refuse(&mut self, status: u16, message: &str) {
        let fields = if status == 503 { response::RETRY } else { "" };
        let answer = Answer::error(status, fields, message);
        let mut exchange = Exchange::new(answer, self.front.context.clock.now_ns());
        exchange.close = true;
        self.push(exchange);
        self.input = Vec::new();
        self.stalled = false;
        self.reader = RequestReader::default();
        self.invites = false;
        self.closing = true;
    }
}
