//! The header fields and trailers of gRPC.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::grpc::status::{Code, Status};

pub(super) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) fn add_status(fields: &mut HeaderMap, status: &Status) {
    fields.insert(STATUS, HeaderValue::from(status.code as u16));
    if !status.message.is_empty()
        && let Ok(message) = HeaderValue::try_from(percent_encoded(&status.message))
    {
        fields.insert(MESSAGE, message);
    }
    if let Some(retry_ms) = status.retry_ms {
        fields.insert(PUSHBACK, HeaderValue::from(retry_ms));
    }
    if status.code == Code::Unimplemented {
        fields.insert(ACCEPTED, HeaderValue::from_static("identity"));
    }
}

/// A message as gRPC writes it into a field: each byte that is not visible ASCII, or is a percent
/// sign, by its hexadecimal digits.
fn percent_encoded(message: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn messages_are_visible_ascii() {
        assert_eq!(percent_encoded("100 % of `é`\n"), "100 %25 of `%C3%A9`%0A");
    }
}
