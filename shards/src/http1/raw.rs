//! Lines and fields as they stand in a head: the one place that names httparse.
//!
//! What is *not* here: what a field means, and which of them may stand together.

use std::mem::MaybeUninit;

use thiserror::Error;

/// The most fields that a head may have.
pub const FIELDS_MAX: usize = 64;

/// A header field: a name, and a value of bytes.
pub type RawField<'a> = httparse::Header<'a>;

/// A request's line and fields.
#[derive(Debug)]
pub struct RawRequest<'b, 'f> {
    /// The method, as sent.
    pub method: &'b str,
    /// The target, as sent.
    pub target: &'b str,
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// The fields, in order.
    pub fields: &'f [RawField<'b>],
    /// How long the head is.
    pub bytes: usize,
}

/// A response's status and fields.
#[derive(Debug)]
pub(super) struct RawResponse<'b, 'f> {
    pub(super) status: u16,
    pub(super) minor: u8,
    pub(super) fields: &'f [RawField<'b>],
    pub(super) bytes: usize,
}

/// Why bytes are no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RawError {
    /// The head has more fields than [`FIELDS_MAX`].
    #[error("the head has more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
    /// The bytes are not HTTP.
    #[error("not HTTP")]
    NotHttp,
}

impl From<httparse::Error> for RawError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyFields,
            httparse::Error::Version => Self::Version,
            _ => Self::NotHttp,
        }
    }
}

/// Gives `read` the request head that `bytes` begin with; `None` while its end has not arrived.
///
/// # Errors
/// What is no head of a request.
#[inline]
pub fn request<'b, T>(
    bytes: &'b [u8],
    read: impl FnOnce(RawRequest<'b, '_>) -> T,
) -> Result<Option<T>, RawError> {
    // Most requests have a tenth of so many fields: making all of them empty first would cost as
    // much as reading those.
    let mut fields = [MaybeUninit::uninit(); FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(bytes, &mut fields)?;
    let httparse::Status::Complete(bytes) = status else { return Ok(None) };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(RawError::NotHttp);
    };
    Ok(Some(read(RawRequest { method, target, minor, fields: request.headers, bytes })))
}

/// Gives `read` the response head that `bytes` begin with; `None` while its end has not arrived.
///
/// # Errors
/// What is no head of a response.
pub(super) fn response<'b, T>(
    bytes: &'b [u8],
    read: impl FnOnce(RawResponse<'b, '_>) -> T,
) -> Result<Option<T>, RawError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(bytes) = response.parse(bytes)? else { return Ok(None) };
    let (Some(status), Some(minor)) = (response.code, response.version) else {
        return Err(RawError::NotHttp);
    };
    Ok(Some(read(RawResponse { status, minor, fields: response.headers, bytes })))
}

/// Gives `read` the fields that `bytes` begin with, and how long they are with the empty line
/// behind them; `None` while that has not arrived.
///
/// # Errors
/// What are no fields.
pub(super) fn fields<'b, T>(
    bytes: &'b [u8],
    read: impl FnOnce(&[RawField<'b>], usize) -> T,
) -> Result<Option<T>, RawError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    match httparse::parse_headers(bytes, &mut fields)? {
        httparse::Status::Complete((bytes, fields)) => Ok(Some(read(fields, bytes))),
        httparse::Status::Partial => Ok(None),
    }
}
