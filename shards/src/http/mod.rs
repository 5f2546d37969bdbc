//! HTTP/1.1 between the socket and the batcher, and what every connection has in common.
//!
//! A [`listener`] accepts connections for its shard; a [`connection`] reads requests, hands them on
//! and writes the responses in order, each a [`pending_response`] until then. [`front`] has the
//! parts that connections share. By connection [`handles`] they are woken, timed and drained;
//! [`eviction`] says which one ends where there are too many. Load [`shedding`] has some wait to be
//! read where refusals take too much time. [`routes`] says which call a target is. [`response`]
//! writes heads, with the [`statuses`] of failures. [`rendered`] is measured when a response has
//! been written. [`hop_limit`] closes a listener to newcomers. A connection that turns out to speak
//! HTTP/2 is handed on as an [`open_connection`].
//!
//! Bytes of HTTP are read by [`http1`](crate::http1); calls are answered by [`api`](crate::api).
//!
//! What is *not* here: calls and scores; TLS, authentication and rate limits (the API gateway
//! in front does them); and the admin port, which is the process's.

pub(crate) mod connection;
pub(crate) mod eviction;
pub(crate) mod front;
pub(crate) mod handles;
mod handshake;
pub mod hop_limit;
mod http2_limits;
pub(crate) mod listener;
pub(crate) mod open_connection;
pub(crate) mod pending_response;
pub(crate) mod rendered;
pub(crate) mod response;
pub mod routes;
mod settings;
pub(crate) mod shedding;
pub mod statuses;

pub use http2_limits::Http2Limits;
pub use settings::ShardSettings;
