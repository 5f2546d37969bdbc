//! Latency histograms on stderr, per shard and merged, since start and, but for the first print,
//! since the last one.

use std::io::Write;
use std::time::Duration;

use shards::telemetry::{HistogramCopies, Histograms, report};

use super::shard_thread::ShardHandle;

/// How long a shard may take to hand its histograms over; one that takes longer is named.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints reports, and remembers what the last one printed.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    last: Vec<Option<HistogramCopies>>,
}

impl Reporter {
    /// Prints every shard's histograms. The shards go on meanwhile.
    pub(crate) fn print(&mut self, shards: &[ShardHandle]) {
        self.last.resize_with(shards.len(), || None);
        let asked: Vec<_> = shards.iter().map(|shard| shard.shared.telemetry.ask()).collect();
        // At first both would say the same.
        let is_first = self.last.iter().all(Option::is_none);
        let mut merged = Histograms::default();
        let mut merged_since = Histograms::default();
        let more = if is_first { "" } else { " and since the last print" };
        let mut text = format!("shardgate latency report, since start{more}\n");
        for ((shard, asked), last) in shards.iter().zip(asked).zip(&mut self.last) {
            let title = format!("shard {} (core {})", shard.index, shard.core);
            let Some(copies) = asked.wait(PATIENCE) else {
                text.push_str(&title);
                text.push_str(": no answer within 1 s\n");
                continue;
            };
            let now = copies.merged();
            let since = copies.since(last.as_ref());
            merged.merge(&now);
            merged_since.merge(&since);
            report::write(&mut text, &format!("{title}, since start"), &now);
            if !is_first {
                report::write(&mut text, &format!("{title}, since the last print"), &since);
            }
            *last = Some(copies);
        }
        report::write(&mut text, "all shards, since start", &merged);
        if !is_first {
            report::write(&mut text, "all shards, since the last print", &merged_since);
        }
        // Where nobody reads any more there is nobody to tell.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}
