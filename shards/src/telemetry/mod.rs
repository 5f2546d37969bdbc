//! What a shard counts and measures, and how others read it without stopping the shard.
//!
//! [`counters`] are relaxed atomics with one writer, on cache lines of their own. [`histograms`]
//! are plain HDR histograms that only the shard touches; [`handover`] is where it copies them
//! when somebody asks. [`report`] prints them for an operator.
//!
//! What is *not* here: signals and the admin port, which ask; and logs, which are the binary's.

pub mod counters;
pub mod handover;
pub mod histograms;
pub mod report;

pub use counters::{Counter, ShardCounters};
pub use handover::Handover;
pub use histograms::{Histograms, Phase};
