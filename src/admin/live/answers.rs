//! What each version answered in a second: scores by their size, decisions, rules, reasons.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use shards::facts::Role;
use shards::telemetry::cells::Cells;
use shards::telemetry::{Counter, LaneTelemetry, ShardTelemetry};

/// What the lanes of a shard had counted at some time.
#[derive(Debug, Clone, Default)]
pub(super) struct Answered(Vec<(Arc<LaneTelemetry>, Counts)>);

/// What one version has counted, or counted in a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Counts {
    /// Rows scored.
    rows: u64,
    /// Those of them that a rule decided before the model: they have no score.
    rows_decided: u64,
    /// The sum of the scores.
    scores_sum: f64,
    /// Rows by their score, in the parts of 0 to 1; empty where scores are no probabilities.
    scores: Vec<u64>,
    /// Rows by their decision, in the order of the facts'.
    decisions: Vec<u64>,
    /// Rows that each rule decided, in the order of the facts'.
    rules: Vec<u64>,
    /// Rows explained.
    explained: u64,
    /// How often each reason was given, in the order of the facts'.
    reasons: Vec<u64>,
    /// Of a model with several entities what the features of each stood on, in the order of the facts':
    /// rows by `FeatureStatus::ALL`.
    entity_rows: Vec<u64>,
    /// How old the features of each were, in seconds, summed over `entity_ages` rows.
    entity_age_s: Vec<u64>,
    entity_ages: Vec<u64>,
    /// How long batches waited for the table of each, in µs, summed over `entity_waits` batches.
    entity_wait_us: Vec<u64>,
    entity_waits: Vec<u64>,
}

/// What each version answered in a second, over all shards; those that answered nothing are left out.
#[derive(Debug, Default)]
pub(super) struct AnswerSeconds(Vec<(Arc<LaneTelemetry>, Counts)>);

impl Answered {
    /// What the lanes that serve have counted by now.
    pub(super) fn of(telemetry: &ShardTelemetry) -> Self {
        let serving = telemetry.lanes().into_iter().filter(|lane| !lane.is_retired());
        Self(serving.map(|lane| (Arc::clone(&lane), Counts::of(&lane))).collect())
    }

    /// What `lane` had counted: nothing where it was not there.
    fn find(&self, lane: &Arc<LaneTelemetry>) -> Counts {
        let found = self.0.iter().find(|(known, _)| Arc::ptr_eq(known, lane));
        found.map(|(_, counts)| counts.clone()).unwrap_or_default()
    }
}

impl Counts {
    fn of(lane: &LaneTelemetry) -> Self {
        let counters = &lane.counters;
        let all = |cells: &Cells| -> Vec<u64> {
            (0..cells.len()).map(|place| cells.get(place).get()).collect()
        };
        let rows = counters.rows.iter().map(Counter::get).sum::<u64>();
        Self {
            rows: rows + counters.rows_own_features.get(),
            rows_decided: counters.rows_decided.get(),
            scores_sum: counters.scores_sum.get(),
            scores: all(&counters.scores),
            decisions: all(&counters.decisions),
            rules: all(&counters.rules),
            explained: counters.rows_explained.get(),
            reasons: all(&counters.reasons),
            entity_rows: all(&counters.entity_rows),
            entity_age_s: all(&counters.entity_age_s),
            entity_ages: all(&counters.entity_ages),
            entity_wait_us: all(&counters.entity_wait_ns).iter().map(|ns| ns / 1_000).collect(),
            entity_waits: all(&counters.entity_waits),
        }
    }

    /// What was counted since `earlier`.
    fn since(&self, earlier: &Self) -> Self {
        let grown = |now: &[u64], before: &[u64]| {
            let before = before.iter().copied().chain(std::iter::repeat(0));
            now.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect()
        };
        Self {
            rows: self.rows.saturating_sub(earlier.rows),
            rows_decided: self.rows_decided.saturating_sub(earlier.rows_decided),
            scores_sum: self.scores_sum - earlier.scores_sum,
            scores: grown(&self.scores, &earlier.scores),
            decisions: grown(&self.decisions, &earlier.decisions),
            rules: grown(&self.rules, &earlier.rules),
            explained: self.explained.saturating_sub(earlier.explained),
            reasons: grown(&self.reasons, &earlier.reasons),
            entity_rows: grown(&self.entity_rows, &earlier.entity_rows),
            entity_age_s: grown(&self.entity_age_s, &earlier.entity_age_s),
            entity_ages: grown(&self.entity_ages, &earlier.entity_ages),
            entity_wait_us: grown(&self.entity_wait_us, &earlier.entity_wait_us),
            entity_waits: grown(&self.entity_waits, &earlier.entity_waits),
        }
    }

