//! One shard of shardgate: everything that happens to a request on the core that accepted it.
//!
//! Data flows one way: [`http`] accepts a connection and parses its requests, [`api`] makes rows of
//! them, or [`grpc`] reads its messages, [`batch`] decides which rows are scored together, [`features`] joins each with its stored
//! row, [`model`] computes the scores, and the connection that asked writes the answer. [`shard`]
//! wires these into `run(listener, shutdown)`.
//!
//! Below them, each knowing only what stands before it: [`facts`] of a version, [`priority`],
//! [`provenance`] of features, [`origin`] and [`credentials`] of a request, [`failure`] of a row,
//! [`escape`] for what others wrote, `calendar`, the language of [`expression`]s, `breaker` for servers that do not answer, `crossing` for what
//! shards and the process both have, the [`executor`], [`tensors`] of the Open Inference Protocol,
//! [`http1`] as bytes, [`telemetry`], the [`journal`] of answers, the [`spans`] of requests, and
//! `context`, which the parts of a shard share. A test holds the arrows: `folders_import_only_what_is_below`.
//!
//! What is *not* here: signals, the process, the command line, the admin port and the choice of
//! cores. Those belong to the binary (`src/`), so that a shard can be embedded and tested alone.
//! Nothing on the path from accept to response synchronises with another thread.

pub mod api;
pub mod batch;
mod breaker;
mod calendar;
mod context;
pub mod credentials;
mod crossing;
pub mod escape;
pub mod executor;
pub mod expression;
pub mod facts;
pub mod failure;
pub mod features;
mod fnv;
pub mod grpc;
pub mod http;
pub mod http1;
mod http2;
pub mod journal;
pub mod keys;
pub mod model;
mod mutation;
pub mod origin;
pub mod priority;
pub mod provenance;
pub mod shard;
pub mod spans;
pub mod telemetry;
pub mod tensors;
pub mod tls;

#[cfg(test)]
#[path = "../tests/random/mod.rs"]
mod random;

// What is played in tests and by `bench simulate-shard` names this crate as any other would.
#[cfg(test)]
extern crate self as shards;
#[cfg(test)]
#[path = "../tests/simulated/mod.rs"]
mod simulated_world;
#[cfg(test)]
#[path = "../tests/stores/mod.rs"]
mod stores;
