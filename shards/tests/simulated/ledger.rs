//! What was seen of a run.

use std::cell::{Cell, RefCell};

use shards::executor::simulated::now_ns;
use shards::shard::ShardShared;
use shards::telemetry::Counter;

use super::Played;

/// Faults beyond these say nothing more.
const BROKEN_MAX: usize = 5;

/// Everything that a run's tasks tell.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Requests whose last byte is on its way and that have no answer.
    pub(crate) outstanding: Cell<u64>,
    /// Requests sent, and answers that came.
    pub(crate) asked: Cell<u64>,
    answers: Cell<u64>,
    /// Requests that were not wholly sent: they may be refused.
    pub(crate) cut_short: Cell<u64>,
    /// When the shard was told to stop, in ns.
    pub(crate) stop_ns: Cell<Option<u64>>,
    digest: Cell<u64>,
    broken: RefCell<Vec<String>>,
}

impl Ledger {
    /// Notes that something does not hold.
    pub(crate) fn break_rule(&self, what: String) {
        let mut broken = self.broken.borrow_mut();
        if broken.len() < BROKEN_MAX {
            broken.push(what);
        }
    }

    /// Notes an answer.
    pub(crate) fn answered(&self, bytes: &[u8]) {
        self.answers.update(|answers| answers + 1);
        let time = now_ns().to_le_bytes();
        let digest = time.iter().chain(bytes).fold(self.digest.get(), |digest, byte| {
            (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
        self.digest.set(digest);
    }

    /// Whether the shard had been told to stop by `time_ns`.
    pub(crate) fn stops_by(&self, time_ns: u64) -> bool {
        self.stop_ns.get().is_some_and(|stop_ns| stop_ns <= time_ns)
    }

    /// Holds the shard's counters, after its end, against what clients saw.
    pub(crate) fn check_counters(&self, shared: &ShardShared) {
        let counters = &shared.telemetry.counters;
        let responses: u64 = counters.responses.iter().map(Counter::get).sum();
        let most = self.asked.get() + self.cut_short.get();
        if responses < self.answers.get() || responses > most {
            let (asked, answers) = (self.asked.get(), self.answers.get());
            self.break_rule(format!("{asked} asked, {answers} answered, {responses} counted"));
        }
        if counters.connections_open.get() != 0 || counters.buffered_bytes.get() != 0 {
            let (open, bytes) = (counters.connections_open.get(), counters.buffered_bytes.get());
            self.break_rule(format!("{open} connections and {bytes} bytes are left"));
        }
        for lane in shared.telemetry.lanes() {
            let (rows, panicked) =
                (lane.counters.queue_rows.get(), lane.counters.batches_panicked.get());
            if rows != 0 || panicked != 0 {
                self.break_rule(format!("{rows} rows are left, {panicked} batches panicked"));
            }
        }
    }

    pub(crate) fn played(&self, turns: u64) -> Played {
        Played {
            turns,
            answers: self.answers.get(),
            digest: self.digest.get(),
            broken: self.broken.borrow().clone(),
        }
    }
}
