//! HTTP/1.1 as bytes: what RFC 9112 frames, read for servers and clients alike.
//!
//! A [`reader`] finds whole requests in what has arrived, by [`head`], its `target` and its
//! `fields`, and by [`chunked`]; [`codings`] pack and unpack bodies. [`response_head`] is the head of another server's response;
//! [`framing`] says where either's body ends. Both stand on [`raw`] lines and fields, as does the
//! admin port. [`HttpLimits`] bound all of it, and a status has its [`phrase`].
//!
//! What is *not* here: sockets, and the meaning of a request.

pub mod chunked;
pub mod codings;
mod fields;
pub(crate) mod framing;
pub mod head;
mod limits;
mod phrases;
pub mod raw;
pub mod reader;
pub(crate) mod response_head;
mod target;

pub use fields::is_identity;
pub use framing::decimal;
pub use limits::HttpLimits;
pub use phrases::phrase;
