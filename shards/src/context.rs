//! What every part of one shard may use: its clock, its counters, its journal and its tracer.
//!
//! What is *not* here: what only one of the parts uses.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use crate::executor::runtime::{now, now_ns};
use crate::journal::Journal;
use crate::spans::Tracer;
use crate::telemetry::{ShardCounters, ShardTelemetry};

/// Nanoseconds since the shard was opened.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_ns: u64,
}

impl Clock {
    fn start() -> Self {
        Self { start_ns: now_ns(), start: now() }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        now_ns() - self.start_ns
    }

    /// The time on it that another reading of the same clock has, to within the time of a reading.
    pub(crate) fn ns_at(&self, instant: Instant) -> u64 {
        instant.saturating_duration_since(self.start).as_nanos() as u64
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
    /// What lanes noted of rows that they scored, since it was handed over.
    pub(crate) scored: RefCell<Vec<u8>>,
    /// Which requests are recorded as spans, where any are.
    pub(crate) tracer: Option<Tracer>,
    /// Whether the shard answers what it has accepted, and takes nothing else.
    pub(crate) draining: Cell<bool>,
}

impl ShardContext {
    pub(crate) fn new(
        telemetry: Arc<ShardTelemetry>,
        journal: Option<Journal>,
        tracer: Option<Tracer>,
    ) -> Self {
        let (scored, draining) = (RefCell::default(), Cell::default());
        Self { clock: Clock::start(), telemetry, journal, scored, tracer, draining }
    }

    pub(crate) fn counters(&self) -> &ShardCounters {
        &self.telemetry.counters
    }
}
