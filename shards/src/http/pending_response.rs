//! A response that is not written yet: its source, and its rendering.

use serde_json::Value;

use super::rendered::{Answered, Protocol};
use super::response::{self, BodyCoding, HeadOptions, RETRY};
use super::statuses::{fault_status, reply_status};
use crate::api::admin_queue::AwaitedAdminReply;
use crate::api::json::write_error;
use crate::api::request_rows::RequestRows;
use crate::api::{CallFault, Form, Outcome, StatusOf};
use crate::batch::ROW_BYTES;
use crate::http1::codings::GzipPacker;
use crate::origin::Origin;
use crate::spans::SpanStart;

/// A response between the arrival of its request and its rendering.
pub(crate) struct PendingResponse {
    source: ResponseSource,
    /// Whether the connection ends with it.
    pub(crate) close: bool,
    /// Whether the client speaks HTTP/1.0.
    pub(crate) is_http_1_0: bool,
    /// Whether the request was HEAD, whose response has no body.
    pub(crate) head_only: bool,
    /// Whether the client takes a long body packed, where the body may be long.
    pub(crate) coding: BodyCoding,
    /// Where the request comes from; its id is sent back.
    pub(crate) origin: Origin,
    /// Its span, where it is recorded.
    pub(crate) span: Option<Box<SpanStart>>,
    /// When the read that completed the request returned, in ns of the shard's clock.
    pub(crate) started_ns: u64,
}

/// The source of a response.
pub(crate) enum ResponseSource {
    /// Known without any batch: a status, header lines, and a body.
    Ready { status: u16, fields: &'static str, body: Vec<u8> },
    /// Made by the process, when it has done the request.
    Awaited(AwaitedAdminReply),
    /// Made of rows, when all are done.
    Rows { rows: RequestRows, form: Form, status_of: StatusOf },
}

impl ResponseSource {
    /// An error: `{"error": message}`.
    pub(crate) fn error(status: u16, fields: &'static str, message: &str) -> Self {
        let mut body = Vec::new();
        write_error(&mut body, message);
        Self::Ready { status, fields, body }
    }

    /// The rendering of an outcome; rows have their statuses by `status_of`.
    pub(crate) fn of(outcome: Outcome, status_of: StatusOf) -> Self {
        let ready = |status, document: Value| Self::Ready {
            status,
            fields: "",
            body: document.to_string().into_bytes(),
        };
        match outcome {
            Outcome::Document(document) => ready(200, document),
            Outcome::Text(text) => Self::Ready { status: 200, fields: "", body: text.to_vec() },
            // Triton's status of something that is not ready.
            Outcome::NotReady(document) => ready(400, document),
            Outcome::Fault { kind, message } => {
                let fields = if kind == CallFault::Busy { RETRY } else { "" };
                Self::error(fault_status(kind), fields, &message)
            }
            Outcome::Refused(failure) => {
                let fields = response::retry_field(failure);
                Self::error(status_of(failure), fields, &failure.to_string())
            }
            Outcome::Awaited(reply) => Self::Awaited(reply),
            Outcome::Rows { rows, form } => Self::Rows { rows, form, status_of },
        }
    }
}

impl ResponseSource {
    /// Whether the document may be as long as `bytes`: that of a lone row never is.
    pub(crate) fn may_reach(&self, bytes: usize) -> bool {
        match self {
            Self::Ready { body, .. } => body.len() >= bytes,
            Self::Awaited(_) => true,
            Self::Rows { rows, form, .. } => !matches!(form, Form::Lone) && rows.count() > 1,
        }
    }
}

impl PendingResponse {
    /// A response of this source, to a request that arrived at `started_ns`.
    pub(crate) fn new(source: ResponseSource, started_ns: u64) -> Self {
        Self {
            source,
            close: false,
            is_http_1_0: false,
            head_only: false,
            coding: BodyCoding::Never,
            origin: Origin::default(),
            span: None,
            started_ns,
        }
    }

    /// How much it keeps until it is rendered, about, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.source {
            ResponseSource::Ready { body, .. } => body.capacity(),
            ResponseSource::Awaited(_) => 0,
            ResponseSource::Rows { rows, form, .. } => rows.count() * ROW_BYTES + form.held_bytes(),
        }
    }

    /// The request that it answers.
    pub(crate) fn answered(&self, protocol: Protocol) -> Answered<'_> {
        let rows = match &self.source {
            ResponseSource::Rows { rows, .. } => Some(rows),
            ResponseSource::Ready { .. } | ResponseSource::Awaited(_) => None,
        };
        let span = self.span.as_deref();
        Answered { started_ns: self.started_ns, origin: &self.origin, rows, span, protocol }
    }

    /// Whether it can be rendered.
    pub(crate) fn is_ready(&mut self) -> bool {
        match &mut self.source {
            ResponseSource::Ready { .. } => true,
            ResponseSource::Awaited(reply) => reply.get().is_some(),
            ResponseSource::Rows { rows, .. } => rows.is_done(),
        }
    }

    /// Appends it to `out`; returns its status. `body` is a buffer to work in, and `packing` what
    /// packs a document that is long enough.
    pub(crate) fn render(
        &self,
        out: &mut Vec<u8>,
        body: &mut Vec<u8>,
        date: &str,
        packing: Packing<'_>,
    ) -> u16 {
        let mut options = HeadOptions {
            date,
            close: self.close,
            is_http_1_0: self.is_http_1_0,
            head_only: self.head_only,
            coding: BodyCoding::Never,
            request_id: &self.origin.request_id,
        };
        body.clear();
        match &self.source {
            ResponseSource::Ready { status, fields, body } => {
                let body = packing.pack(body, self.coding, &mut options);
                response::write(out, *status, fields, body, options);
                *status
            }
            ResponseSource::Awaited(reply) => {
                // `is_ready` came first, so it is there.
                let made = reply.get().map(|reply| (reply_status(reply.kind), &*reply.body));
                let (status, body) = made.unwrap_or((500, b"{}"));
                let body = packing.pack(body, self.coding, &mut options);
                response::write(out, status, "", body, options);
                status
            }
            ResponseSource::Rows { rows, form, status_of } => {
                let written = form.write(body, rows, *status_of);
                let status = written.failure.map_or(200, status_of);
                let keys = &rows.first().0.settings.keys;
                let body = packing.pack(body, self.coding, &mut options);
                response::write_rows(out, status, written, keys, body, options);
                status
            }
        }
    }
}

/// What packs documents, from which length on.
pub(crate) struct Packing<'a> {
    pub(crate) packer: &'a mut GzipPacker,
    /// The shortest that is packed, in bytes.
    pub(crate) bytes_min: usize,
}

impl<'a> Packing<'a> {
    /// The body to send, and in `options` how it is coded, for a client that takes it by `coding`.
    fn pack<'b>(self, body: &'b [u8], coding: BodyCoding, options: &mut HeadOptions<'_>) -> &'b [u8]
    where
        'a: 'b,
    {
        if body.len() < self.bytes_min || coding == BodyCoding::Never {
            return body;
        }
        options.coding = BodyCoding::Plain;
        if coding == BodyCoding::Plain {
            return body;
        }
        let Some(packed) = self.packer.pack(body) else { return body };
        options.coding = BodyCoding::Gzip;
        packed
    }
}
