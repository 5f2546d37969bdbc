//! The lines of the tables of counters, for the page: all that `/metrics` shows of a shard.

use std::collections::BTreeMap;

use shards::telemetry::{
    ClusterGauges, Counter, Metric, MetricKind, ShardCounters, ShardTelemetry, StoreCounters,
};

/// What a shard has counted by some time, line by line in the order of the tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Vec<(&'static str, MetricKind, u64)>);

impl Lines {
    pub(super) fn of(telemetry: &ShardTelemetry) -> Self {
        let mut lines = Self::default();
        lines.add(ShardCounters::METRICS, &telemetry.counters);
        lines.add(StoreCounters::METRICS, &telemetry.store);
        lines.add(ClusterGauges::METRICS, &telemetry.store.cluster);
        lines
    }

    fn add<T>(&mut self, metrics: &[Metric<T>], counters: &T) {
        let sum = |cells: &[Counter]| cells.iter().map(Counter::get).sum();
        self.0.extend(metrics.iter().map(|it| (it.name, it.kind, sum((it.cells)(counters)))));
    }

    /// Adds to `seconds` what was counted since `last`, and the gauges as they are; zeros are left out.
    pub(super) fn add_since(&self, last: &Self, seconds: &mut BTreeMap<&'static str, u64>) {
        for ((name, kind, now), (_, _, before)) in self.0.iter().zip(&last.0) {
            let count = match kind {
                MetricKind::Counter => now.saturating_sub(*before),
                MetricKind::Gauge => *now,
            };
            if count > 0 {
                *seconds.entry(name).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shards::telemetry::ShardTelemetry;

    use super::Lines;

    #[test]
    fn a_second_has_what_was_counted_in_it_and_the_gauges_as_they_are() {
        let telemetry = ShardTelemetry::default();
        telemetry.counters.connections_accepted.add(4);
        telemetry.counters.connections_open.set(2);
        telemetry.store.keys[1].add(1);
        let last = Lines::of(&telemetry);
        telemetry.counters.connections_accepted.add(3);
        telemetry.store.keys[0].add(5);
        telemetry.store.keys[1].add(1);
        let mut seconds = BTreeMap::new();
        Lines::of(&telemetry).add_since(&last, &mut seconds);
        Lines::of(&telemetry).add_since(&last, &mut seconds);
        let expected = [
            ("shardgate_cluster_keys_total", 12),
            ("shardgate_connections", 4),
            ("shardgate_connections_accepted_total", 6),
        ];
        assert_eq!(seconds, BTreeMap::from(expected), "two shards that did the same");
    }
}
