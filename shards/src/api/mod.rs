//! What clients may ask of a shard, apart from how they reach it: one endpoint a file.

pub mod desk;
pub mod infer;
pub mod predict;
pub(crate) mod request_rows;
