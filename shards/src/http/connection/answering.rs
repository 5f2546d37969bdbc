//! What a request asks for: an answer that is there at once, or rows in the queue of a lane.

use std::rc::Rc;

use super::Connection;
use crate::batch::{Lane, Row};
use crate::http::exchange::{Answer, Exchange, Form};
use crate::http::intake::Arrival;
use crate::http::predict::{self, Asked, PredictError};
use crate::http::request_rows::{LaneRows, RequestRows};
use crate::http::routes::{Route, route};
use crate::http::statuses::status_of;
use crate::http::{oip, response};
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
            Route::Predict { .. } | Route::Oip(_)
                if body.is_some() && head.coding == ContentCoding::Coded =>
            {
                Answer::error(415, ACCEPTED, CODED)
            }
            Route::Predict { model } => self.predict(head, model, body, &origin, arrival),
            Route::Oip(route) => {
                let (front, connection) = (&self.front, self.number);
                let asker = oip::Asker { front, connection, arrival, origin: &origin };
                asker.answer(route, head, body)
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

    /// Turns a prediction's body into rows and queues them.
    fn predict(
        &mut self,
        head: &Head<'_>,
        model: Option<&str>,
        body: Option<&[u8]>,
        origin: &Origin,
        arrival: Arrival,
    ) -> Answer {
        let Some(body) = body else {
            return Answer::error(
                411,
                "",
                "the request has no body: send Content-Length or chunks",
            );
        };
        let Some(lane) = self.front.lanes.lane(model) else {
            let message = format!("no such model; there is: {}", self.front.lanes.model_names());
            return Answer::error(404, "", &message);
        };
        let terms = self.front.settings.terms(head, arrival);
        if let Some(failure) = lane.refuse(&terms, 1) {
            return Answer::refusal(failure, status_of(failure));
        }
        let asked = self.parse(body, &lane).and_then(|asked| {
            let form = if asked.is_array { Form::Array } else { Form::Lone };
            Ok((self.divide(asked, body, lane)?, form))
        });
        match asked {
            Err(error) => Answer::error(error.status(), "", &error),
            Ok((rows, form)) => Answer::queue(rows, form, &terms, origin),
        }
    }

    fn parse(&self, body: &[u8], lane: &Lane) -> Result<Asked, PredictError> {
        let (fields, rows_max) =
            (&lane.settings.request_fields, self.front.limits().array_rows_max);
        predict::parse(body, fields, rows_max, self.number, &mut lane.rows.borrow_mut())
    }

    /// Leaves to the version that is tried out those rows of `lane` whose users are its. Each user
    /// has one version, alone as in an array. What names no user stays.
    fn divide(
        &self,
        asked: Asked,
        body: &[u8],
        lane: Rc<Lane>,
    ) -> Result<RequestRows, PredictError> {
        let Some((share, canary)) = self.front.lanes.canary(&lane) else {
            return Ok(RequestRows::of_one(LaneRows::new(lane, asked.first), asked.count));
        };
        let model = lane.settings.model.as_str();
        let is_canarys = |row: &Row| !row.key.is_empty() && share.takes(model, &row.key);
        let (stays, goes) = lane.rows.borrow_mut().divide(asked.first, is_canarys);
        let taken = if canary.settings.reads_fields_of(&lane.settings) {
            canary.rows.borrow_mut().adopt(&mut lane.rows.borrow_mut(), goes)
        } else {
            lane.rows.borrow_mut().forget(goes);
            match goes.map(|_| self.parse(body, &canary)) {
                None => None,
                // The version that is tried out reads other fields of the request.
                Some(Ok(again)) => {
                    let mut rows = canary.rows.borrow_mut();
                    let (others, taken) = rows.divide(again.first, is_canarys);
                    rows.forget(others);
                    taken
                }
                Some(Err(error)) => {
                    lane.rows.borrow_mut().forget(stays);
                    return Err(error);
                }
            }
        };
        let stays = stays.map(|first| LaneRows::new(Rc::clone(&lane), first));
        let taken = taken.map(|first| LaneRows::new(canary, first));
        RequestRows::of(stays, taken, asked.count).ok_or(PredictError::Empty)
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
