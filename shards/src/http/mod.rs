//! HTTP/1.1 between the socket and the batcher.
//!
//! A [`listener`] accepts connections for its shard; a [`connection`] reads requests, hands them
//! on and writes the answers in order, each an [`exchange`] whose rows are [`request_rows`]; a
//! [`reader`] finds whole requests
//! in what has arrived, by [`head`], its [`target`] and its [`fields`], and by [`chunked`], which
//! read what RFC 9112 frames, and [`framing`], by which answers of other servers are read too; [`predict`] reads the JSON body of a prediction into rows and [`oip`]
//! serves the Open Inference Protocol; [`routes`] says what a target means; [`origin`] is the id
//! and the trace of a request; [`response`] writes bytes; [`rendered`] is measured when an answer
//! has been written; [`limits`] bounds all of it; [`hop_limit`] closes a listener to newcomers;
//! [`links`] is how a connection is woken, timed and drained by its shard; [`room`] says which makes
//! room for another; and [`intake`] has connections wait to be read where refusing takes too much
//! time.
//!
//! What is *not* here: TLS, authentication and rate limits (the API gateway in front does them),
//! and the admin port, which is the process's.

pub(crate) mod connection;
pub(crate) mod desk;
pub(crate) mod exchange;
pub(crate) mod front;
pub mod hop_limit;
pub(crate) mod intake;
pub(crate) mod links;
pub(crate) mod listener;
pub mod oip;
pub mod predict;
pub(crate) mod rendered;
pub(crate) mod request_rows;
pub(crate) mod response;
pub(crate) mod room;
pub mod routes;
mod settings;
pub mod statuses;

pub use desk::{ProcessReply, RepositoryRequest};
pub use settings::ShardSettings;
