//! A request's head: its end, and its fields (RFC 9110, RFC 9112).
//!
//! Stricter than HTTP's robustness advice wherever two readers of one message could disagree, as
//! request smuggling lives on such disagreements. A bare LF, a folded line, two Content-Lengths, or
//! Content-Length beside Transfer-Encoding are refused.

use memchr::memchr;
use thiserror::Error;

use super::fields::FieldReader;
use super::raw::{self, RawError, RawField, RawRequest};
use super::target::Target;
use super::{HttpLimits, target};
use crate::credentials::Credentials;
use crate::origin::TraceParent;
use crate::priority::Priority;

const NOT_HTTP: HeadError = HeadError::Malformed("not an HTTP request");
const OTHER_END: HeadError = HeadError::Malformed("the head does not end where it should");

/// Why a request is refused before its target is looked at. The connection is closed after it:
/// where the next request begins can no longer be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeadError {
    /// Not HTTP, or ambiguous.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// The target is longer than the limit.
    #[error("the request target is longer than {limit} bytes")]
    TargetTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The head is longer than the limit, or has too many fields.
    #[error("the request's head is larger than {limit} bytes or has more than 64 fields")]
    HeadTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The declared or received body is longer than the limit.
    #[error("the body is longer than {limit} bytes")]
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A transfer coding other than `chunked`.
    #[error("this transfer coding is not supported, only chunked is")]
    TransferCoding,
    /// An HTTP version of another major number than 1.
    #[error("this HTTP version is not supported, only 1.0 and 1.1 are")]
    Version,
}

impl HeadError {
    /// The status that it is answered with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TargetTooLong { .. } => 414,
            Self::HeadTooLarge { .. } => 431,
            Self::BodyTooLarge { .. } => 413,
            Self::TransferCoding => 501,
            Self::Version => 505,
        }
    }
}

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No Content-Length and no Transfer-Encoding: there is no body.
    None,
    /// By Content-Length.
    Length(usize),
    /// By the chunked transfer coding.
    Chunked,
}

/// The coding of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContentCoding {
    /// None.
    #[default]
    Identity,
    /// `gzip`.
    Gzip,
    /// `deflate`, which is zlib.
    Deflate,
    /// Another one, or several.
    Other,
}

/// A request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The target's path, without query; an absolute-form target has lost its authority.
    pub path: &'a str,
    /// Whether the connection persists after the response.
    pub keep_alive: bool,
    /// Whether it is HTTP/1.0, whose clients know neither `100 Continue` nor chunked responses.
    pub is_http_1_0: bool,
    /// `x-request-id`, to be sent back: visible ASCII, not overlong; anything else is not taken.
    pub request_id: Option<&'a str>,
    /// `traceparent`, where there is one that is valid.
    pub trace: Option<TraceParent>,
    /// `tracestate`, where there is one that goes on beside a valid `traceparent`.
    pub trace_state: Option<&'a str>,
    /// How the end of the body is known.
    pub framing: Framing,
    /// `Content-Encoding`.
    pub coding: ContentCoding,
    /// `Accept-Encoding`, as sent; of several fields the first.
    pub accept_encoding: Option<&'a [u8]>,
    /// Whether the client waits for `100 Continue` before it sends its body.
    pub expects_continue: bool,
    /// How long the response is worth having, in ns: by the shorter of `x-deadline-ms` and
    /// `grpc-timeout`.
    pub limit_ns: Option<u64>,
    /// `x-priority`.
    pub priority: Priority,
    /// `Inference-Header-Content-Length`: where the JSON of a body with binary tensors ends.
    pub inference_header_length: Option<usize>,
    /// `Idempotency-Key`; empty where it is there twice.
    pub idempotency_key: Option<&'a [u8]>,
    /// Its sender, as far as it says.
    pub credentials: Credentials<'a>,
}

/// Finds the empty line that ends a head. `scanned` remembers how far earlier calls have looked,
/// so that a head that arrives byte by byte is read once.
///
/// # Errors
/// A bare LF, and a head longer than the limit.
pub fn find_end(
    bytes: &[u8],
    scanned: &mut usize,
    limits: &HttpLimits,
) -> Result<Option<usize>, HeadError> {
    end_within(bytes, scanned, limits.head_bytes_max).map_err(|error| match error {
        HeadError::HeadTooLarge { .. } => too_large(bytes, limits),
        other => other,
    })
}

