//! JSON as libraries write their models in it: read into a tree of [`Value`]s, lists of numbers
//! packed, `NaN` and `Infinity` allowed, without recursion and within bounds. UBJSON becomes the
//! same tree (`xgboost::ubjson`).
//!
//! `serde_json` is not used here: it has no `NaN`, and a value of its takes 32 bytes for a number
//! of which a model has millions.

mod read;
mod value;

pub(in crate::model) use read::parse;
pub(in crate::model) use value::{At, Builder, Value};
