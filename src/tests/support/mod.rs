//! What the tests of the binary share: [`gateway`] runs it, and how to ask, how to wait and the
//! servers that it asks are the engine's tests'.

#![allow(dead_code, unused_imports, reason = "each test uses some of it")]

pub(crate) mod alone;
#[path = "../../../shards/tests/support/client.rs"]
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod cql_node;
#[path = "../../../shards/tests/support/cql_server.rs"]
pub(crate) mod cql_server;
pub(crate) mod events;
pub(crate) mod gateway;
#[path = "../../../shards/tests/support/model_server.rs"]
pub(crate) mod model_server;
#[path = "../../../shards/tests/support/patience.rs"]
pub(crate) mod patience;
pub(crate) mod seccomp;
#[path = "../../../shards/tests/support/tls.rs"]
pub(crate) mod tls;

pub(crate) use client::{Client, Response, post, post_to};
pub(crate) use gateway::{Ended, Gateway, Launch, import, models, run, shardgate, store};
pub(crate) use model_server::ModelServer;
pub(crate) use patience::{Over, wait_until};
