//! Finds whole requests in the bytes that have arrived, however they were cut on the way.

use std::ops::Range;

use super::HttpLimits;
use super::chunked::ChunkedBody;
use super::head::{self, Framing, Head, HeadError};

/// The beginning of the bytes that [`RequestReader::next`] was given.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each request")]
pub enum Step<'a> {
    /// A whole request.
    Request {
        /// Its head.
        head: Head<'a>,
        /// Its body; `None` where neither Content-Length nor chunks were announced.
        body: Option<&'a [u8]>,
        /// How many bytes it was.
        taken: usize,
    },
    /// Bytes between requests that mean nothing.
    Skip {
        /// How many.
        taken: usize,
    },
    /// A request whose end has not arrived: to be called again with the same bytes and more, but
    /// without those that are spent.
    More {
        /// Whether the client waits for `100 Continue`; said once.
        invite: bool,
        /// Which of the bytes are not needed any more: chunks that have been decoded.
        spent: Range<usize>,
    },
}

/// The known part of a request whose end has not arrived.
#[derive(Debug, Clone, Copy, Default)]
enum Pending {
    /// Nothing, or a part of its head.
    #[default]
    Head,
    /// How long its head is, and how long it is with its body.
    Length { head: usize, total: usize },
    /// How long its head is; the chunks so far are in the decoder.
    Chunked { head: usize },
}

/// The reading state of one connection.
#[derive(Debug, Default)]
pub struct RequestReader {
    pending: Pending,
    /// How many of the bytes have been looked at: for the end of the head, or by the decoder, whose
    /// bytes are not given again.
    scanned: usize,
    /// The chunks of a body, where one comes in chunks: few do, and the reader is moved for each request.
    chunks: Option<Box<ChunkedBody>>,
}

impl RequestReader {
    /// Whether a head has been read whose body has not arrived.
    pub fn is_in_body(&self) -> bool {
        !matches!(self.pending, Pending::Head)
    }

    /// How much memory it holds, in bytes.
    pub fn buffered_bytes(&self) -> usize {
        self.chunks.as_ref().map_or(0, |chunks| chunks.buffered_bytes())
    }

    /// Gives back the memory of the last request's body.
    pub fn forget_body(&mut self) {
        self.chunks = None;
    }

    /// Looks for a request at the start of `bytes`: all that has arrived since the last one.
    ///
    /// # Errors
    /// A request that is refused; where the next one begins cannot be known.
    pub fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
        limits: &HttpLimits,
    ) -> Result<Step<'a>, HeadError> {
        let mut invite = false;
        if let Pending::Head = self.pending {
            // An empty line before a request line is left over from an old client (RFC 9112 2.2).
            // Its CR may have come alone.
            if self.scanned < 2 && bytes.starts_with(b"\r\n") {
                self.scanned = 0;
                return Ok(Step::Skip { taken: 2 });
            }
            let Some(end) = head::find_end(bytes, &mut self.scanned, limits)? else {
                return Ok(Step::More { invite: false, spent: 0..0 });
            };
            let head = head::parse(&bytes[..end], limits)?;
            invite = head.expects_continue && bytes.len() == end;
            self.scanned = 0;
            match head.framing {
                Framing::None => return Ok(Step::Request { head, body: None, taken: end }),
                Framing::Length(length) if bytes.len() - end >= length => {
                    let body = Some(&bytes[end..end + length]);
                    return Ok(Step::Request { head, body, taken: end + length });
                }
                Framing::Length(length) => {
                    self.pending = Pending::Length { head: end, total: end + length };
                }
                Framing::Chunked => {
                    self.scanned = end;
                    self.chunks = None;
                    self.pending = Pending::Chunked { head: end };
                }
            }
        }
        let (head_end, span, taken) = match self.pending {
            Pending::Length { head, total } if bytes.len() >= total => {
                (head, Some(head..total), total)
            }
            Pending::Chunked { head } => {
                let chunks = self.chunks.get_or_insert_default();
                let fed = chunks.feed(&bytes[self.scanned..], limits.body_bytes_max)?;
                self.scanned += fed.consumed;
                if !fed.complete {
                    let spent = head..std::mem::replace(&mut self.scanned, head);
                    return Ok(Step::More { invite, spent });
                }
                (head, None, self.scanned)
            }
            Pending::Head | Pending::Length { .. } => {
                return Ok(Step::More { invite, spent: 0..0 });
            }
        };
        self.pending = Pending::Head;
        self.scanned = 0;
        let head = head::parse(&bytes[..head_end], limits)?;
        let chunks = || self.chunks.as_ref().map_or(&[][..], |chunks| chunks.body());
        let body = span.map_or_else(chunks, |span| &bytes[span]);
        Ok(Step::Request { head, body: Some(body), taken })
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpLimits, RequestReader, Step};

    #[test]
    fn chunks_are_not_kept_once_they_are_decoded() {
        const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = format!("80;{}\r\n{}\r\n", "e".repeat(900), "x".repeat(128));
        let wire = [HEAD, chunk.repeat(500).as_bytes(), b"0\r\nt: x\r\n\r\nNEXT"].concat();
        for piece in [1, 700, 65_536] {
            let mut reader = RequestReader::default();
            let (mut kept, mut bodies) = (Vec::new(), 0);
            for piece in wire.chunks(piece) {
                kept.extend_from_slice(piece);
                match reader.next(&kept, &HttpLimits::default()).expect("valid") {
                    Step::More { spent, .. } => _ = kept.drain(spent),
                    Step::Request { head, body, taken } => {
                        assert_eq!((head.path, body.map(<[u8]>::len)), ("/", Some(500 * 128)));
                        kept.drain(..taken);
                        bodies += 1;
                    }
                    Step::Skip { .. } => unreachable!("there is nothing between requests"),
                }
                assert!(kept.len() <= HEAD.len() + 910, "{} bytes are kept", kept.len());
            }
            assert_eq!((bodies, kept.starts_with(b"N")), (1, true));
        }
    }
}
