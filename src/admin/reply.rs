//! Responses to operators.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;
use shards::escape::escaped;
use shards::http1::codings::{GzipPacker, takes_gzip};
use shards::http1::phrase;

use super::stream::Stream;

/// The shortest body that is packed, in bytes.
const PACKED_BYTES_MIN: usize = 4_096;

/// An answer with a body.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    fields: Cow<'static, str>,
    body: Vec<u8>,
}

impl Reply {
    /// 200 with a body of this type.
    pub(super) fn content(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type, fields: Cow::Borrowed(""), body: body.into() }
    }

    /// A status with a JSON body.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let mut text = body.to_string();
        text.push('\n');
        Self { status, ..Self::content("application/json", text) }
    }

    /// A status with a JSON document that is written already.
    pub(super) fn document(status: u16, body: Vec<u8>) -> Self {
        Self { status, ..Self::content("application/json", body) }
    }

    /// A status with `{"error": message}`; what is active in the message is escaped.
    pub(super) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": escaped(message) }))
    }

    /// Packs a long body for a client whose `Accept-Encoding` is this.
    pub(super) fn packed_for(mut self, accepted: Option<&str>) -> Self {
        if self.body.len() < PACKED_BYTES_MIN {
            return self;
        }
        let mut fields = self.fields.into_owned() + "vary: accept-encoding\r\n";
        if accepted.is_some_and(|value| takes_gzip(value.as_bytes())) {
            let mut packer = GzipPacker::default();
            if let Some(packed) = packer.pack(&self.body).map(<[u8]>::to_vec) {
                fields += "content-encoding: gzip\r\n";
                self.body = packed;
            }
        }
        self.fields = fields.into();
        self
    }

    /// The same with further header lines, each with its CRLF.
    pub(super) fn with_fields(self, fields: impl Into<Cow<'static, str>>) -> Self {
        Self { fields: fields.into(), ..self }
    }

    /// Writes the answer, after which the connection ends.
    pub(super) fn write(&self, stream: &mut Stream<'_>, head_only: bool) -> io::Result<()> {
        let mut out = Vec::with_capacity(self.body.len() + 512);
        write!(
            out,
            "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n{COMMON}{}\r\n",
            self.status,
            phrase(self.status),
            self.content_type,
            self.body.len(),
            self.fields
        )?;
        if !head_only {
            out.extend_from_slice(&self.body);
        }
        stream.write_all(&out)
    }
}

/// The head of a stream of server-sent events.
pub(super) fn write_event_stream_head(stream: &mut Stream<'_>) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{COMMON}\r\n");
    stream.write_all(head.as_bytes())
}

/// On every answer: nothing here is to be cached, guessed at or framed.
const COMMON: &str = "cache-control: no-store\r\nx-content-type-options: nosniff\r\n\
    x-frame-options: DENY\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n";