    /// Adds what another shard counted for the same version.
    fn add(&mut self, other: &Self) {
        let add = |sums: &mut Vec<u64>, more: &[u64]| {
            sums.resize(sums.len().max(more.len()), 0);
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        };
        self.rows += other.rows;
        self.rows_decided += other.rows_decided;
        self.scores_sum += other.scores_sum;
        self.explained += other.explained;
        add(&mut self.scores, &other.scores);
        add(&mut self.decisions, &other.decisions);
        add(&mut self.rules, &other.rules);
        add(&mut self.reasons, &other.reasons);
        add(&mut self.entity_rows, &other.entity_rows);
        add(&mut self.entity_age_s, &other.entity_age_s);
        add(&mut self.entity_ages, &other.entity_ages);
        add(&mut self.entity_wait_us, &other.entity_wait_us);
        add(&mut self.entity_waits, &other.entity_waits);
    }
}

impl AnswerSeconds {
    /// Adds what a shard answered between two looks.
    pub(super) fn add(&mut self, now: &Answered, last: &Answered) {
        for (lane, counts) in &now.0 {
            let since = counts.since(&last.find(lane));
            if since.rows == 0 {
                continue;
            }
            let key = |lane: &LaneTelemetry| {
                (lane.facts.model.clone(), lane.facts.version, lane.facts.role)
            };
            let known = self.0.iter().position(|(known, _)| key(known) == key(lane));
            match known {
                Some(place) => self.0[place].1.add(&since),
                None => self.0.push((Arc::clone(lane), since)),
            }
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    model: &'a str,
    version: u64,
    #[serde(flatten)]
    counts: &'a Counts,
}

impl Serialize for AnswerSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A shadow answers nobody.
        let answering = self.0.iter().filter(|(lane, _)| lane.facts.role != Role::Shadow);
        serializer.collect_seq(answering.map(|(lane, counts)| Shown {
            model: &lane.facts.model,
            version: lane.facts.version,
            counts,
        }))
    }
}

#[cfg(test)]
mod tests {
    use shards::telemetry::LaneFacts;

    use super::*;

    fn lane(role: Role) -> Arc<LaneTelemetry> {
        Arc::new(LaneTelemetry::new(LaneFacts {
            model: "model".to_owned(),
            version: 1,
            role,
            decisions: vec!["yes".to_owned(), "no".to_owned()],
            reasons: vec!["AA07".to_owned()],
            has_probabilities: true,
            ..LaneFacts::default()
        }))
    }

    fn score(lane: &LaneTelemetry, bin: usize, decision: usize) {
        lane.counters.rows[0].add(1);
        lane.counters.scores.get(bin).add(1);
        lane.counters.scores_sum.add(0.5);
        lane.counters.decisions.get(decision).add(1);
    }

    fn look(lanes: &[&Arc<LaneTelemetry>]) -> Answered {
        let copy = |lane: &&Arc<LaneTelemetry>| (Arc::clone(lane), Counts::of(lane));
        Answered(lanes.iter().map(copy).collect())
    }

    #[test]
    fn a_second_has_what_all_shards_answered_since_the_last_look() {
        let (first, second) = (lane(Role::Stable), lane(Role::Stable));
        score(&first, 3, 0);
        let before = look(&[&first]);
        score(&first, 3, 1);
        score(&second, 19, 1);
        second.counters.rows_explained.add(1);
        second.counters.reasons.get(0).add(1);
        let mut seconds = AnswerSeconds::default();
        seconds.add(&look(&[&first]), &before);
        seconds.add(&look(&[&second]), &Answered::default());
        let shown = serde_json::to_value(&seconds).expect("JSON");
        let found = &shown[0];
        assert_eq!(shown.as_array().map(Vec::len), Some(1), "{shown}");
        assert_eq!((&found["rows"], &found["scores_sum"]), (&2.into(), &1.0.into()));
        assert_eq!((&found["scores"][3], &found["scores"][19]), (&1.into(), &1.into()));
        assert_eq!(found["decisions"], serde_json::json!([0, 2]));
        assert_eq!((&found["explained"], &found["reasons"][0]), (&1.into(), &1.into()));
    }

    #[test]
    fn a_shadow_and_an_idle_version_are_left_out() {
        let (idle, shadow) = (lane(Role::Stable), lane(Role::Shadow));
        score(&shadow, 1, 0);
        let mut seconds = AnswerSeconds::default();
        seconds.add(&look(&[&idle, &shadow]), &Answered::default());
        assert_eq!(serde_json::to_string(&seconds).expect("JSON"), "[]");
    }
}
