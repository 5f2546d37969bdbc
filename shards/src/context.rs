//! What every part of one shard may use: its clock, its counters and its journal.
//!
//! What is *not* here: what only one of the parts uses.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use crate::executor::runtime::now;
use crate::journal::Journal;
use crate::telemetry::{ShardCounters, ShardTelemetry};

/// Nanoseconds since the shard was opened.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { start: now() }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        (now() - self.start).as_nanos() as u64
    }
}

/// The ground that one shard's parts stand on, on its one thread.
#[derive(Debug)]
pub(crate) struct ShardContext {
    pub(crate) clock: Clock,
    /// What it counts and measures.
    pub(crate) telemetry: Arc<ShardTelemetry>,
    /// What it writes down, where that is configured.
    pub(crate) journal: Option<Journal>,
    /// Whether the shard answers what it has accepted, and takes nothing else.
    pub(crate) draining: Cell<bool>,
}

impl ShardContext {
    pub(crate) fn new(telemetry: Arc<ShardTelemetry>, journal: Option<Journal>) -> Self {
        Self { clock: Clock::start(), telemetry, journal, draining: Cell::default() }
    }

    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.telemetry.counters
    }
}
