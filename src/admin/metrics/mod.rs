//! `/metrics`: what the shards count and measure, as Prometheus and `OpenMetrics` read it.
//!
//! [`text`] writes the two formats; [`buckets`] makes fixed buckets out of HDR histograms;
//! [`families`] and [`lanes`] are what is said of each shard and of each model on it; [`drift`]
//! compares features and scores with the training data; [`process`] reads `/proc`.
//!
//! What is *not* here: counting. Shards write their own cells, and copy their histograms when
//! they are asked; nothing in here makes a shard wait.

mod answers;
mod buckets;
pub(crate) mod drift;
mod entities;
mod families;
mod lanes;
mod process;
pub(crate) mod text;
mod writes;

pub(super) use self::families::{Process, write};
pub(crate) use self::process::thread_cpu_s;
