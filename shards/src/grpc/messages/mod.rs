//! The messages, as `scripts/protos` generates them of `shards/proto`.
//!
//! What is *not* here: anything that is written by hand.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "the code is generated, and its lints are the generator's"
)]

/// The Open Inference Protocol, with Triton's extensions.
#[rustfmt::skip]
pub mod inference;

/// gRPC's health checks.
#[rustfmt::skip]
#[path = "grpc.health.v1.rs"]
pub mod health;

/// gRPC's reflection.
#[rustfmt::skip]
#[path = "grpc.reflection.v1.rs"]
pub mod reflection;

/// Scores of rows by keys and fields.
#[rustfmt::skip]
#[path = "shardgate.v1.rs"]
pub mod prediction;

/// All services and messages, as a serialized `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");
