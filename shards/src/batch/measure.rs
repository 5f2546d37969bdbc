//! What a lane learns from a batch, and counts of it.

use super::decide::concurrency_limit;
use super::work::{Engine, Work};
use super::{Host, Lane};
use crate::features::Joined;
use crate::telemetry::Phase;

/// Records a batch that was fetched and computed, and learns from it.
pub(super) fn measure(lane: &Lane, engine: &Engine, host: &Host, work: &Work) {
    let (count, fetch_ns) = (work.rows.len(), work.fetch_ns);
    {
        let mut histograms = lane.histograms.borrow_mut();
        histograms.record(Phase::Features, fetch_ns, count as u64);
        histograms.record(Phase::Model, work.compute_ns, count as u64);
        histograms.record_batch(count as u64);
    }
    {
        let mut known = lane.estimates.borrow_mut();
        // A server's computation is waited for like a fetch.
        let asked_ns = if engine.remote.is_some() { work.compute_ns } else { 0 };
        let waited_ns = fetch_ns + asked_ns;
        known.fetch.observe(count, work.others, waited_ns);
        if !engine.is_immediate() {
            known.contention.observe(count, work.demand, work.others_mean, waited_ns);
            lane.counters()
                .concurrency_limit
                .set(concurrency_limit(&known, &lane.settings.policy) as u64);
        }
        known.drain.observe(count, lane.waiting_rows(), host.now_ns());
    }
    let counters = lane.counters();
    counters.features_ns.add(fetch_ns);
    counters.model_ns.add(work.compute_ns);
    counters.last_batch_ms.set((work.joined.now_us / 1_000) as u64);
    observe(lane, &work.joined);
}

/// Counts what the features of a batch were like.
fn observe(lane: &Lane, joined: &Joined) {
    let counters = lane.counters();
    counters.keys_fetched.add(joined.keys_fetched);
    for (column, defaulted) in joined.defaulted_by_column.iter().enumerate() {
        if *defaulted > 0 {
            counters.cells_defaulted.get(column).add(*defaulted);
        }
    }
    for (_, column) in &joined.unknown_cells {
        counters.texts_unknown.get(*column as usize).add(1);
    }
    {
        let mut histograms = lane.histograms.borrow_mut();
        for age_s in joined.ages_s() {
            histograms.record_feature_age(age_s);
        }
    }
    for entity in 0..counters.entity_ages.len() {
        let (rows, age_s) =
            joined.ages_of(entity).fold((0, 0), |(rows, all), age_s| (rows + 1, all + age_s));
        counters.entity_ages.get(entity).add(rows);
        counters.entity_age_s.get(entity).add(age_s);
    }
    for (entity, waited) in joined.waits() {
        counters.entity_waits.get(*entity).add(1);
        counters.entity_wait_ns.get(*entity).add(waited.as_nanos() as u64);
    }
    let batches = counters.batches.get();
    counters.batches.set(batches + 1);
    let row = lane.drift_sample.of_batch(batches, joined.outcomes.len(), joined.now_us);
    if let Some(row) = row.filter(|row| joined.outcomes[*row].last_updated_us.is_some()) {
        lane.telemetry().sample(|column| joined.matrix.get(row, column));
    }
}
