//! Responses as bytes.

use std::io::Write;

use crate::api::RowsSummary;
use crate::failure::RowFailure;
use crate::features::entities::RequestKeys;
use crate::http1::phrase;
use crate::origin::RequestId;
use crate::provenance::{EntityStatuses, FeatureStatus};

/// The parts of every head that do not depend on status and body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadOptions<'a> {
    /// The `Date` field's value.
    pub(crate) date: &'a str,
    /// Whether the connection ends with this response.
    pub(crate) close: bool,
    /// Whether the client speaks HTTP/1.0 and has to be told that the connection persists.
    pub(crate) is_http_1_0: bool,
    /// Whether the body is left out, as in the response to HEAD.
    pub(crate) head_only: bool,
    /// Whether the body is packed, or could have been.
    pub(crate) coding: BodyCoding,
    /// The request's id, if it has one.
    pub(crate) request_id: &'a RequestId,
}

/// Whether a body is packed, by what its client takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum BodyCoding {
    /// It is as it is for every client.
    #[default]
    Never,
    /// It is as it is, and another client would get it packed.
    Plain,
    /// It is packed by gzip.
    Gzip,
}

impl BodyCoding {
    /// The header lines that say so.
    const fn fields(self) -> &'static str {
        match self {
            Self::Never => "",
            Self::Plain => "vary: accept-encoding\r\n",
            Self::Gzip => "content-encoding: gzip\r\nvary: accept-encoding\r\n",
        }
    }
}

/// The interim response before which a client holds its body back.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The `Content-Type` header line of JSON.
pub(crate) const JSON: &str = "content-type: application/json\r\n";
/// That of JSON with binary tensors behind it.
const BINARY: &str = "content-type: application/octet-stream\r\n";

/// Writes a head and a body; `lines` are further header lines, each with its CRLF.
pub(crate) fn write(
    out: &mut Vec<u8>,
    status: u16,
    lines: &str,
    body: &[u8],
    options: HeadOptions<'_>,
) {
    begin_head(out, status, JSON, body.len(), options.date);
    out.extend_from_slice(lines.as_bytes());
    end_head(out, body, options);
}

/// Writes the response that rows have: a head by their summary, and their document.
pub(crate) fn write_rows(
    out: &mut Vec<u8>,
    status: u16,
    summary: RowsSummary,
    keys: &RequestKeys,
    body: &[u8],
    options: HeadOptions<'_>,
) {
    let content_type = if summary.json_bytes.is_some() { BINARY } else { JSON };
    begin_head(out, status, content_type, body.len(), options.date);
    write_row_fields(out, summary, keys);
    end_head(out, body, options);
}

/// Writes the header lines that say something of rows.
pub(crate) fn write_row_fields(out: &mut Vec<u8>, summary: RowsSummary, keys: &RequestKeys) {
    let RowsSummary { failure, provenance, statuses, defaulted, version, json_bytes } = summary;
    if !statuses.is_empty() {
        write_entities_field(out, statuses, keys, defaulted);
    } else if let Some(status) = provenance {
        let field = features_field(status).as_bytes();
        if defaulted == 0 {
            out.extend_from_slice(field);
        } else {
            out.extend_from_slice(field.trim_ascii_end());
            write_number_field(out, "; defaulted=", u64::from(defaulted));
        }
    } else if defaulted > 0 {
        write_number_field(out, "x-features: defaulted=", u64::from(defaulted));
    }
    if let Some(version) = version {
        write_number_field(out, "x-model-version: ", version);
    }
    if let Some(failure) = failure {
        out.extend_from_slice(retry_field(failure).as_bytes());
    }
    if let Some(json_bytes) = json_bytes {
        write_number_field(out, "inference-header-content-length: ", json_bytes as u64);
    }
}

/// The `x-features` header line of a model with several entities.
fn write_entities_field(
    out: &mut Vec<u8>,
    statuses: EntityStatuses,
    keys: &RequestKeys,
    defaulted: u32,
) {
    for (at, (entity, status)) in statuses.iter().enumerate() {
        out.extend_from_slice(if at == 0 { &b"x-features: "[..] } else { b", " });
        out.extend_from_slice(keys.entity_name(entity as u8).as_bytes());
        out.push(b'=');
        out.extend_from_slice(status.as_str().as_bytes());
    }
    if defaulted > 0 {
        return write_number_field(out, ", defaulted=", u64::from(defaulted));
    }
    out.extend_from_slice(b"\r\n");
}

fn write_number_field(out: &mut Vec<u8>, start: &str, number: u64) {
    out.extend_from_slice(start.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes the status line and the fields that come first on every response.
fn begin_head(out: &mut Vec<u8>, status: u16, content_type: &str, body_bytes: usize, date: &str) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "HTTP/1.1 {status} {}\r\n", phrase(status));
    }
    out.extend_from_slice(content_type.as_bytes());
    out.extend_from_slice(b"content-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(body_bytes).as_bytes());
    out.extend_from_slice(b"\r\ndate: ");
    out.extend_from_slice(date.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes the fields that come last on every response, and the body.
fn end_head(out: &mut Vec<u8>, body: &[u8], options: HeadOptions<'_>) {
    out.extend_from_slice(options.coding.fields().as_bytes());
    if !options.request_id.is_none() {
        out.extend_from_slice(b"x-request-id: ");
        options.request_id.write(out);
        out.extend_from_slice(b"\r\n");
    }
    if options.close {
        out.extend_from_slice(b"connection: close\r\n");
    } else if options.is_http_1_0 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !options.head_only {
        out.extend_from_slice(body);
    }
}

/// The `x-features` header line of a status.
const fn features_field(status: FeatureStatus) -> &'static str {
    match status {
        FeatureStatus::Stored => "x-features: stored\r\n",
        FeatureStatus::Cached => "x-features: cached\r\n",
        FeatureStatus::Stale => "x-features: stale\r\n",
        FeatureStatus::Expired => "x-features: expired\r\n",
        FeatureStatus::Missing => "x-features: missing\r\n",
        FeatureStatus::Error => "x-features: error\r\n",
    }
}

/// The header line by which a client comes back in a second.
pub(crate) const RETRY: &str = "retry-after: 1\r\n";

/// The same after a failure, where coming back helps.
pub(crate) const fn retry_field(failure: RowFailure) -> &'static str {
    match failure {
        RowFailure::Overloaded => RETRY,
        _ => "",
    }
}
