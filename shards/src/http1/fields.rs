//! The fields of a request's head that the gateway reads; all others are ignored.

use super::framing::{FramingFields, decimal};
use super::head::{ContentCoding, HeadError};
use super::target;
use crate::credentials::Credentials;
use crate::origin::{self, TraceParent};
use crate::priority::Priority;

/// The longest `x-request-id` that is sent back.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The values of the fields, while they are being read.
#[derive(Default)]
pub(super) struct FieldReader<'a> {
    pub(super) request_id: Option<&'a str>,
    trace: Option<&'a [u8]>,
    traces: usize,
    trace_state: Option<&'a [u8]>,
    pub(super) hosts: usize,
    pub(super) framing: FramingFields,
    pub(super) coding: ContentCoding,
    pub(super) accept_encoding: Option<&'a [u8]>,
    pub(super) expects_continue: bool,
    pub(super) limit_ns: Option<u64>,
    pub(super) priority: Priority,
    pub(super) idempotency_key: Option<&'a [u8]>,
    pub(super) credentials: Credentials<'a>,
}

impl<'a> FieldReader<'a> {
    pub(super) fn read(&mut self, name: &str, value: &'a [u8]) -> Result<(), HeadError> {
        // By length first: most fields of most requests are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                // Empty where the target has no authority.
                if !value.is_empty() && !target::is_authority(value) {
                    return Err(HeadError::Malformed("the Host field is not a host and a port"));
                }
                self.hosts += 1;
                self.credentials.host = Some(value);
            }
            6 if name.eq_ignore_ascii_case("expect") => {
                self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
            }
            6 if name.eq_ignore_ascii_case("origin") => {
                take_once(&mut self.credentials.origin, value);
            }
            11 if name.eq_ignore_ascii_case("traceparent") => {
                self.trace = Some(value);
                self.traces += 1;
            }
            10 if name.eq_ignore_ascii_case("tracestate") => {
                take_once(&mut self.trace_state, value);
            }
            12 if name.eq_ignore_ascii_case("x-request-id") => {
                self.request_id = request_id(value);
            }
            9 if name.eq_ignore_ascii_case("x-api-key") => {
                take_once(&mut self.credentials.api_key, value);
            }
            10 if name.eq_ignore_ascii_case("x-priority") => {
                self.priority = priority(value)
                    .ok_or(HeadError::Malformed("x-priority is not high, normal or low"))?;
            }
            12 if name.eq_ignore_ascii_case("grpc-timeout") => {
                let limit_ns = grpc_timeout_ns(value)
                    .ok_or(HeadError::Malformed("grpc-timeout is not digits and a unit"))?;
                self.limit(limit_ns);
            }
            13 if name.eq_ignore_ascii_case("x-deadline-ms") => {
                let value = decimal(value)
                    .ok_or(HeadError::Malformed("x-deadline-ms is not a whole number"))?;
                self.limit((value as u64).saturating_mul(1_000_000));
            }
            13 if name.eq_ignore_ascii_case("authorization") => {
                take_once(&mut self.credentials.authorization, value);
            }
            15 if name.eq_ignore_ascii_case("idempotency-key") => {
                take_once(&mut self.idempotency_key, value);
            }
            16 if name.eq_ignore_ascii_case("content-encoding") => {
                if !is_identity(value) {
                    self.coding = match self.coding {
                        ContentCoding::Identity => content_coding(value),
                        _ => ContentCoding::Other,
                    };
                }
            }
            15 if name.eq_ignore_ascii_case("accept-encoding") => {
                self.accept_encoding = self.accept_encoding.or(Some(value));
            }
            _ => self.framing.read(name, value)?,
        }
        Ok(())
    }

    /// The trace, unless two fields name one: then neither can be believed.
    pub(super) fn trace(&self) -> Option<TraceParent> {
        self.trace.filter(|_| self.traces == 1).and_then(TraceParent::parse)
    }

    /// What goes on beside the trace; nothing where two fields say something.
    pub(super) fn trace_state(&self) -> Option<&'a str> {
        self.trace_state.filter(|_| self.trace().is_some()).and_then(origin::trace_state)
    }

    fn limit(&mut self, limit_ns: u64) {
        self.limit_ns = Some(self.limit_ns.map_or(limit_ns, |known| known.min(limit_ns)));
    }
}

