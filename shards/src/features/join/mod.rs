//! The join of what a store holds and a request says into the row that a model reads.
//!
//! [`bind`] maps the model's columns to the store's and to the request's fields once, at start, or
//! says by [`JoinError`] why they do not fit. A [`JoinPlan`] has an [`EntityPlan`] for each entity, by
//! which [`row`] joins row after row without allocating: [`row_cells`] writes its cells, and [`text`]
//! finds the model's code of a text. A [`RequestField`] is what a request gives.
//! [`Refusal`](crate::failure::Refusal) says why a row must not be scored; [`cast`] counts what
//! the model's precision changes.
//!
//! What is *not* here: where a record comes from (the stores and the cache), and which HTTP status
//! a refusal becomes (`http`).

mod bind;
mod cast;
mod entity;
mod error;
mod field_message;
mod request_field;
mod row;
mod row_cells;
mod text;

pub use bind::{JoinPlan, ModelInputs};
pub use entity::EntityPlan;
pub use error::JoinError;
pub use request_field::RequestField;
pub use text::categories_by_column;
