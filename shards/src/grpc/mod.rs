//! gRPC as messages: a message of a method becomes a call of [`api`](crate::api), and its outcome a
//! message or a status.
//!
//! A front finds the [`method`] of a path and whole messages by their [`framing`]. A [`request`] is a
//! message that was read; it says which call it is, and is answered with a [`reply`], which is written
//! when its rows are done. [`tensors`] and [`predict`] are the two ways to ask for scores, each with
//! its own message; [`documents`] are what the others are answered with. [`health`] and
//! [`reflection`] are gRPC's own services. A call that fails has a [`status`].
//!
//! [`messages`] are generated of `shards/proto` by `scripts/protos`.
//!
//! What is *not* here: streams, metadata and time limits, which are the front's (`http2`).

mod documents;
pub mod framing;
mod health;
pub mod messages;
pub(crate) mod method;
mod predict;
mod reflection;
pub(crate) mod reply;
pub(crate) mod request;
pub mod status;
mod tensors;

pub use self::tensors::read as read_tensors;