/// [`find_end`] for the head of a request or a response, which may have `bytes_max` bytes.
pub(crate) fn end_within(
    bytes: &[u8],
    scanned: &mut usize,
    bytes_max: usize,
) -> Result<Option<usize>, HeadError> {
    let too_large = HeadError::HeadTooLarge { limit: bytes_max };
    while let Some(offset) = memchr(b'\n', &bytes[*scanned..]) {
        let at = *scanned + offset;
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(HeadError::Malformed("a line ends with a bare LF"));
        }
        *scanned = at + 1;
        if at >= 3 && &bytes[at - 3..=at] == b"\r\n\r\n" {
            return if at < bytes_max { Ok(Some(at + 1)) } else { Err(too_large) };
        }
    }
    *scanned = bytes.len();
    if bytes.len() > bytes_max { Err(too_large) } else { Ok(None) }
}

/// Whether it is the target or the fields that made a head too large.
fn too_large(bytes: &[u8], limits: &HttpLimits) -> HeadError {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    if line > limits.target_bytes_max {
        HeadError::TargetTooLong { limit: limits.target_bytes_max }
    } else {
        HeadError::HeadTooLarge { limit: limits.head_bytes_max }
    }
}

/// A request line's parts.
#[derive(Debug, Clone, Copy)]
struct RequestLine<'a> {
    method: &'a str,
    target: &'a str,
    is_http_1_0: bool,
}

/// Reads a whole head, as delimited by [`find_end`].
///
/// # Errors
/// Everything that [`HeadError`] lists.
pub fn parse<'a>(bytes: &'a [u8], limits: &HttpLimits) -> Result<Head<'a>, HeadError> {
    let read = raw::request(bytes, |request| {
        let RawRequest { method, target, minor, fields, bytes: length } = request;
        if length != bytes.len() {
            return Err(OTHER_END);
        }
        understand(RequestLine { method, target, is_http_1_0: minor == 0 }, fields, limits)
    });
    match read {
        Ok(Some(head)) => head,
        Ok(None) => Err(OTHER_END),
        Err(RawError::Version) => parse_later_version(bytes, limits),
        Err(error) => Err(refused(error, limits)),
    }
}

/// Reads a head of HTTP/1.2 and later as one of HTTP/1.1, the highest minor version known here
/// (RFC 9110 section 2.5). `raw` stops at such a version, so the line is taken apart here, with
/// no leniency at all.
fn parse_later_version<'a>(bytes: &'a [u8], limits: &HttpLimits) -> Result<Head<'a>, HeadError> {
    let end = memchr(b'\r', bytes).ok_or(NOT_HTTP)?;
    let (line, rest) = bytes.split_at(end);
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(NOT_HTTP);
    };
    match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => {}
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(HeadError::Version);
        }
        _ => return Err(NOT_HTTP),
    }
    let visible = |part: &'a [u8]| {
        let is_visible = !part.is_empty() && part.iter().all(u8::is_ascii_graphic);
        is_visible.then(|| std::str::from_utf8(part).ok()).flatten().ok_or(NOT_HTTP)
    };
    // A method that is no token is no method of HTTP either, and is answered as one.
    let line =
        RequestLine { method: visible(method)?, target: visible(target)?, is_http_1_0: false };
    let rest = rest.strip_prefix(b"\r\n").ok_or(NOT_HTTP)?;
    let read = raw::fields(rest, |fields, length| {
        if length == rest.len() { understand(line, fields, limits) } else { Err(OTHER_END) }
    });
    match read {
        Ok(Some(head)) => head,
        Ok(None) => Err(OTHER_END),
        Err(error) => Err(refused(error, limits)),
    }
}

/// The error of bytes that are no head.
fn refused(error: RawError, limits: &HttpLimits) -> HeadError {
    match error {
        RawError::TooManyFields => HeadError::HeadTooLarge { limit: limits.head_bytes_max },
        RawError::Version | RawError::NotHttp => NOT_HTTP,
    }
}

/// Makes a head of a line and fields that are HTTP.
fn understand<'a>(
    line: RequestLine<'a>,
    fields: &[RawField<'a>],
    limits: &HttpLimits,
) -> Result<Head<'a>, HeadError> {
    let RequestLine { method, target, is_http_1_0 } = line;
    if target.len() > limits.target_bytes_max {
        return Err(HeadError::TargetTooLong { limit: limits.target_bytes_max });
    }
    let mut reading = FieldReader::default();
    for field in fields {
        reading.read(field.name, field.value)?;
    }
    if reading.hosts > 1 || (reading.hosts == 0 && !is_http_1_0) {
        return Err(HeadError::Malformed("the Host field is missing, or there is more than one"));
    }
    let target = target::read(method, target)?;
    let framing = reading.framing.framing(is_http_1_0, limits.body_bytes_max)?;
    Ok(of_fields(line, target, &reading, framing))
}

