//! Where a request comes from: the id that it goes by, and the trace that it belongs to.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

/// What becomes of a request that has no usable `x-request-id`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestIds {
    /// It has none: only an id that was sent is sent back.
    #[default]
    Echo,
    /// It gets one of 32 hexadecimal digits.
    Make,
}

/// The id that a request goes by, in its answer and in logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RequestId {
    /// It has none.
    #[default]
    None,
    /// The client's: visible ASCII, at most 128 bytes.
    Sent(Rc<str>),
    /// One that was made here, as 32 hexadecimal digits.
    Made([u64; 2]),
}

impl RequestId {
    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Appends it; nothing where there is none.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Sent(id) => out.extend_from_slice(id.as_bytes()),
            Self::Made([first, second]) => {
                push_hex(out, &first.to_be_bytes());
                push_hex(out, &second.to_be_bytes());
            }
        }
    }
}

/// Makes ids that no other shard or process makes, by chance alone: 64 random bits for the shard,
/// and a number for each request.
#[derive(Debug)]
pub(crate) struct RequestIdMaker {
    shard: u64,
    next: Cell<u64>,
}

impl Default for RequestIdMaker {
    fn default() -> Self {
        // The standard library's keys come from the system's random numbers.
        Self { shard: RandomState::new().build_hasher().finish(), next: Cell::new(0) }
    }
}

impl RequestIdMaker {
    pub(crate) fn make(&self) -> RequestId {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        RequestId::Made([self.shard, number])
    }
}

/// A `traceparent` as W3C Trace Context defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; not all zero.
    pub trace_id: [u8; 16],
    /// The span of the caller; not all zero.
    pub parent_id: [u8; 8],
    /// Bit 0: the caller may have recorded its span.
    pub flags: u8,
}

impl TraceParent {
    /// The length of version 00, which is also what later ones begin with.
    const LENGTH: usize = 55;

    /// Reads the field's value; `None` where the specification says that it is to be ignored.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(Self::LENGTH)?;
        let dashes = known[2] == b'-' && known[35] == b'-' && known[52] == b'-';
        let [version] = hex(&known[..2])?;
        // Version 255 is none, and what follows a later version's known part starts with a dash.
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        let trace_id: [u8; 16] = hex(&known[3..35])?;
        let parent_id: [u8; 8] = hex(&known[36..52])?;
        let [flags] = hex(&known[53..])?;
        let zero = trace_id == [0; 16] || parent_id == [0; 8];
        // Of a later version only the bit that has been there from the start can be understood.
        let flags = if version == 0 { flags } else { flags & 1 };
        (dashes && fits && !zero).then_some(Self { trace_id, parent_id, flags })
    }

    /// Appends it as version 00.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"00-");
        push_hex(out, &self.trace_id);
        out.push(b'-');
        push_hex(out, &self.parent_id);
        out.push(b'-');
        push_hex(out, &[self.flags]);
    }
}

/// A trace's id as logs show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// The longest `tracestate` that goes on, in bytes; a longer one is left out, as W3C Trace Context
/// allows.
const TRACE_STATE_BYTES_MAX: usize = 512;

/// A `tracestate` that can go on as it came; `None` of one that is empty, too long or not ASCII.
pub fn trace_state(value: &[u8]) -> Option<&str> {
    let is_usable = (1..=TRACE_STATE_BYTES_MAX).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    is_usable.then(|| std::str::from_utf8(value).ok()).flatten()
}

/// What goes on to another server of a request's trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceFields<'a> {
    /// `traceparent`.
    pub parent: TraceParent,
    /// `tracestate`.
    pub state: Option<&'a str>,
}

/// What a request is known by beyond this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its id.
    pub request_id: RequestId,
    /// The trace that it belongs to, and the span that its parts are below: that of the caller, or its
    /// own where it is recorded.
    pub trace: Option<TraceParent>,
    /// The trace's `tracestate`.
    pub state: Option<Rc<str>>,
    /// Whether its span is recorded.
    pub is_recorded: bool,
}

impl Origin {
    /// Whether nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.request_id.is_none() && self.trace.is_none()
    }
}

/// Bytes of lower-case hexadecimal digits, twice as many as there are bytes.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestId, RequestIdMaker, TraceParent};

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn written(value: &str) -> Option<String> {
        let parent = TraceParent::parse(value.as_bytes())?;
        let mut out = Vec::new();
        parent.write(&mut out);
        Some(String::from_utf8(out).expect("ASCII"))
    }

    #[test]
    fn a_traceparent_goes_on_as_it_came() {
        assert_eq!(written(VALID).as_deref(), Some(VALID));
        let with_unknown_flags = VALID.replace("-01", "-0b");
        assert_eq!(written(&with_unknown_flags), Some(with_unknown_flags));
    }

    #[test]
    fn a_later_version_goes_on_as_the_one_that_is_known() {
        for later in [VALID.replacen("00-", "01-", 1), VALID.replacen("00-", "cc-", 1) + "-more"] {
            assert_eq!(written(&later).as_deref(), Some(VALID), "{later}");
        }
    }

    #[test]
    fn what_the_specification_calls_invalid_is_none() {
        for invalid in [
            String::new(),
            VALID.replacen("00-", "ff-", 1),
            VALID.replacen("00-", "0-", 1),
            VALID.to_uppercase(),
            VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            VALID.replace("00f067aa0ba902b7", "00f067aa0ba902bg"),
            format!("{VALID}-more"),
            format!("{VALID} "),
            VALID.replacen("00-", "01-", 1) + "more",
            VALID.replace('-', "_"),
        ] {
            assert_eq!(written(&invalid), None, "{invalid}");
        }
    }

    #[test]
    fn made_ids_differ_between_requests_and_between_shards() {
        let (one, other) = (RequestIdMaker::default(), RequestIdMaker::default());
        let text = |id: RequestId| {
            let mut out = Vec::new();
            id.write(&mut out);
            assert_eq!(out.len(), 32);
            out
        };
        let ids = [one.make(), one.make(), other.make(), other.make()].map(text);
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id));
        }
    }
}
