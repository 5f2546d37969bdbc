//! What is said of the entities of models that have several.

use shards::provenance::FeatureStatus;

use super::lanes::ScrapedLane;
use super::text::{Exposition, Kind};

/// What the features of each entity stood on, how old they were, and how long they were waited for, of
/// models with several.
pub(super) fn write(text: &mut Exposition, lanes: &[ScrapedLane<'_>]) {
    let entities = || lanes.iter().flat_map(entities_of);
    let help = "Rows scored, by what the features of each entity stood on.";
    text.family("shardgate_entity_rows_total", Kind::Counter, help);
    for (lane, place, entity) in entities() {
        for status in FeatureStatus::ALL {
            let count = lane.telemetry.entity_rows(place, status).get();
            let mut labels = lane.labels_and("entity", entity).to_vec();
            labels.push(("features", status.as_str()));
            text.count(&labels, count);
        }
    }
    let help = "Ages of the features that rows were joined from, summed by entity.";
    text.family("shardgate_entity_age_seconds_total", Kind::Counter, help);
    for (lane, place, entity) in entities() {
        let age_s = lane.telemetry.counters.entity_age_s.get(place).get();
        text.count(&lane.labels_and("entity", entity), age_s);
    }
    let help = "Rows whose ages were summed, by entity.";
    text.family("shardgate_entity_ages_total", Kind::Counter, help);
    for (lane, place, entity) in entities() {
        let rows = lane.telemetry.counters.entity_ages.get(place).get();
        text.count(&lane.labels_and("entity", entity), rows);
    }
    let help = "The time that batches waited for the table of an entity, summed.";
    text.family("shardgate_entity_wait_seconds_total", Kind::Counter, help);
    for (lane, place, entity) in entities() {
        let waited_ns = lane.telemetry.counters.entity_wait_ns.get(place).get();
        text.value(&lane.labels_and("entity", entity), waited_ns as f64 / 1e9);
    }
    let help = "Batches that waited for the table of an entity.";
    text.family("shardgate_entity_waits_total", Kind::Counter, help);
    for (lane, place, entity) in entities() {
        let batches = lane.telemetry.counters.entity_waits.get(place).get();
        text.count(&lane.labels_and("entity", entity), batches);
    }
}

fn entities_of<'a>(
    lane: &'a ScrapedLane<'a>,
) -> impl Iterator<Item = (&'a ScrapedLane<'a>, usize, &'a String)> {
    let entities = lane.telemetry.facts.entities.iter().enumerate();
    entities.map(move |(place, entity)| (lane, place, entity))
}
