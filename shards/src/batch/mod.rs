//! Which requests are scored together, and when.
//!
//! [`decide()`] is the policy, a pure function without a clock, with `window` for how long a row is
//! worth holding back, from what `estimates` and `cost` have learnt, and how many batches are worth
//! having in flight, from what `contention` has; [`rows`] holds what each request
//! asks and what came of it, in memory that is reused; a [`Lane`] is one model's queue on this
//! shard, which rows leave by a batch or by one of the `departures`. [`pipeline`] takes batches from
//! it, has their features fetched and their scores computed in buffers for `work`. `finish` gives
//! the rows their outcomes, has `notes` write them down and wakes the connections that wait;
//! `measure` learns from the batch. `shadow` is how a candidate scores a copy of the traffic. [`Lanes`] are the models of a shard,
//! a [`PreparedModel`] is one made ready on any thread, and a [`Host`] is what lanes share: by its
//! [`Clients`] a batch wakes those who wait.
//!
//! What is *not* here: bytes. Requests arrive parsed and leave as numbers.

mod admission;
mod binding;
mod compute;
mod contention;
mod cost;
mod decide;
mod departures;
mod drift_sample;
mod estimates;
pub(crate) mod expiry;
mod explain;
mod finish;
mod given_fields;
mod host;
mod in_flight;
mod lane;
mod lanes;
mod measure;
mod notes;
mod notify;
pub mod pipeline;
mod prepared;
mod row_answer;
mod rows;
pub(crate) mod scored;
mod shadow;
mod window;
pub(crate) mod work;

pub use admission::Terms;
pub(crate) use admission::refuse_all;
pub use contention::Contention;
pub use cost::Cost;
pub use decide::{BatchPolicy, Decision, Load, QueueView, Window, decide, demand};
pub use estimates::{Arrivals, Drain, Estimates};
pub(crate) use host::{Clients, Host};
pub use in_flight::InFlightBatches;
pub use lane::{Lane, LaneSettings};
pub(crate) use lanes::Lanes;
pub use notify::Notify;
pub(crate) use prepared::QueueLimits;
pub use prepared::{PrepareError, PreparedModel, plan_of, plan_or_ask};
pub use row_answer::{Explanation, RowAnswer, RowParts};
pub(crate) use rows::ROW_BYTES;
pub use rows::{Row, RowId, RowState, Rows, Scored};
