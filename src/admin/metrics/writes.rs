//! What was written to the feature store.

use super::text::{Exposition, Kind};
use crate::serve::writes::counters::WriteCounters;

/// Zeros where nothing can be written.
pub(super) fn write(text: &mut Exposition, counters: Option<&WriteCounters>) {
    let get = |choose: fn(&WriteCounters) -> u64| counters.map_or(0, choose);
    let help = "Requests to write features, by what became of them.";
    text.family("shardgate_writes_total", Kind::Counter, help);
    for (outcome, count) in [
        ("written", get(|it| it.written.get())),
        ("repeated", get(|it| it.repeated.get())),
        ("refused", get(|it| it.refused.get())),
        ("failed", get(|it| it.failed.get())),
    ] {
        text.count(&[("outcome", outcome)], count);
    }
    let help = "Scored requests as events of aggregates, by whether they were counted.";
    text.family("shardgate_scored_events_total", Kind::Counter, help);
    text.count(&[("outcome", "counted")], get(|it| it.scored_events.get()));
    text.count(&[("outcome", "lost")], get(|it| it.lost_events.get()));
    let seconds = get(|it| it.commit_ns.get()) as f64 / 1e9;
    let help = "Time that commits of writes took.";
    text.family("shardgate_write_commit_seconds_total", Kind::Counter, help);
    text.value(&[], seconds);
    for (name, kind, help, count) in [
        (
            "shardgate_rows_written_total",
            Kind::Counter,
            "Rows that requests wrote or removed, and events.",
            get(|it| it.rows.get()),
        ),
        (
            "shardgate_write_bytes_total",
            Kind::Counter,
            "Bytes of rows that were written.",
            get(|it| it.bytes.get()),
        ),
        (
            "shardgate_write_commits_total",
            Kind::Counter,
            "Commits of writes, each of all requests that waited.",
            get(|it| it.commits.get()),
        ),
        (
            "shardgate_write_merges_total",
            Kind::Counter,
            "Logs of changes that were merged into the file of their table.",
            get(|it| it.merges.get()),
        ),
        (
            "shardgate_write_log_bytes",
            Kind::Gauge,
            "Bytes of the logs of changes that are not merged.",
            get(|it| it.log_bytes.get()),
        ),
    ] {
        text.family(name, kind, help);
        text.count(&[], count);
    }
}
