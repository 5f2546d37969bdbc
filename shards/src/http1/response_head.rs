//! The head of a response, as a client reads it. It is held to the rules of the serving side: a
//! response that is taken for another one gives a row another row's score.

use super::framing::FramingFields;
use super::head::{Framing, HeadError};
use super::raw::{self, RawError};

const NOT_HTTP: HeadError = HeadError::Malformed("its head is not that of an HTTP/1.1 answer");

/// The head of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// Where the body ends; with [`Framing::None`] it ends with the connection.
    pub(crate) framing: Framing,
    /// Where the JSON of the body ends, if binary tensors follow it.
    pub(crate) json_bytes: Option<usize>,
    /// Whether the connection persists after the response.
    pub(crate) persists: bool,
}

/// How large a response may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseLimits {
    pub(crate) head_bytes_max: usize,
    pub(crate) body_bytes_max: usize,
}

/// Reads a whole head.
///
/// # Errors
/// What is not HTTP/1.1, is ambiguous or announces a body beyond the limit.
pub(crate) fn parse(bytes: &[u8], limits: ResponseLimits) -> Result<ResponseHead, HeadError> {
    let read = raw::response(bytes, |response| {
        if response.bytes != bytes.len() {
            return Err(NOT_HTTP);
        }
        let mut reading = FramingFields::default();
        for field in response.fields {
            reading.read(field.name, field.value)?;
        }
        let is_http_1_0 = response.minor == 0;
        let framing = match response.status {
            // These have no body, whatever their fields say (RFC 9112 section 6.3).
            100..=199 | 204 | 304 => Framing::Length(0),
            _ => reading.framing(is_http_1_0, limits.body_bytes_max)?,
        };
        Ok(ResponseHead {
            status: response.status,
            framing,
            json_bytes: reading.inference_header_length,
            persists: reading.persists(is_http_1_0),
        })
    });
    match read {
        Ok(Some(head)) => head,
        Err(RawError::TooManyFields) => {
            Err(HeadError::HeadTooLarge { limit: limits.head_bytes_max })
        }
        Ok(None) | Err(RawError::Version | RawError::NotHttp) => Err(NOT_HTTP),
    }
}
