//! One request of an operator, read whole: small, over a socket that blocks.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use shards::http1::raw::{self, RawError, RawRequest};
use shards::http1::{decimal, is_identity};

use super::access::Credentials;
use super::stream::Stream;

const HEAD_BYTES_MAX: usize = 16_384;
const BODY_BYTES_MAX: usize = 1_048_576;
/// How long a request's head may take to arrive, and how long all of it may.
const HEAD_PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the rest of a refused one is read.
const LEFT_PATIENCE: Duration = Duration::from_secs(1);

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    /// Its method.
    pub(super) method: String,
    /// Its target's path.
    pub(super) path: String,
    /// Its body; empty where it has none.
    pub(super) body: Vec<u8>,
    fields: Vec<(String, String)>,
}

impl Request {
    /// The value of a header field; of the first of that name.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.as_str())
    }

    /// The fields that identify its sender.
    pub(super) fn credentials(&self) -> Credentials<'_> {
        Credentials {
            host: self.field("host"),
            origin: self.field("origin"),
            authorization: self.field("authorization"),
        }
    }

    /// Whether its body is said to be JSON. A page of another site cannot have a browser send
    /// that without asking first.
    pub(super) fn is_json(&self) -> bool {
        let media_type = self.field("content-type").and_then(|value| value.split(';').next());
        media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
    }

    /// Whether its body is said to be a JSON object a line.
    pub(super) fn is_json_lines(&self) -> bool {
        let media_type = self.field("content-type").and_then(|value| value.split(';').next());
        media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("application/x-ndjson"))
    }

    /// Whether its body has a content coding, as `gzip`, so that it cannot be read as it is.
    pub(super) fn is_coded(&self) -> bool {
        let mut codings =
            self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        codings.any(|(_, value)| !is_identity(value.as_bytes()))
    }

    /// Reads a request; `Err` holds the status to refuse it with, `None` if the peer said nothing.
    pub(super) fn read(stream: &mut Stream<'_>) -> Result<Self, Option<u16>> {
        let start = Instant::now();
        let mut bytes = Vec::new();
        loop {
            if let Some((mut request, head_bytes)) = parse_head(&bytes)? {
                let length = request.body_bytes()?;
                while bytes.len() < head_bytes + length {
                    read_more(stream, &mut bytes, start + PATIENCE)?;
                }
                request.body = bytes[head_bytes..head_bytes + length].to_vec();
                return Ok(request);
            }
            if bytes.len() > HEAD_BYTES_MAX {
                return Err(Some(431));
            }
            read_more(stream, &mut bytes, start + HEAD_PATIENCE)?;
        }
    }

    /// Reads and forgets the rest of a request that was refused. A socket that is closed with
    /// unread bytes resets its connection, and the client may see that instead of its response (RFC
    /// 9112 section 9.6).
    pub(super) fn read_rest(stream: &mut Stream<'_>) {
        let (give_up, mut bytes) = (Instant::now() + LEFT_PATIENCE, Vec::new());
        while read_more(stream, &mut bytes, give_up).is_ok() {
            bytes.clear();
        }
    }

    fn body_bytes(&self) -> Result<usize, Option<u16>> {
        if self.field("transfer-encoding").is_some() {
            return Err(Some(411));
        }
        let Some(length) = self.field("content-length") else { return Ok(0) };
        match decimal(length.as_bytes()) {
            None => Err(Some(400)),
            Some(length) if length <= BODY_BYTES_MAX => Ok(length),
            Some(_) => Err(Some(413)),
        }
    }
}

/// Reads the head at the start of `bytes` if it is complete, and how long it is.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize)>, Option<u16>> {
    let found = raw::request(bytes, |head| owned(&head));
    let (request, head_bytes) = match found {
        Ok(None) => return Ok(None),
        Ok(Some(request)) => request?,
        Err(RawError::TooManyFields) => return Err(Some(431)),
        Err(RawError::Version | RawError::NotHttp) => return Err(Some(400)),
    };
    for name in ["host", "authorization", "content-length", "origin"] {
        let known = &request.fields;
        let count = known.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).count();
        if count > 1 {
            return Err(Some(400));
        }
    }
    Ok(Some((request, head_bytes)))
}

/// A head with lines and fields of its own, and how long it is.
fn owned(head: &RawRequest<'_, '_>) -> Result<(Request, usize), Option<u16>> {
    let path = head.target.split(['?', '#']).next().unwrap_or(head.target);
    let mut fields = Vec::new();
    for field in head.fields {
        // A field about access or framing is not guessed at.
        let value = std::str::from_utf8(field.value).map_err(|_| Some(400))?;
        fields.push((field.name.to_owned(), value.to_owned()));
    }
    let (method, path) = (head.method.to_owned(), path.to_owned());
    Ok((Request { method, path, body: Vec::new(), fields }, head.bytes))
}

fn read_more(
    stream: &mut Stream<'_>,
    bytes: &mut Vec<u8>,
    give_up: Instant,
) -> Result<(), Option<u16>> {
    let mut buffer = [0; 4_096];
    match stream.read_by(&mut buffer, give_up) {
        Ok(0) if bytes.is_empty() => Err(None),
        Ok(0) => Err(Some(400)),
        Ok(length) => {
            bytes.extend_from_slice(&buffer[..length]);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(Some(408))
        }
        Err(_) => Err(None),
    }
}
