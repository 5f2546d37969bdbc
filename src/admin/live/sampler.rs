//! Looks at the shards once a second.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shards::telemetry::HistogramCopies;

use super::drift;
use super::look::Look;
use super::second::Second;
use crate::admin::{AdminState, copies_of};

const INTERVAL: Duration = Duration::from_secs(1);
/// How many looks lie between two of the drift window's.
const LOOKS_A_MINUTE: u64 = 60;
/// How many looks lie between two that tell pages of drift.
const LOOKS_A_DRIFT: u64 = 10;

/// Starts the thread that looks.
pub(in crate::admin) fn start(state: &Arc<AdminState>) {
    let state = Arc::clone(state);
    let thread = std::thread::Builder::new().name("admin-sampler".to_owned());
    // Without it the page stays empty; everything else works.
    if let Err(error) = thread.spawn(move || look_forever(&state)) {
        tracing::error!(%error, "the live page's thread could not be started");
    }
}

/// What is known from the last look.
struct Known {
    look: Look,
    /// Of each shard.
    copies: Vec<Option<HistogramCopies>>,
    heartbeats: Vec<u64>,
}

fn look_forever(state: &AdminState) {
    let mut last = Known {
        look: Look::at(&state.shards),
        copies: state.shards.iter().map(|_| None).collect(),
        heartbeats: heartbeats(state),
    };
    let mut next = Instant::now() + INTERVAL;
    for look in 0_u64.. {
        std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
        next = Instant::now().max(next) + INTERVAL;
        look_once(state, &mut last);
        if look % LOOKS_A_MINUTE == 0 {
            look_at_drift(state);
        }
        if look % LOOKS_A_DRIFT == 0 {
            tell_drift(state);
        }
        state.log.tell_suppressed();
        state.shards.iter().for_each(|shard| shard.shared.telemetry.fold());
    }
}

fn heartbeats(state: &AdminState) -> Vec<u64> {
    let beat = |shard: &crate::admin::ShardView| shard.shared.telemetry.counters.heartbeat.get();
    state.shards.iter().map(beat).collect()
}

fn look_once(state: &AdminState, last: &mut Known) {
    // Before they serve, shards answer nobody.
    let serving = state.is_serving();
    let copies = if serving {
        copies_of(&state.shards)
    } else {
        state.shards.iter().map(|_| None).collect()
    };
    let look = Look::at(&state.shards);
    let heartbeats = heartbeats(state);
    let time_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut second = Second::begin(time_s, look.elapsed_s(&last.look));
    let counted = look.shards.iter().zip(&last.look.shards);
    let copied = copies.into_iter().zip(&mut last.copies);
    for ((shard, (now, before)), (copies, known)) in state.shards.iter().zip(counted).zip(copied) {
        let since = copies.as_ref().map(|copies| copies.since(known.as_ref()));
        second.add(shard, now, before, since.as_ref());
        // A shard that did not answer now is compared with its last answer when it does.
        if let Some(copies) = copies {
            second.add_models(&copies, known.as_ref());
            *known = Some(copies);
        }
    }
    let beats = heartbeats.iter().zip(&last.heartbeats);
    let beating: Vec<_> = beats.map(|(now, before)| !serving || now != before).collect();
    last.look = look;
    last.heartbeats = heartbeats;
    state.live.push(second.finish(), &beating);
}

#[expect(clippy::disallowed_methods, reason = "a thread of the admin port, not a shard's")]
fn look_at_drift(state: &AdminState) {
    let lanes: Vec<_> =
        state.shards.iter().flat_map(|shard| shard.shared.telemetry.lanes()).collect();
    let mut drift = state.drift.lock().unwrap_or_else(PoisonError::into_inner);
    drift.look(lanes.iter().map(AsRef::as_ref));
}

/// Tells pages how far scores and features have moved.
#[expect(clippy::disallowed_methods, reason = "a thread of the admin port, not a shard's")]
fn tell_drift(state: &AdminState) {
    let lanes: Vec<_> =
        state.shards.iter().flat_map(|shard| shard.shared.telemetry.lanes()).collect();
    let serving = lanes.iter().filter(|lane| !lane.is_retired());
    let drift = state.drift.lock().unwrap_or_else(PoisonError::into_inner);
    let indices = drift.indices(serving.map(AsRef::as_ref));
    drop(drift);
    state.live.set_drift(drift::text(&indices));
}
