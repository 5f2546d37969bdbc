//! What the tests of the binary share: [`gateway`] runs it, and the HTTP client is the engine's.

#![allow(dead_code, unused_imports, reason = "each test uses some of it")]

#[path = "../../../shards/tests/support/client.rs"]
pub(crate) mod client;
pub(crate) mod gateway;

pub(crate) use client::{Client, post, post_to};
pub(crate) use gateway::{Ended, Gateway, Launch, import, models, run, shardgate};
