//! The chunked transfer coding (RFC 9112 section 7.1), decoded as it arrives.

use memchr::memchr;

use super::head::HeadError;

/// A line of a chunk's size with its extensions, and all trailers together, end within this.
const LINE_BYTES_MAX: usize = 1_024;
const TRAILER_BYTES_MAX: usize = 8_192;
/// Leading zeros are fine; without end they only serve to be read differently.
const SIZE_DIGITS_MAX: usize = 32;
/// The most bytes of size lines: a fixed number, and some for each byte of the body. Small chunks
/// are fine; extensions without end are not, as they would be read in vain.
const FRAMING_BYTES_MAX: usize = 16_384;
const FRAMING_BYTES_PER_BYTE_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expecting {
    Size,
    Data { left: usize },
    DataEnd,
    Trailers,
}

/// Decodes one chunked body into a buffer.
#[derive(Debug)]
pub struct ChunkedBody {
    expecting: Expecting,
    framing_bytes: usize,
    trailer_bytes: usize,
    body: Vec<u8>,
}

/// The progress of one [`ChunkedBody::feed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed {
    /// Bytes that belong to the body's framing and were taken.
    pub consumed: usize,
    /// Whether the last chunk and its trailers have been read.
    pub complete: bool,
}

impl Default for ChunkedBody {
    fn default() -> Self {
        Self { expecting: Expecting::Size, framing_bytes: 0, trailer_bytes: 0, body: Vec::new() }
    }
}

impl ChunkedBody {
    /// The decoded bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// How much memory it holds, in bytes.
    pub fn buffered_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// Decodes what it can. Bytes beyond `consumed` are to be given again, with more behind them.
    ///
    /// # Errors
    /// A malformed chunk, or a body beyond `max_body_bytes`.
    pub fn feed(&mut self, bytes: &[u8], body_bytes_max: usize) -> Result<Fed, HeadError> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            match self.expecting {
                Expecting::Size => {
                    let Some(line) = line_of(rest, LINE_BYTES_MAX)? else { break };
                    at += line.len() + 2;
                    self.count_framing(line.len() + 2)?;
                    let size = chunk_size(line)?;
                    if size > body_bytes_max - self.body.len() {
                        return Err(HeadError::BodyTooLarge { limit: body_bytes_max });
                    }
                    self.expecting = match size {
                        0 => Expecting::Trailers,
                        left => Expecting::Data { left },
                    };
                }
                Expecting::Data { left } => {
                    let taken = left.min(rest.len());
                    self.body.extend_from_slice(&rest[..taken]);
                    at += taken;
                    if taken < left {
                        self.expecting = Expecting::Data { left: left - taken };
                        break;
                    }
                    self.expecting = Expecting::DataEnd;
                }
                Expecting::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.expecting = Expecting::Size;
                    }
                    [] | [b'\r'] => break,
                    _ => return Err(HeadError::Malformed("a chunk is longer than its size")),
                },
                Expecting::Trailers => {
                    let Some(line) = line_of(rest, TRAILER_BYTES_MAX)? else { break };
                    at += line.len() + 2;
                    if line.is_empty() {
                        return Ok(Fed { consumed: at, complete: true });
                    }
                    if !is_field(line) {
                        return Err(HeadError::Malformed("a trailer is not a field"));
                    }
                    self.trailer_bytes += line.len();
                    if self.trailer_bytes > TRAILER_BYTES_MAX {
                        return Err(HeadError::HeadTooLarge { limit: TRAILER_BYTES_MAX });
                    }
                }
            }
        }
        Ok(Fed { consumed: at, complete: false })
    }
}

impl ChunkedBody {
    fn count_framing(&mut self, bytes: usize) -> Result<(), HeadError> {
        self.framing_bytes += bytes;
        let limit = FRAMING_BYTES_MAX + FRAMING_BYTES_PER_BYTE_MAX * self.body.len();
        if self.framing_bytes > limit {
            return Err(HeadError::HeadTooLarge { limit });
        }
        Ok(())
    }
}

/// The line up to its CRLF; `None` while its end has not arrived.
fn line_of(bytes: &[u8], bytes_max: usize) -> Result<Option<&[u8]>, HeadError> {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) if at > bytes_max => Err(HeadError::HeadTooLarge { limit: bytes_max }),
        Some(at) => match bytes[..at].split_last() {
            Some((b'\r', line)) if !line.contains(&b'\r') => Ok(Some(line)),
            _ => Err(HeadError::Malformed("a line has a bare CR or LF")),
        },
        None if bytes.len() > bytes_max => Err(HeadError::HeadTooLarge { limit: bytes_max }),
        None => Ok(None),
    }
}

