//! HTTP/1.1 as bytes: what RFC 9112 frames, read for servers and clients alike.
//!
//! A [`reader`] finds whole requests in what has arrived, by [`head`], its `target` and its `fields`,
//! and by [`chunked`]; [`framing`] says where a body ends, of a request as of another server's answer;
//! [`HttpLimits`] bound all of it, and a status has its [`phrase`].
//!
//! What is *not* here: sockets, and what is asked.

pub mod chunked;
mod fields;
pub(crate) mod framing;
pub mod head;
mod limits;
mod phrases;
pub mod reader;
mod target;

pub use limits::HttpLimits;
pub use phrases::phrase;
