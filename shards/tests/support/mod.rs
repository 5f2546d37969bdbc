//! What the tests of a running shard share: [`served`] runs one in a thread on port 0, [`client`]
//! talks HTTP/1.1 to it over a plain socket, an [`http2_client`] HTTP/2 and gRPC, a [`model_server`]
//! computes its model elsewhere, a [`cql_server`] has its features, [`tls`] has certificates and
//! encrypted clients, and
//! [`patience`] waits for what comes of it.

#![allow(dead_code, unused_imports, reason = "each test uses some of it")]

pub(crate) mod client;
pub(crate) mod cql_server;
pub(crate) mod http2_client;
pub(crate) mod model_server;
pub(crate) mod patience;
pub(crate) mod served;
#[path = "../stores/mod.rs"]
pub(crate) mod stores;
pub(crate) mod tls;

pub(crate) use client::{Client, Response, post, post_to};
pub(crate) use http2_client::Http2Client;
pub(crate) use model_server::ModelServer;
pub(crate) use patience::{Over, pause, wait_until};
pub(crate) use served::{Served, Setup};
