//! HTTP/1.1 between the socket and the batcher.
//!
//! A [`listener`] accepts connections for its shard; a [`connection`] reads requests, hands them
//! on and writes the answers in order, each an [`exchange`]. [`front`] is what connections share: among
//! it [`links`], by which one is woken, timed and drained, [`room`], which one makes for another, and
//! [`intake`], which has some wait to be read where refusing takes too much time. [`routes`] says which
//! call a target is. [`response`] writes heads, with the [`statuses`] of failures, and [`rendered`] is
//! measured when an answer has been written; [`hop_limit`] closes a listener to newcomers.
//!
//! Bytes of HTTP are read by [`http1`](crate::http1); calls are answered by [`api`](crate::api).
//!
//! What is *not* here: what is asked and scored; TLS, authentication and rate limits (the API gateway
//! in front does them); and the admin port, which is the process's.

pub(crate) mod connection;
pub(crate) mod exchange;
pub(crate) mod front;
pub mod hop_limit;
pub(crate) mod intake;
pub(crate) mod links;
pub(crate) mod listener;
pub(crate) mod rendered;
pub(crate) mod response;
pub(crate) mod room;
pub mod routes;
mod settings;
pub mod statuses;

pub use settings::ShardSettings;
