//! `/predict`: rows as JSON.

mod read;

pub use read::{Asked, PredictError, USER_ID_BYTES_MAX, parse};
