//! What is said of the answers of each version: decisions, rules, reasons, and how its scores are spread.

use super::buckets::Buckets;
use super::lanes::ScrapedLane;
use super::text::{Exposition, Kind};

/// Writes the families of answers.
pub(super) fn write(text: &mut Exposition, lanes: &[ScrapedLane<'_>]) {
    let help = "Rows answered, by their decision.";
    text.family("shardgate_decisions_total", Kind::Counter, help);
    for lane in lanes {
        let (facts, counters) = (&lane.telemetry.facts, &lane.telemetry.counters);
        for (place, decision) in facts.decisions.iter().enumerate() {
            let count = counters.decisions.get(place).get();
            text.count(&lane.labels_and("decision", decision), count);
        }
    }
    let help = "Reasons given, by their code.";
    text.family("shardgate_reasons_total", Kind::Counter, help);
    for lane in lanes {
        let (facts, counters) = (&lane.telemetry.facts, &lane.telemetry.counters);
        for (place, code) in facts.reasons.iter().enumerate() {
            text.count(&lane.labels_and("reason", code), counters.reasons.get(place).get());
        }
    }
    let help = "Rows that a rule decided, by the rule.";
    text.family("shardgate_rules_total", Kind::Counter, help);
    for lane in lanes {
        let (facts, counters) = (&lane.telemetry.facts, &lane.telemetry.counters);
        for (place, rule) in facts.rules.iter().enumerate() {
            text.count(&lane.labels_and("rule", rule), counters.rules.get(place).get());
        }
    }
    let help = "Scores that are probabilities.";
    text.family("shardgate_score", Kind::Histogram, help);
    for lane in lanes.iter().filter(|lane| lane.telemetry.facts.has_probabilities) {
        // A shadow's rows are answered by nobody.
        if !lane.is_shadow() {
            text.histogram(&lane.labels(), &Buckets::of_scores(&lane.telemetry.counters));
        }
    }
}
