//! One HTTP/1.1 response, found in the bytes that have arrived: bytes in, decisions out, no socket.
//!
//! Its head is read by `http1`, which refuses what two readers could understand differently: that
//! ends the connection.

use super::error::HttpFault;
use crate::http1::chunked::ChunkedBody;
use crate::http1::head::{self, Framing};
use crate::http1::response_head::{self, ResponseHead, ResponseLimits};

/// The longest head; and the most that all interim responses before one may have together.
const HEAD_BYTES_MAX: usize = 65_536;
/// How many interim responses may come before the response. None is expected, as no request asks
/// for any; proxies send one or two.
const INTERIM_MAX: usize = 16;
/// The longest body.
const BODY_BYTES_MAX: usize = 16 << 20;
const LIMITS: ResponseLimits =
    ResponseLimits { head_bytes_max: HEAD_BYTES_MAX, body_bytes_max: BODY_BYTES_MAX };

/// A server's response, lent by its connection.
#[derive(Debug)]
pub(super) struct RemoteResponse<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    /// Where the JSON of the body ends, if binary tensors follow it.
    pub(super) json_bytes: Option<usize>,
    /// Whether the connection may be used again.
    pub(super) keep_alive: bool,
}

/// Reads one response as it arrives.
#[derive(Debug, Default)]
pub(super) struct ResponseReader {
    /// How much of the input has been searched for the end of a head.
    scanned: usize,
    interim: usize,
    interim_bytes: usize,
    head: Option<ResponseHead>,
    chunks: ChunkedBody,
}

impl ResponseReader {
    /// Takes a part of `input`, which has the bytes that have arrived and were not taken. True when
    /// the response is whole: then the input is its body, and bytes beyond it.
    ///
    /// # Errors
    /// A response that cannot be trusted, or is too large.
    pub(super) fn take(&mut self, input: &mut Vec<u8>) -> Result<bool, HttpFault> {
        while self.head.is_none() {
            let left = HEAD_BYTES_MAX.saturating_sub(self.interim_bytes);
            let Some(end) = head::end_within(input, &mut self.scanned, left)? else {
                return Ok(false);
            };
            let head = response_head::parse(&input[..end], LIMITS)?;
            input.drain(..end);
            self.scanned = 0;
            match head.status {
                // No request asks for another protocol.
                101 => return Err(HttpFault::Upgrade),
                100..=199 => self.pass_interim(end)?,
                _ => self.head = Some(head),
            }
        }
        match self.framing() {
            Framing::Length(length) => Ok(input.len() >= length),
            Framing::Chunked => {
                let fed = self.chunks.feed(input, BODY_BYTES_MAX)?;
                input.drain(..fed.consumed);
                Ok(fed.complete)
            }
            Framing::None if input.len() > BODY_BYTES_MAX => {
                Err(HttpFault::BodyTooLarge { limit: BODY_BYTES_MAX })
            }
            Framing::None => Ok(false),
        }
    }

