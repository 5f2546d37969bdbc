//! An inference request of the Open Inference Protocol, version 2.

pub mod error;
pub mod request;
pub mod rows;

pub use self::error::InferError;
