//! What the store knows about a user, joined into the matrix that a model reads.
//!
//! [`inputs`] says what a model asks for, [`entities`] by which keys, and [`schema`] what a store
//! holds; [`join`] maps the one to the other. A batch is asked for as [`FetchRequests`] and answered as [`Joined`]: a
//! [`FeatureMatrix`] in the precision of the model's input, and for each row what it stood on, a
//! [`FeatureStatus`](crate::provenance::FeatureStatus) first of all. A store is [`embedded`] in a
//! file of this machine, or a cluster, [`scylla`], of whose rows a shard keeps a [`cache`]; a
//! [`StoreSource`] is a store as the process configures it, a [`FeatureStore`] a shard's own
//! handle. A store whose columns changed says so by [`Fetched`], and is [`Unfit`] for a model that
//! no plan can be bound to. [`mod@column`] has the types of columns, [`Categories`] are the texts
//! that a model knows, [`composite`] makes one key of several columns, [`record`] packs rows,
//! [`import`] reads them from CSV, [`address`] names a store, and [`stored`] shows a row of one.
//! [`expressions`] has what a model computes of the row, and its rules. [`aggregates`] are counters
//! over time of each key; [`written_rows`] and [`written_tensors`] read what requests write.
//!
//! What is *not* here: which requests form a batch (`batch`), and what is computed from the matrix
//! (`model`).

pub mod address;
pub mod aggregates;
pub mod cache;
mod categories;
pub mod column;
pub mod composite;
mod distinct;
pub mod embedded;
pub mod entities;
pub mod expressions;
mod fit;
pub mod import;
pub mod inputs;
pub mod join;
mod joined;
mod key_parts;
mod matrix;
mod number_range;
pub mod record;
mod requests;
mod requests_alone;
pub mod schema;
pub mod scylla;
pub mod simulated;
mod store;
mod store_source;
pub mod stored;
mod strict_json;
pub mod texts;
mod written_key;
mod written_row_error;
pub mod written_rows;
pub mod written_tensors;

pub use categories::Categories;
pub use fit::{Fetched, Unfit};
pub use joined::{Joined, RowOutcome};
pub use key_parts::{GivenAs, KeyPart, KeyParts};
pub use matrix::{Cells, FeatureMatrix, Precision};
pub use number_range::NumberRange;
pub(crate) use requests::join_key;
pub use requests::{FetchRequests, KEY_BYTES_MAX};
pub use store::FeatureStore;
pub use store_source::{StoreError, StoreSource};