/// A chunk's size: hexadecimal digits, then nothing or extensions, which are ignored. White
/// space may stand between them, and some senders pad the line with it.
fn chunk_size(line: &[u8]) -> Result<usize, HeadError> {
    let count = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(count);
    let extensions = trim_start(rest);
    if !(1..=SIZE_DIGITS_MAX).contains(&count)
        || !matches!(extensions.first(), None | Some(b';'))
        || !extensions.iter().all(|byte| is_of_value(*byte))
    {
        return Err(HeadError::Malformed("a chunk's size is not a number"));
    }
    // A size that does not fit is larger than any limit on bodies.
    Ok(digits.iter().fold(0_usize, |size, digit| {
        let digit = char::from(*digit).to_digit(16).unwrap_or(0) as usize;
        size.checked_mul(16).map_or(usize::MAX, |size| size | digit)
    }))
}

/// Whether a line behind the last chunk is a field; a folded one is not.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    let (name, value) = line.split_at(colon);
    !name.is_empty()
        && name.iter().all(|byte| is_of_token(*byte))
        && value.iter().all(|byte| is_of_value(*byte))
}

/// `tchar` of RFC 9110 section 5.6.2.
const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
        || matches!(byte, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether a field's value may have this byte, in a head as around chunks.
const fn is_of_value(byte: u8) -> bool {
    !byte.is_ascii_control() || byte == b'\t'
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[blank..]
}

#[cfg(test)]
mod tests {
    use super::{ChunkedBody, Fed};

    const WIRE: &[u8] =
        b"4;name=\"value\"\r\nWiki\r\n10\r\npedia in 16 byte\r\n0\r\nTrailer: x\r\n\r\nNEXT";

    #[test]
    fn a_body_cut_at_any_byte_decodes_to_the_same() {
        let end = WIRE.len() - b"NEXT".len();
        for cut in 0..end {
            let mut body = ChunkedBody::default();
            let first = body.feed(&WIRE[..cut], 100).expect("valid");
            assert!(!first.complete);
            let second = body.feed(&WIRE[first.consumed..], 100).expect("valid");
            assert_eq!(second, Fed { consumed: end - first.consumed, complete: true }, "{cut}");
            assert_eq!(body.body(), b"Wikipedia in 16 byte");
        }
    }

    #[test]
    fn small_chunks_pass_and_extensions_without_end_do_not() {
        let small = [b"1\r\nx\r\n".repeat(50_000), b"0\r\n\r\n".to_vec()].concat();
        assert!(ChunkedBody::default().feed(&small, 100_000).expect("valid").complete);
        let chunk = format!("1;{}\r\nx\r\n", "e".repeat(1_000));
        let error = ChunkedBody::default().feed(chunk.repeat(50).as_bytes(), 100_000);
        assert_eq!(error.expect_err("too much framing").status(), 431);
    }

    #[test]
    fn a_size_may_have_zeros_before_it_and_extensions_behind_it() {
        let zeros = "0".repeat(31);
        for (first, last) in [
            ("4", "0"),
            (&*format!("{zeros}4"), &*zeros),
            ("4;", "0;"),
            ("4 ;a=b", "0 ;z"),
            ("4\t; a = \"b;c\"", "0;z"),
            ("4 \t", "0  "),
        ] {
            let wire = format!("{first}\r\nWiki\r\n{last}\r\nX-T: 1\r\nempty:\r\n\r\n");
            let mut body = ChunkedBody::default();
            assert!(body.feed(wire.as_bytes(), 100).expect("valid").complete, "{wire:?}");
            assert_eq!(body.body(), b"Wiki", "{wire:?}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for wire in [
            &b"4\nWiki\r\n0\r\n\r\n"[..],
            b"4\r\nWikipedia\r\n0\r\n\r\n",
            b"-4\r\nWiki\r\n",
            b"0x4\r\nWiki\r\n",
            b"\r\n",
            b"\n",
            b"4;a=\rb\r\nWiki\r\n",
            b"4 5\r\nWiki\r\n",
            b"4 ,x\r\nWiki\r\n",
            b"4;\0\r\nWiki\r\n",
            b"000000000000000000000000000000004\r\nWiki\r\n",
            b"0\r\nno colon\r\n",
            b"0\r\n: no name\r\n",
            b"0\r\nname : x\r\n",
            b"0\r\nname: a\r\n folded: b\r\n",
            b"0\r\nname: \0\r\n",
        ] {
            let text = String::from_utf8_lossy(wire);
            assert!(ChunkedBody::default().feed(wire, 100).is_err(), "{text}");
        }
        for size in ["65", "fffffffff", "ffffffffffffffff", "10000000000000005"] {
            let error = ChunkedBody::default().feed(format!("{size}\r\n").as_bytes(), 100);
            assert_eq!(error.expect_err("too large").status(), 413, "{size}");
        }
    }
}