/// The one coding that a Content-Encoding names beside `identity`.
fn content_coding(value: &[u8]) -> ContentCoding {
    let codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let mut codings = codings.filter(|coding| !is_identity(coding));
    let (first, second) = (codings.next().unwrap_or_default(), codings.next());
    let is = |name: &str| first.eq_ignore_ascii_case(name.as_bytes());
    match second {
        None if is("gzip") || is("x-gzip") => ContentCoding::Gzip,
        None if is("deflate") => ContentCoding::Deflate,
        _ => ContentCoding::Other,
    }
}

/// Whether a Content-Encoding says that the body is as it is: an empty list, or `identity`, which
/// some clients send although it is no coding (RFC 9110 section 8.4.1).
pub fn is_identity(value: &[u8]) -> bool {
    let codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.filter(|it| !it.is_empty()).all(|coding| coding.eq_ignore_ascii_case(b"identity"))
}

/// Keeps a field's value; two of them are kept as none that anything would agree with.
fn take_once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) {
    *slot = Some(if slot.is_some() { b"" } else { value });
}

/// A request's id as it is sent back: one that could break a header line or fill a log is none.
fn request_id(value: &[u8]) -> Option<&str> {
    let is_usable =
        (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    is_usable.then(|| std::str::from_utf8(value).ok()).flatten()
}

fn priority(value: &[u8]) -> Option<Priority> {
    let is = |word: &str| value.eq_ignore_ascii_case(word.as_bytes());
    match () {
        () if is("high") => Some(Priority::High),
        () if is("normal") => Some(Priority::Normal),
        () if is("low") => Some(Priority::Low),
        () => None,
    }
}

/// One to eight digits and a unit, as gRPC writes a timeout.
fn grpc_timeout_ns(value: &[u8]) -> Option<u64> {
    let (unit, digits) = value.split_last()?;
    let unit_ns = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return None,
    };
    let count = decimal(digits).filter(|_| digits.len() <= 8)?;
    Some((count as u64).saturating_mul(unit_ns))
}

#[cfg(test)]
mod tests {
    use crate::http1::HttpLimits;
    use crate::http1::head::{ContentCoding, parse};

    #[test]
    fn an_id_that_could_break_a_line_is_not_sent_back() {
        for (sent, kept) in [
            ("a1-b2", Some("a1-b2")),
            ("", None),
            ("two words", None),
            ("caf\u{e9}", None),
            (&*"x".repeat(129), None),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: {sent}\r\n\r\n");
            let limits = HttpLimits::default();
            assert_eq!(parse(head.as_bytes(), &limits).expect("valid").request_id, kept, "{sent}");
        }
    }

    #[test]
    fn a_body_is_coded_where_any_field_says_so() {
        use ContentCoding::{Deflate, Gzip, Identity, Other};
        for (fields, coding) in [
            ("", Identity),
            ("Content-Encoding:\r\n", Identity),
            ("Content-Encoding: Identity\r\n", Identity),
            ("content-encoding: gzip\r\n", Gzip),
            ("content-encoding: Deflate\r\n", Deflate),
            ("Content-Encoding: identity, br\r\n", Other),
            ("Content-Encoding: gzip, gzip\r\n", Other),
            ("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", Other),
            ("Content-Encoding: gzip\r\nContent-Encoding: identity\r\n", Gzip),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let head = parse(head.as_bytes(), &HttpLimits::default()).expect("valid");
            assert_eq!(head.coding, coding, "{fields}");
        }
    }

    #[test]
    fn of_two_traces_neither_is_taken() {
        let field = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
        for (fields, taken) in [(1, true), (2, false)] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", field.repeat(fields));
            let head = parse(head.as_bytes(), &HttpLimits::default()).expect("valid").trace;
            assert_eq!(head.is_some(), taken);
        }
    }
}
