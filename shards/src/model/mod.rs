//! What turns a matrix of features into scores.
//!
//! What is *not* here: where the features come from (`features`), and HTTP.

pub mod trees;
