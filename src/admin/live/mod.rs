//! The live page's data: a second at a time, kept for some minutes, sent as server-sent events.
//!
//! A [`sampler`] thread looks at the shards each second, whether a page is open or not, so that a
//! page shows the last minutes at once. A [`look`] is what all shards had counted at one time; a
//! [`second`] is what lies between two of them, with [`models`], their [`answers`] and the tables of
//! [`counters`] in it. It also notices a shard that stands still and a [`store`] that does not answer.
//!
//! What is *not* here: the page itself, which is `page.html`.

mod answers;
mod counters;
mod drift;
mod look;
mod models;
mod sampler;
mod second;
mod store;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use shards::provenance::FeatureStatus;

pub(super) use self::sampler::start;
use self::second::Second;
use self::store::StoreSecond;
use super::health::Health;
use super::stream::Stream;
use super::{AdminState, ShardView, routes};

/// How many seconds are kept.
const SECONDS_MAX: usize = 300;
/// Counters that were read as good as together tell no rate.
const ELAPSED_S_MIN: f64 = 1e-3;
/// A fault of the store counts for so many seconds.
const FAULT_SECONDS: usize = 10;
/// A shard that has stood still for so long will not come back by itself.
const STALLED: Duration = Duration::from_secs(10);
/// How long a stream waits for the next second before it looks whether its client is there.
const STREAM_PATIENCE: Duration = Duration::from_secs(5);

/// What the last seconds were like.
#[derive(Debug)]
pub(super) struct Live {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Debug)]
struct Seen {
    /// The number of the newest second.
    number: u64,
    seconds: VecDeque<Second>,
    /// How far scores and features have moved, as pages read it.
    drift: Arc<str>,
    /// When each shard's heart was last seen to beat.
    beats: Vec<Instant>,
}

impl Live {
    /// Nothing seen yet.
    pub(super) fn new(shards: &[ShardView]) -> Self {
        let beats = shards.iter().map(|_| Instant::now()).collect();
        let seen = Seen { number: 0, seconds: VecDeque::new(), drift: "[]".into(), beats };
        Self { seen: Mutex::new(seen), changed: Condvar::new() }
    }

    #[expect(clippy::disallowed_methods, reason = "threads of the admin port, not a shard's")]
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, second: Second, beating: &[bool]) {
        let mut seen = self.lock();
        seen.number += 1;
        if seen.seconds.len() >= SECONDS_MAX {
            seen.seconds.pop_front();
        }
        seen.seconds.push_back(second);
        let now = Instant::now();
        for (beat, beating) in seen.beats.iter_mut().zip(beating) {
            if *beating {
                *beat = now;
            }
        }
        drop(seen);
        self.changed.notify_all();
    }

    fn set_drift(&self, text: String) {
        self.lock().drift = text.into();
    }

    /// How far scores and features have moved.
    fn drift(&self) -> Arc<str> {
        Arc::clone(&self.lock().drift)
    }

    /// The seconds after number `after`, and the number of the newest; none if nothing new came.
    fn since(&self, after: u64) -> (Vec<Arc<str>>, u64) {
        let seen = self.lock();
        let (seen, _) = self
            .changed
            .wait_timeout_while(seen, STREAM_PATIENCE, |seen| seen.number == after)
            .unwrap_or_else(PoisonError::into_inner);
        let new = (seen.number - after).min(seen.seconds.len() as u64) as usize;
        let texts = seen.seconds.iter().skip(seen.seconds.len() - new);
        (texts.map(|second| Arc::clone(&second.text)).collect(), seen.number)
    }
}

/// The shards that have stood still for so long that only a restart helps.
pub(super) fn stalled_shards(state: &AdminState) -> Vec<usize> {
    if !state.is_serving() || state.shutdown.is_begun() {
        return Vec::new();
    }
    let seen = state.live.lock();
    let stalled = seen.beats.iter().enumerate();
    stalled.filter(|(_, beat)| beat.elapsed() > STALLED).map(|(index, _)| index).collect()
}

/// How answers of the last seconds were worse than with a store that answers; none where they were
/// not.
pub(super) fn store_faults(state: &AdminState) -> Vec<String> {
    let seen = state.live.lock();
    let mut last = seen.seconds.iter().rev().take(FAULT_SECONDS);
    let mut sum = StoreSecond::default();
    // Whether nodes are connected is of this moment, not of the last ten seconds.
    if let Some(newest) = last.next() {
        sum.add(&newest.store);
    }
    for second in last {
        sum.add(&StoreSecond { disconnected: Vec::new(), ..second.store.clone() });
    }
    sum.faults()
}

/// Sends what was seen, and then each second, until the client goes away or the gateway drains.
pub(super) fn stream(stream: &mut Stream<'_>, state: &AdminState) -> io::Result<()> {
    super::reply::write_event_stream_head(stream)?;
    let mut after = 0;
    // What was last sent of what changes seldom.
    let mut sent = [Arc::from(""), Arc::from("")];
    loop {
        let (seconds, number) = state.live.since(after);
        let mut out = String::new();
        for second in &seconds {
            push_event(&mut out, "second", second);
        }
        let seldom = [status(state).to_string().into(), state.live.drift()];
        for ((name, now), sent) in ["status", "drift"].iter().zip(seldom).zip(&mut sent) {
            if now != *sent {
                push_event(&mut out, name, &now);
                *sent = now;
            }
        }
        if out.is_empty() {
            // A comment: what tells that the client went away is a write that fails.
            out.push_str(":\n\n");
        }
        stream.write_all(out.as_bytes())?;
        after = number;
    }
}

/// Adds an event whose data is on one line.
fn push_event(out: &mut String, name: &str, data: &str) {
    for part in ["event: ", name, "\ndata: ", data, "\n\n"] {
        out.push_str(part);
    }
}

/// What changes seldom: models, recent errors, readiness.
fn status(state: &AdminState) -> serde_json::Value {
    let mut models = Vec::new();
    for shard in &state.shards {
        for lane in shard.shared.telemetry.lanes() {
            models.push(json!({
                "shard": shard.index,
                "model": lane.facts.model,
                // As text: a script's numbers are exact to 2⁵³ only.
                "version": lane.facts.version.to_string(),
                "role": lane.facts.role.as_str(),
                "kernel": lane.facts.description.kernel,
                "columns": lane.facts.columns.len(),
                "load_ms": lane.facts.load_ns as f64 / 1e6,
                "retired": lane.is_retired(),
                "has_probabilities": lane.facts.has_probabilities,
                "score_shares": lane.facts.score_shares,
                "decisions": lane.facts.decisions,
                "rules": lane.facts.rules,
                "reasons": lane.facts.reasons,
                "entities": lane.facts.entities,
            }));
        }
    }
    let health = Health::of(state);
    json!({
        "version": routes::version(),
        // In the order in which a second counts an entity's rows.
        "statuses": FeatureStatus::ALL.map(FeatureStatus::as_str),
        "serving": state.is_serving(),
        "draining": state.shutdown.is_begun(),
        "started_s": state.started_s,
        "store": state.store.describe(),
        "shards": state.shards.iter().map(|shard| json!({"index": shard.index, "core": shard.core})).collect::<Vec<_>>(),
        "models": models,
        "unfit": health.unfit,
        "store_faults": health.store_faults,
        "events": state.log.recent(),
    })
}