/// Reads a request of HTTP/2, whose fields are not lines any more, and whose length its frames say
/// (RFC 9113 section 8.3). `authority` is empty where it has none.
///
/// # Errors
/// A field or a target that is refused in HTTP/1.1 too.
pub(crate) fn of_http2<'a>(
    (method, target): (&'a str, &'a str),
    authority: &'a str,
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<Head<'a>, HeadError> {
    let mut reading = FieldReader::default();
    if !authority.is_empty() {
        reading.read("host", authority.as_bytes())?;
    }
    for (name, value) in fields {
        // The same in two places is what clients send that speak both versions.
        let is_said = name == "host" && value == authority.as_bytes();
        if !is_said {
            reading.read(name, value)?;
        }
    }
    if reading.hosts > 1 {
        return Err(HeadError::Malformed("the Host field is not the authority"));
    }
    let target = target::read(method, target)?;
    let line = RequestLine { method, target: target.path, is_http_1_0: false };
    Ok(of_fields(line, target, &reading, Framing::None))
}

/// The head of a request with these fields.
fn of_fields<'a>(
    line: RequestLine<'a>,
    target: Target<'a>,
    reading: &FieldReader<'a>,
    framing: Framing,
) -> Head<'a> {
    let RequestLine { method, is_http_1_0, .. } = line;
    Head {
        method,
        path: target.path,
        keep_alive: reading.framing.persists(is_http_1_0),
        is_http_1_0,
        request_id: reading.request_id,
        trace: reading.trace(),
        trace_state: reading.trace_state(),
        framing,
        coding: reading.coding,
        accept_encoding: reading.accept_encoding,
        expects_continue: reading.expects_continue && !is_http_1_0,
        limit_ns: reading.limit_ns,
        priority: reading.priority,
        inference_header_length: reading.framing.inference_header_length,
        idempotency_key: reading.idempotency_key,
        credentials: Credentials {
            host: target.authority.map(str::as_bytes).or(reading.credentials.host),
            ..reading.credentials
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{HeadError, HttpLimits, parse};

    fn host(request_line: &str, fields: &str) -> Option<String> {
        let head = format!("{request_line}\r\n{fields}\r\n");
        let head = parse(head.as_bytes(), &HttpLimits::default()).expect("valid");
        head.credentials.host.map(|host| String::from_utf8_lossy(host).into_owned())
    }

    #[test]
    fn the_host_is_the_targets_before_it_is_the_fields() {
        for (request_line, fields, expected) in [
            ("GET / HTTP/1.1", "host: a:80\r\n", Some("a:80")),
            ("GET / HTTP/1.1", "host:\r\n", Some("")),
            ("GET / HTTP/1.0", "", None),
            ("GET http://b/ HTTP/1.1", "host: a\r\n", Some("b")),
            ("GET http://b:1?x HTTP/1.0", "", Some("b:1")),
        ] {
            assert_eq!(host(request_line, fields).as_deref(), expected, "{request_line} {fields}");
        }
    }

    #[test]
    fn a_later_minor_version_is_read_as_the_highest_that_is_known() {
        let limits = HttpLimits::default();
        let read = |version: &str, fields: &str| {
            let head = format!("POST /predict?x HTTP/{version}\r\n{fields}\r\n");
            parse(head.as_bytes(), &limits)
                .map(|head| format!("{head:?}"))
                .map_err(HeadError::status)
        };
        for fields in [
            "Host: a\r\nContent-Length: 5\r\nX: y\r\n".to_owned(),
            "Host: a\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            "Host: a\r\nConnection: close\r\nExpect: 100-continue\r\n".to_owned(),
            "X: no host\r\n".to_owned(),
            "Host: a\r\nX : y\r\n".to_owned(),
            "Host: a\r\nX: y\r\n folded\r\n".to_owned(),
            "Host: a\r\nX: \0\r\n".to_owned(),
            "Host: a\r\n".to_owned() + &"x: y\r\n".repeat(64),
        ] {
            for version in ["1.2", "1.9"] {
                assert_eq!(read(version, &fields), read("1.1", &fields), "{version} {fields:?}");
            }
        }
        for (line, status) in [
            ("POST /predict HTTP/2.0", 505),
            ("POST /predict HTTP/0.9", 505),
            ("POST /predict HTTP/1.10", 400),
            ("POST /predict HTTP/1.x", 400),
            ("POST  /predict HTTP/1.2", 400),
            ("POST  HTTP/1.2", 400),
            (" /predict HTTP/1.2", 400),
            ("POST /predict  HTTP/1.2", 400),
            ("POST /pre\0dict HTTP/1.2", 400),
            ("POST\t/predict HTTP/1.2", 400),
        ] {
            let head = format!("{line}\r\nHost: a\r\n\r\n");
            let read = parse(head.as_bytes(), &limits).map_err(HeadError::status);
            assert_eq!(read.err(), Some(status), "{line}");
        }
    }
}