    /// Whether the response is whole if the server sends no more.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.head.is_some_and(|head| head.framing == Framing::None)
    }

    /// The response, when it is whole; `None` before.
    pub(super) fn response<'a>(&'a self, input: &'a [u8]) -> Option<RemoteResponse<'a>> {
        let ResponseHead { status, framing, json_bytes, persists } = self.head?;
        let (body, rest) = match framing {
            Framing::Length(length) => input.split_at_checked(length)?,
            Framing::Chunked => (self.chunks.body(), input),
            Framing::None => (input, &[][..]),
        };
        let is_delimited = framing != Framing::None;
        // Bytes beyond it would be taken for the response to the next request.
        let keep_alive = persists && is_delimited && rest.is_empty();
        Some(RemoteResponse { status, body, json_bytes, keep_alive })
    }

    fn framing(&self) -> Framing {
        self.head.map_or(Framing::None, |head| head.framing)
    }

    fn pass_interim(&mut self, bytes: usize) -> Result<(), HttpFault> {
        self.interim += 1;
        self.interim_bytes += bytes;
        if self.interim > INTERIM_MAX {
            return Err(HttpFault::Interim { limit: INTERIM_MAX });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status, body and fate of the connection of an answer that arrives in pieces of `step`
    /// bytes; the end of `wire` is that of the connection.
    fn read(wire: &[u8], step: usize) -> Result<Option<(u16, Vec<u8>, bool)>, HttpFault> {
        let (mut reader, mut input) = (ResponseReader::default(), Vec::new());
        let mut is_whole = false;
        for piece in wire.chunks(step) {
            input.extend_from_slice(piece);
            is_whole = reader.take(&mut input)?;
        }
        if !is_whole && !reader.ends_with_connection() {
            return Ok(None);
        }
        let answer = reader.response(&input);
        Ok(answer.map(|answer| (answer.status, answer.body.to_vec(), answer.keep_alive)))
    }

    #[test]
    fn an_answer_is_the_same_in_any_pieces() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (wire, status, body, keep_alive) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), 200, "ok", true),
            (format!("{chunked}1\r\no\r\n1;x\r\nk\r\n0\r\n\r\n"), 200, "ok", true),
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end".to_owned(), 200, "until the end", false),
            ("HTTP/1.0 200 OK\r\n\r\nok".to_owned(), 200, "ok", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), 200, "ok", false),
            ("HTTP/1.1 304 X\r\nContent-Length: 2\r\n\r\n".to_owned(), 304, "", true),
            ("HTTP/1.1 204 X\r\n\r\n".to_owned(), 204, "", true),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
                200,
                "",
                false,
            ),
            (
                "HTTP/1.1 103 Hints\r\nx: y\r\n\r\nHTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"
                    .to_owned(),
                500,
                "",
                true,
            ),
        ] {
            for step in 1..=wire.len() {
                let found = read(wire.as_bytes(), step).expect("an answer").expect("whole");
                assert_eq!(found, (status, body.into(), keep_alive), "{wire:?} by {step}");
            }
        }
    }

    #[test]
    fn what_comes_beyond_an_answer_ends_the_connection() {
        for wire in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok ",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nH",
            "HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nok",
        ] {
            let (_, body, keep_alive) = read(wire.as_bytes(), wire.len()).unwrap().unwrap();
            assert!(!keep_alive && (body == b"ok" || body.is_empty()), "{wire}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for fields in [
            "Content-Length: 2\r\nContent-Length: 2",
            "Content-Length: 2\r\nContent-Length: 3",
            "Content-Length: 2, 2",
            "Content-Length: +2",
            "Content-Length: -2",
            "Content-Length: 0x2",
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 2",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, gzip",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
            "Content-Length : 2",
            "Content-Length: 2\nX: y",
            "X: y\r\n folded",
            "Content-Length: 99999999999999999999999999",
            "Content-Length: 18446744073709551615",
            "Content-Length: 16777217",
        ] {
            let wire = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nok");
            assert!(read(wire.as_bytes(), wire.len()).is_err(), "{fields}");
        }
        let wire = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(read(wire, wire.len()).is_err());
        assert!(read(b"HTTP/2.0 200 OK\r\n\r\n", 100).is_err());
        let upgrade = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert!(matches!(read(upgrade, 100), Err(HttpFault::Upgrade)));
    }

    #[test]
    fn what_does_not_end_is_given_up() {
        let interim = "HTTP/1.1 100\r\n\r\n".repeat(INTERIM_MAX + 1);
        for step in [1, 7, interim.len()] {
            let fault = read(interim.as_bytes(), step);
            assert!(matches!(fault, Err(HttpFault::Interim { limit: INTERIM_MAX })), "{fault:?}");
        }
        let field = "x: 0123456789\r\n";
        for start in ["HTTP/1.1 200\r\n", "HTTP/1.1 103\r\n"] {
            let head = format!("{start}{}", field.repeat(HEAD_BYTES_MAX / field.len() + 1));
            let fault = read(head.as_bytes(), 1_000);
            assert!(matches!(fault, Err(HttpFault::HeadTooLarge { .. })), "{fault:?}");
        }
        // Interim answers share one bound, and no head may be as long as all of them.
        let large = format!("HTTP/1.1 103\r\n{}\r\n", field.repeat(60)).repeat(INTERIM_MAX);
        assert!(large.len() < HEAD_BYTES_MAX && read(large.as_bytes(), 4_096).is_ok());
        let beyond = format!("{large}HTTP/1.1 200\r\n{}", field.repeat(HEAD_BYTES_MAX / 15));
        assert!(read(beyond.as_bytes(), 4_096).is_err());
        let endless =
            [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'['; BODY_BYTES_MAX + 1]].concat();
        let fault = read(&endless, 1 << 16);
        assert!(matches!(fault, Err(HttpFault::BodyTooLarge { .. })), "{fault:?}");
    }
}
