//! HTTP/2 between the socket and the endpoints, and gRPC over it: a front beside HTTP/1.1, on the same
//! port and by the same calls.
//!
//! A [`connection`] reads frames by the `h2` crate, which has no runtime and waits for what [`io`]
//! says is ready. Its [`streams`] are polled when one has something new ([`signals`]) or rows are
//! done. Each [`stream`] is one request: [`plain`] ones are routed as those of HTTP/1.1 are, and
//! [`rpc`]s as gRPC has them, with its [`rpc_fields`]. [`sending`] holds a response back until its client's window is open, and
//! [`limits`] say when a client has taken too long.
//!
//! What is *not* here: what calls mean (`api`), and messages of gRPC (`grpc`).

mod connection;
mod io;
mod limits;
mod plain;
mod rpc;
mod rpc_fields;
mod sending;
mod signals;
mod stream;
mod streams;

use std::future::Future;
use std::pin::Pin;

use crate::http::open_connection::Http2Connection;

/// Serves a connection that speaks HTTP/2 until it ends.
pub(crate) fn serve(connection: Http2Connection) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(connection::serve(connection))
}
