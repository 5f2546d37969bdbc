//! What the store knows about a user, joined into the matrix that a model reads.
//!
//! [`FeatureStatus`] says what a row's features stood on; [`FeatureMatrix`] holds the rows of a
//! batch in the precision of the model's input; [`inputs`] says what a model asks for.
//!
//! What is *not* here: which requests form a batch (`batch`), and what is computed from the
//! matrix (`model`).

pub mod inputs;
mod matrix;
mod status;

pub use matrix::{Cells, FeatureMatrix, Precision};
pub use status::FeatureStatus;
