//! Looks at the shards once a second.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shards::telemetry::HistogramCopies;

use super::second::{Counted, Second};
use crate::admin::{AdminState, ShardView, copies_of};

const INTERVAL: Duration = Duration::from_secs(1);
/// How many looks lie between two of the drift window's.
const LOOKS_A_MINUTE: u64 = 60;

/// Starts the thread that looks.
pub(in crate::admin) fn start(state: &Arc<AdminState>) {
    let state = Arc::clone(state);
    let thread = std::thread::Builder::new().name("admin-sampler".to_owned());
    // Without it the page stays empty; everything else works.
    if let Err(error) = thread.spawn(move || look_forever(&state)) {
        tracing::error!(%error, "the live page's thread could not be started");
    }
}

/// What is known of a shard from the last look.
struct Known {
    copies: Option<HistogramCopies>,
    counted: Counted,
    heartbeat: u64,
}

impl Known {
    fn now(shard: &ShardView, copies: Option<HistogramCopies>) -> Self {
        Self {
            copies,
            counted: Counted::of(shard),
            heartbeat: shard.shared.telemetry.counters.heartbeat.get(),
        }
    }
}

fn look_forever(state: &AdminState) {
    let mut last: Vec<Known> = state.shards.iter().map(|shard| Known::now(shard, None)).collect();
    let mut next = Instant::now() + INTERVAL;
    for look in 0_u64.. {
        std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
        next = Instant::now().max(next) + INTERVAL;
        look_once(state, &mut last);
        if look % LOOKS_A_MINUTE == 0 {
            look_at_drift(state);
        }
        state.log.tell_suppressed();
        state.shards.iter().for_each(|shard| shard.shared.telemetry.fold());
    }
}

fn look_once(state: &AdminState, last: &mut [Known]) {
    // Before they serve, shards answer nobody.
    let serving = state.is_serving();
    let copies = if serving {
        copies_of(&state.shards)
    } else {
        state.shards.iter().map(|_| None).collect()
    };
    let time_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut second = Second::begin(time_s);
    let mut beating = Vec::with_capacity(state.shards.len());
    for ((shard, last), copies) in state.shards.iter().zip(last).zip(copies) {
        let now = Known::now(shard, copies);
        beating.push(!serving || now.heartbeat != last.heartbeat);
        let since = now.copies.as_ref().map(|copies| copies.since(last.copies.as_ref()));
        second.add(shard, &now.counted, &last.counted, since.as_ref());
        if let Some(copies) = &now.copies {
            second.add_models(copies, last.copies.as_ref());
        }
        // A shard that did not answer now is compared with its last answer when it does.
        let copies = now.copies.or_else(|| last.copies.take());
        *last = Known { copies, ..now };
    }
    state.live.push(second.finish(), &beating);
}

#[expect(clippy::disallowed_methods, reason = "a thread of the admin port, not a shard's")]
fn look_at_drift(state: &AdminState) {
    let lanes: Vec<_> =
        state.shards.iter().flat_map(|shard| shard.shared.telemetry.lanes()).collect();
    let mut drift = state.drift.lock().unwrap_or_else(PoisonError::into_inner);
    drift.look(lanes.iter().map(AsRef::as_ref));
}
