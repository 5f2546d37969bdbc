//! Reads models as `XGBoost` writes them: JSON (`model.json`) or UBJSON (`model.ubj`), of every
//! version since 1.0.
//!
//! `learner` reads what is common to all boosters, `booster` trees with their weights, and linear
//! weights, `tree` the arrays of one tree, `objective` the transforms and on which scale the base
//! score is, `columns` names, types and categories. Sums are in 32 bits, starting at the base
//! score, in the order of the trees, as in the library. Missing is NaN: what else a `DMatrix` was
//! told to take for missing is not in the file.

mod booster;
mod columns;
mod learner;
mod objective;
mod tree;
mod ubjson;

use super::forest::{NativeError, Trained};
use super::json;

/// What a file may hold; more is refused before memory is taken.
const TREES_MAX: usize = 1 << 16;
const COLUMNS_MAX: usize = 1 << 16;
const SUMS_MAX: usize = 4_096;
const NODES_MAX: usize = 1 << 24;

/// What the bytes of a `model.json` say.
pub(super) fn parse_json(bytes: &[u8]) -> Result<Trained, NativeError> {
    learner::read(&json::parse(bytes)?)
}

/// What the bytes of a `model.ubj` say.
pub(super) fn parse_ubjson(bytes: &[u8]) -> Result<Trained, NativeError> {
    learner::read(&ubjson::parse(bytes)?)
}
