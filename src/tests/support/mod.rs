//! What the tests of the binary share: [`gateway`] runs it, and how to ask and how to wait is
//! the engine's tests'.

#![allow(dead_code, unused_imports, reason = "each test uses some of it")]

#[path = "../../../shards/tests/support/client.rs"]
pub(crate) mod client;
pub(crate) mod cql_node;
pub(crate) mod gateway;
#[path = "../../../shards/tests/support/patience.rs"]
pub(crate) mod patience;

pub(crate) use client::{Client, post, post_to};
pub(crate) use gateway::{Ended, Gateway, Launch, import, models, run, shardgate};
pub(crate) use patience::{Over, wait_until};
