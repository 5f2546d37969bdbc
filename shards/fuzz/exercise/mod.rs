//! What the fuzz targets do with the bytes they are given, and the seed tests too.
//!
//! One file for each kind of input from outside: [`config`] tables, [`csv`] imports,
//! [`expression`]s, streams of [`grpc`], [`manifest`]
//! files, [`model`] files of ONNX and [`native`] ones of other libraries, [`requests`] of clients,
//! [`oip`] bodies, the embedded [`store`]'s file, and [`trees`], whose bytes describe a tree ensemble
//! that mostly passes the checks, so that kernels are reached. Each function returns for any input, or
//! has found a fault.

pub(crate) mod config;
pub(crate) mod csv;
pub(crate) mod expression;
pub(crate) mod grpc;
pub(crate) mod manifest;
pub(crate) mod model;
pub(crate) mod native;
pub(crate) mod oip;
pub(crate) mod requests;
pub(crate) mod store;
pub(crate) mod trees;
