//! What the shards have counted by some time: all counters, with one reading of the clock.

use std::time::{Duration, Instant};

use shards::failure::FaultReason;
use shards::telemetry::{Counter, LaneCounts};

use super::answers::Answered;
use super::counters::Lines;
use crate::admin::{ShardView, metrics};

/// A look that took longer says too little of when each counter was read.
const LOOK_MAX: Duration = Duration::from_millis(2);
/// So often a look is tried again.
const TRIES_MAX: usize = 5;

/// The counters of all shards at some time.
#[derive(Debug)]
pub(super) struct Look {
    /// That time. Rates are counts by what lies between the times of two looks.
    pub(super) at: Instant,
    /// What each shard had counted.
    pub(super) shards: Vec<Counted>,
}

/// What a shard had counted at some time.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) responses: Vec<u64>,
    pub(super) features: Vec<u64>,
    pub(super) failed: Vec<u64>,
    pub(super) cpu_s: f64,
    pub(super) features_ns: u64,
    pub(super) model_ns: u64,
    pub(super) statements_failed: [u64; FaultReason::ALL.len()],
    pub(super) damaged: u64,
    pub(super) is_disconnected: bool,
    pub(super) lines: Lines,
    pub(super) answered: Answered,
}

impl Look {
    /// What `shards` have counted by now.
    pub(super) fn at(shards: &[ShardView]) -> Self {
        let read = || shards.iter().map(Counted::of).collect();
        let (at, shards) = timed(read, Instant::now);
        Self { at, shards }
    }

    /// How long before it `earlier` was, in seconds.
    pub(super) fn elapsed_s(&self, earlier: &Self) -> f64 {
        self.at.saturating_duration_since(earlier.at).as_secs_f64().max(super::ELAPSED_S_MIN)
    }
}

/// What `read` gives, and when: the middle of the time that it took. It is read again where that was
/// long, as the thread has a low priority, and shards that are busy keep it from running for longer
/// than a second's rates would bear.
fn timed<T>(mut read: impl FnMut() -> T, mut clock: impl FnMut() -> Instant) -> (Instant, T) {
    let mut tried = 1;
    loop {
        let begin = clock();
        let found = read();
        let took = clock().saturating_duration_since(begin);
        if took <= LOOK_MAX || tried == TRIES_MAX {
            return (begin + took / 2, found);
        }
        tried += 1;
    }
}

impl Counted {
    /// What `shard` has counted by now.
    pub(super) fn of(shard: &ShardView) -> Self {
        let telemetry = &shard.shared.telemetry;
        // Of all versions there were, as those that are gone take their own counts along.
        let LaneCounts { rows, rows_failed, features_ns, model_ns, .. } = telemetry.total().counts;
        Self {
            responses: telemetry.counters.responses.iter().map(Counter::get).collect(),
            features: rows.to_vec(),
            failed: rows_failed.to_vec(),
            cpu_s: metrics::thread_cpu_s(telemetry.counters.thread_id.get()).unwrap_or(0.0),
            features_ns,
            model_ns,
            statements_failed: std::array::from_fn(|reason| {
                telemetry.store.statements_failed[reason].get()
            }),
            damaged: telemetry.store.damaged.get(),
            is_disconnected: telemetry.store.is_cluster()
                && telemetry.store.cluster.nodes_connected.get() == 0,
            lines: Lines::of(telemetry),
            answered: Answered::of(telemetry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that is as far on at each reading.
    fn clock(steps_ms: &[u64]) -> impl FnMut() -> Instant {
        let start = Instant::now();
        let times: Vec<_> = steps_ms.iter().map(|ms| start + Duration::from_millis(*ms)).collect();
        let mut times = times.into_iter();
        move || times.next().expect("no further reading")
    }

    #[test]
    fn the_time_is_amid_the_reading_of_the_counters() {
        let mut read = 0;
        let mut clock = clock(&[0, 0, 2]);
        let start = clock();
        let (at, found) = timed(
            || {
                read += 1;
                read
            },
            clock,
        );
        assert_eq!((at.duration_since(start), found), (Duration::from_millis(1), 1));
    }

    /// 900 ms pass between the clock and the counters: their rate would be nearly twice what it is.
    #[test]
    fn a_look_that_was_kept_from_running_is_made_again() {
        let mut read = 0;
        let mut clock = clock(&[0, 0, 900, 900, 901]);
        let start = clock();
        let (at, found) = timed(
            || {
                read += 1;
                read
            },
            clock,
        );
        assert_eq!((at.duration_since(start), found), (Duration::from_micros(900_500), 2));
    }

    #[test]
    fn a_look_that_never_is_short_is_taken_as_it_is() {
        let mut read = 0;
        let mut now = Instant::now();
        let clock = || {
            now += Duration::from_secs(1);
            now
        };
        let (_, found) = timed(
            || {
                read += 1;
                read
            },
            clock,
        );
        assert_eq!(found, TRIES_MAX);
    }
}
