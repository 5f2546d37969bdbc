//! What turns a matrix of features into scores.
//!
//! [`repository`] finds a model's directory and version ([`versions`] says which folders are
//! versions), [`manifest`] reads its `model.toml`, and
//! [`Model::load`] makes this shard's own copy of it from the ONNX file (`onnx`), whose tree
//! ensembles are scored by the kernels of [`trees`], or from the file that its own library wrote
//! (`files`: `lightgbm`, `xgboost`, `catboost`, which end in one [`forest`]), or makes the way to a
//! [`remote`] server that computes it; [`Loads`] has shards read a file once. [`golden`] replays
//! recorded predictions of the rows that [`golden_rows`] reads, [`described`] says what requests may say, and
//! [`canary`] and [`shadow`] say which users another version scores, for them or aside.
//!
//! What is *not* here: where the features come from (`features`), which requests are scored
//! together (`batch`), and HTTP.

pub mod answer;
mod bounded;
pub mod canary;
mod catboost;
pub(crate) mod described;
mod error;
pub mod explain;
mod faulty_table;
mod file_columns;
mod files;
pub mod forest;
pub mod golden;
mod golden_rows;
mod json;
mod lightgbm;
mod loads;
mod lone;
pub mod manifest;
mod onnx;
pub mod remote;
pub mod repository;
mod scorer;
pub mod shadow;
mod signature;
pub mod trees;
pub mod versions;
mod xgboost;

pub use bounded::FileError;
pub use catboost::category_hash;
pub use error::{ModelError, ScoreError};
pub use file_columns::FileColumns;
pub use files::{FileFormat, MODEL_FILES};
pub use loads::Loads;
pub use lone::LoneFile;
pub use onnx::{FileLimits, OnnxError};
pub use scorer::{LoadOptions, Model};
pub use signature::Signature;
