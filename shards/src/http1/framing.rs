//! Framing (RFC 9112 sections 6 and 9): the end of a message's body, and whether its connection
//! persists. A request and a response are held to the same rules.

use super::head::{Framing, HeadError};

/// The values of these fields, while they are being read.
#[derive(Debug, Default)]
pub(crate) struct FramingFields {
    close: bool,
    keep_alive: bool,
    content_length: Option<usize>,
    codings: Option<Codings>,
    /// `Inference-Header-Content-Length`: where the JSON of a body with binary tensors ends.
    pub(crate) inference_header_length: Option<usize>,
}

impl FramingFields {
    /// Takes one field; a name that means nothing here is passed over.
    ///
    /// # Errors
    /// A value that two readers could understand differently.
    pub(crate) fn read(&mut self, name: &str, value: &[u8]) -> Result<(), HeadError> {
        // By length first: most fields of most messages are none of these.
        match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => {
                for option in value.split(|byte| *byte == b',') {
                    let option = option.trim_ascii();
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let length = decimal(value)
                    .ok_or(HeadError::Malformed("Content-Length is not a whole number"))?;
                if self.content_length.replace(length).is_some() {
                    return Err(HeadError::Malformed("more than one Content-Length field"));
                }
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                // Two fields are one list by RFC 9110; by other readers the first of them, or the
                // last.
                let known = self.codings.replace(Codings::read(value));
                if known.is_some() {
                    return Err(HeadError::Malformed("more than one Transfer-Encoding field"));
                }
            }
            31 if name.eq_ignore_ascii_case("inference-header-content-length") => {
                let length = decimal(value).ok_or(HeadError::Malformed(
                    "Inference-Header-Content-Length is not a whole number",
                ))?;
                self.inference_header_length = Some(length);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the connection persists after the message.
    pub(crate) fn persists(&self, is_http_1_0: bool) -> bool {
        !self.close && (!is_http_1_0 || self.keep_alive)
    }

    /// How the end of the body is known.
    ///
    /// # Errors
    /// Fields that contradict each other, and a length beyond `max_body_bytes`.
    pub(crate) fn framing(
        &self,
        is_http_1_0: bool,
        body_bytes_max: usize,
    ) -> Result<Framing, HeadError> {
        match (self.content_length, self.codings) {
            (Some(_), Some(_)) => {
                Err(HeadError::Malformed("both Content-Length and Transfer-Encoding"))
            }
            (None, Some(_)) if is_http_1_0 => {
                Err(HeadError::Malformed("Transfer-Encoding in HTTP/1.0"))
            }
            (None, Some(Codings::Chunked)) => Ok(Framing::Chunked),
            (None, Some(Codings::OthersThenChunked)) => Err(HeadError::TransferCoding),
            (None, Some(Codings::NoEnd)) => Err(HeadError::Malformed(
                "chunked is not the last transfer coding, or is there twice",
            )),
            (Some(length), None) if length > body_bytes_max => {
                Err(HeadError::BodyTooLarge { limit: body_bytes_max })
            }
            (Some(length), None) => Ok(Framing::Length(length)),
            (None, None) => Ok(Framing::None),
        }
    }
}

/// The end of the body by a Transfer-Encoding field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codings {
    /// At its last chunk, which holds all that is to be decoded.
    Chunked,
    /// At its last chunk, and what comes of the chunks is coded again.
    OthersThenChunked,
    /// Nowhere, in a request (RFC 9112 section 6.3). In a response the end of the connection, which
    /// is not trusted beside a field that should have said it.
    NoEnd,
}

impl Codings {
    /// Reads the list; elements that are empty do not count (RFC 9110 section 5.6.1).
    fn read(value: &[u8]) -> Self {
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let mut codings =
            value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|it| !it.is_empty());
        let last = codings.next_back();
        let (mut any, mut any_chunked) = (false, false);
        for coding in codings {
            any = true;
            any_chunked |= is_chunked(coding);
        }
        match (last.is_some_and(is_chunked), any_chunked, any) {
            (true, false, false) => Self::Chunked,
            (true, false, true) => Self::OthersThenChunked,
            (true, true, _) | (false, ..) => Self::NoEnd,
        }
    }
}

/// A number of digits alone: no sign, no list, no space. One too large to count with is the largest
/// that there is: it is beyond every limit either way.
pub fn decimal(value: &[u8]) -> Option<usize> {
    let add = |number: usize, byte: &u8| {
        let digit = usize::from(byte.wrapping_sub(b'0'));
        (digit <= 9).then(|| number.saturating_mul(10).saturating_add(digit))
    };
    (!value.is_empty()).then(|| value.iter().try_fold(0, add)).flatten()
}
