//! A request of HTTP/2 that is none of gRPC: it is routed, answered and rendered as one of HTTP/1.1.

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use memchr::memmem;

use super::sending::{Over, Sender};
use super::stream::{Round, head_of};
use crate::grpc::framing::MessageReader;
use crate::http::pending_response::{Packing, PendingResponse, ResponseSource};
use crate::http::rendered::{Protocol, RenderedResponse};
use crate::http::response;
use crate::http::routes::{route, route_name};
use crate::http1::head::HeadError;

/// A request and, once it has wholly arrived, its response.
pub(super) struct Plain {
    has_body: bool,
    response: Option<PendingResponse>,
}

impl Plain {
    pub(super) fn new(has_body: bool) -> Self {
        Self { has_body, response: None }
    }

    /// Whether it was handed to its endpoint.
    pub(super) fn is_answered(&self) -> bool {
        self.response.is_some()
    }

    pub(super) fn is_ready(&mut self) -> bool {
        self.response.as_mut().is_some_and(PendingResponse::is_ready)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.response.as_ref().map_or(0, PendingResponse::held_bytes)
    }

    /// Has it answered with an error, unless it was answered already.
    pub(super) fn refuse(&mut self, status: u16, message: &str, round: &Round<'_>) {
        if self.response.is_none() {
            let fields = if status == 503 { response::RETRY } else { "" };
            let source = ResponseSource::error(status, fields, message);
            self.response = Some(PendingResponse::new(source, round.arrival.arrived_ns));
        }
    }

    /// Has its endpoint answer it, once it has wholly arrived.
    pub(super) fn answer(
        &mut self,
        round: &Round<'_>,
        parts: &Parts,
        input: &mut MessageReader,
        is_whole: bool,
    ) {
        if self.response.is_some() {
            return;
        }
        let limit = round.front.limits().body_bytes_max;
        if input.len() > limit {
            let error = HeadError::BodyTooLarge { limit };
            return self.refuse(error.status(), &error.to_string(), round);
        }
        if !is_whole {
            return;
        }
        let head = match head_of(parts) {
            Ok(head) => head,
            Err(error) => return self.refuse(error.status(), &error.to_string(), round),
        };
        let route = route(head.method, head.path);
        let (origin, span) = round.front.origin(&head, route_name(&route));
        let body = self.has_body.then(|| input.take_all());
        let (client, arrival) = (round.client, round.arrival);
        let source = round.front.answer(client, (&head, route), body.as_deref(), arrival, &origin);
        let coding = round.front.coding_of(&source, &head);
        let mut response = PendingResponse::new(source, round.arrival.arrived_ns);
        response.coding = coding;
        response.head_only = head.method == "HEAD";
        response.origin = origin;
        response.span = span;
        self.response = Some(response);
    }

    /// Sends the response if it is ready; true if it was.
    pub(super) fn render(
        &mut self,
        round: &mut Round<'_>,
        sender: &mut Sender,
    ) -> Result<bool, Over> {
        if round.is_blocked || sender.has_begun() || !self.is_ready() {
            return Ok(false);
        }
        let Some(response) = &self.response else { return Ok(false) };
        let (status, head, body) = {
            let mut scratch = round.front.scratch.borrow_mut();
            let scratch = &mut *scratch;
            scratch.clear();
            let date = round.front.date.borrow();
            let packing = Packing {
                packer: &mut scratch.packer,
                bytes_min: round.front.limits().compressed_bytes_min,
            };
            let status = response.render(&mut scratch.output, &mut scratch.body, &date, packing);
            let (head, body) = split(&scratch.output);
            (status, head, Bytes::copy_from_slice(body))
        };
        round.note(
            RenderedResponse::new(response.answered(Protocol::Http2), status, round.front),
            status,
        );
        let mut rendered = Response::new(());
        *rendered.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *rendered.headers_mut() = head;
        sender.head(rendered, body.is_empty())?;
        if !body.is_empty() {
            sender.data(body);
            sender.end(None);
        }
        Ok(true)
    }
}

/// The fields and the body of a response of HTTP/1.1. It was made here, so that it has no other form;
/// the fields of a connection are none of a stream's (RFC 9113 section 8.2.2).
fn split(response: &[u8]) -> (HeaderMap, &[u8]) {
    let end = memmem::find(response, b"\r\n\r\n").unwrap_or(response.len());
    let (head, body) = response.split_at(end);
    let mut fields = HeaderMap::with_capacity(8);
    let status_line = memmem::find(head, b"\r\n").map_or(head.len(), |end| end + 2);
    add_lines(&mut fields, &head[status_line..]);
    (fields, body.get(4..).unwrap_or_default())
}

/// Adds the fields of these lines, which were made here.
pub(super) fn add_lines(fields: &mut HeaderMap, lines: &[u8]) {
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            && name != CONNECTION
        {
            fields.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn fields_and_body_come_apart() {
        let (fields, body) =
            split(b"HTTP/1.1 200 OK\r\na: b: c\r\nconnection: close\r\nd: \r\n\r\n\r\n\r\nx");
        let mut found: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        found.sort_unstable();
        assert_eq!(found, [("a", b"b: c".as_slice()), ("d", b"")]);
        assert_eq!(body, b"\r\n\r\nx");
        assert_eq!(split(b"HTTP/1.1 204 No Content\r\n\r\n").1, b"");
    }
}
