//! How a run goes, drawn from its seed before it begins.

use std::ops::Range;

use shards::batch::{BatchPolicy, Window};
use shards::executor::simulated::Pace;
use shards::shard::ShardSettings;

use crate::random::Random;

/// What a run is like.
#[derive(Debug, Clone)]
pub(crate) struct Conditions {
    pub(crate) pace: Pace,
    pub(crate) settings: ShardSettings,
    /// Whether fetches wait; else the store is a file of this machine.
    pub(crate) store_waits: bool,
    /// How long fetches take, in µs.
    pub(crate) fetch_us: Range<u64>,
    pub(crate) clients: u64,
    pub(crate) requests_each: u64,
    /// The mean pause between requests of a client, in µs.
    pub(crate) pause_us: u64,
    /// Whether the shard is told to stop while clients still ask.
    pub(crate) stops_early: bool,
    /// How many things happen to the store, the models and the clock.
    pub(crate) events: u64,
}

impl Conditions {
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5EED);
        let is_calm = random.below(3) == 0;
        let pace = Pace {
            turn_ns: if is_calm { 100..2_000 } else { 100..20_000 },
            stall_every: if is_calm { 0 } else { 200 + random.below(3_000) },
            stall_ns: 100_000..30_000_000,
        };
        let window = if random.below(4) == 0 { Window::Fixed } else { Window::Adaptive };
        let batch = BatchPolicy {
            window,
            batch_rows_max: 1 + random.below(16) as usize,
            delay_us_max: 100 + random.below(5_000),
            batches_in_flight_max: 1 + random.below(4) as usize,
            ..BatchPolicy::default()
        };
        let mut settings = ShardSettings { batch, ..ShardSettings::default() };
        if random.below(3) == 0 {
            settings.queue_rows_max = 1 + random.below(8) as usize;
        }
        settings.http.pipelined_requests_max = 1 + random.below(8) as usize;
        let least = random.below(500);
        Self {
            pace,
            settings,
            store_waits: random.below(2) == 0,
            fetch_us: least..least + 1 + random.below(4_000),
            clients: 1 + random.below(8),
            requests_each: 1 + random.below(20),
            pause_us: random.below(3) * random.below(2_000),
            stops_early: random.below(2) == 0,
            events: random.below(6),
        }
    }

    /// Whether nothing but the shard itself can delay a request.
    pub(crate) fn is_calm(&self) -> bool {
        self.pace.stall_every == 0
    }
}
