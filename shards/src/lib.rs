//! One shard of shardgate: everything that happens to a request on the core that accepted it.
//!
//! Data flows one way: [`http`] accepts a connection and parses its requests, [`batch`] decides
//! which of them are scored together, [`features`] joins each with its stored row, [`model`]
//! computes the scores, and the connection that asked writes the answer. [`telemetry`] counts and
//! measures on the way, and [`shard`] wires the five rooms into `run(listener, shutdown)`.
//! [`tensors`] are how the Open Inference Protocol sends rows and scores, to us and by us, and
//! [`journal`] is what a shard writes down of its answers;
//! `breaker` leaves servers alone that do not answer, and [`escape`] makes what others wrote fit for
//! a log. [`executor`] is what a shard runs in, and how
//! the process wakes one that sleeps when it shouldn't.
//!
//! What is *not* here: signals, the process, the command line, the admin port and the choice of
//! cores. Those belong to the binary (`src/`), so that a shard can be embedded and tested alone.
//! Nothing on the path from accept to response synchronises with another thread.

pub mod batch;
mod breaker;
mod context;
pub mod escape;
pub mod executor;
pub mod facts;
pub mod failure;
pub mod features;
pub mod http;
pub mod http1;
pub mod journal;
pub mod model;
pub mod origin;
pub mod priority;
pub mod provenance;
pub mod shard;
pub mod telemetry;
pub mod tensors;

#[cfg(test)]
#[path = "../tests/random/mod.rs"]
mod random;
