//! What was written, for `/metrics`; counted by the writing thread alone.

use std::time::Duration;

use shards::features::embedded::Committed;
use shards::telemetry::Counter;

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct WriteCounters {
    /// Requests whose rows were written.
    pub(crate) written: Counter,
    /// Requests that had been written before.
    pub(crate) repeated: Counter,
    /// Requests with something wrong in them.
    pub(crate) refused: Counter,
    /// Requests that could not be written.
    pub(crate) failed: Counter,
    /// Rows that were written or removed.
    pub(crate) rows: Counter,
    /// Events of scored requests.
    pub(crate) scored_events: Counter,
    /// Events of scored requests that were not counted.
    pub(crate) lost_events: Counter,
    /// Bytes of rows.
    pub(crate) bytes: Counter,
    /// Commits, each of many requests.
    pub(crate) commits: Counter,
    /// What they took, in ns.
    pub(crate) commit_ns: Counter,
    /// Logs that were merged into their tables' files.
    pub(crate) merges: Counter,
    /// How long the logs are, in bytes.
    pub(crate) log_bytes: Counter,
}

impl WriteCounters {
    /// A commit took so long.
    pub(super) fn committed(&self, took: Duration) {
        self.commits.add(1);
        self.commit_ns.add(took.as_nanos() as u64);
    }

    /// This became of a request of so many rows.
    pub(super) fn count(&self, committed: Committed, rows: u32, bytes: usize) {
        match committed {
            Committed::Written => {
                self.written.add(1);
                self.rows.add(rows.into());
                self.bytes.add(bytes as u64);
            }
            Committed::Repeated => self.repeated.add(1),
            Committed::OtherRequest | Committed::TooLarge => self.refused.add(1),
            // It is made anew.
            Committed::OtherColumns => {}
        }
    }
}
