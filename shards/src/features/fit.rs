//! Whether what a store holds still fits what a plan was bound to.
//!
//! A store's columns may change while it is served. A store notices that by itself, tells the batch
//! that comes next [`Fetched::SchemaChanged`], and has other columns from then on. The batch binds a
//! new plan to them and fetches again, or its lane is [`Unfit`] until the columns change again. What
//! a batch compares is a fingerprint, see [`Schema::fingerprint`].
//!
//! What is *not* here: how a store notices (each its own way), and who binds (`batch`).
//!
//! [`Schema::fingerprint`]: super::schema::Schema::fingerprint

use std::sync::Arc;

use super::join::JoinError;

/// What came of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Fetched {
    /// Every row has its outcome.
    Joined,
    /// The store's columns are not those of the plan: no row was joined. A plan is to be bound to
    /// the columns that the store has now.
    SchemaChanged,
}

/// Why no plan of a model can be bound to a store.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// The store's columns are not those that the model reads.
    #[error(
        "the feature store's columns do not fit the model any more: {0}; import what the model \
         reads, or reload a model that reads what the store has"
    )]
    Columns(#[from] JoinError),
    /// The store has no columns that a plan could be bound to. The store says why, and what to do.
    #[error("{0}")]
    Store(Arc<str>),
}
