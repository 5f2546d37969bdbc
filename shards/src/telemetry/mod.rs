//! What a shard counts and measures, and how others read it without stopping the shard.
//!
//! [`counters`] are relaxed atomics with one writer, on cache lines of their own: a shard's, and
//! in [`lane`] those of each model on it, with as many [`cells`] as the model has columns. Each
//! stands in a [`table`] with its name on `/metrics` and its help.
//! [`histograms`] are plain HDR histograms that only the shard touches, with `exemplars` that traces
//! show; [`handover`] is where it
//! copies them when somebody asks. [`shard`] is the whole of it for one shard: the versions that it
//! serves, the last of those that it served before, and one sum of the others. And
//! [`report`] prints histograms for an operator.
//!
//! What is *not* here: signals and the admin port, which ask; and logs, which are the binary's.

pub mod cells;
pub mod counters;
mod exemplars;
mod fit;
pub mod handover;
pub mod histograms;
pub mod keys;
mod lane;
mod past;
pub mod report;
pub mod shard;
mod table;

pub use counters::{ClusterGauges, Counter, ShardCounters, StoreCounters, Sum};
pub use exemplars::Exemplar;
pub use fit::Fit;
pub use handover::Handover;
pub use histograms::{Histograms, Phase};
pub use keys::KeyCounters;
pub use lane::{
    LaneColumn, LaneCounters, LaneFacts, LaneTelemetry, RemoteCounters, ShadowCounters,
};
pub use past::{LaneCounts, Past};
pub use shard::{HistogramCopies, RETIRED_LANES_MAX, ShardTelemetry, Total};
pub use table::{Metric, MetricKind};
