//! A shard in virtual time, to hold batching policies against each other on the same requests.
//!
//! [`shard`] is the one thread that reads, decides, fetches, computes and writes; [`trace`] says
//! when requests arrive; [`costs`] draws what work takes from `costs.csv`; and [`compare`] runs the
//! adaptive policy and every fixed window through the same case.
//!
//! All times in `costs.csv` were recorded: the models' by `cargo run --release -p bench -- record`,
//! and those of two clusters by `… record --cluster`, as `bench/runs/2026-11-27-…` says:
//! `near`, which has time to spare, and `cassandra`, one node on one core, which is its own
//! bottleneck.
//!
//! What is *not* here: the policy, its estimates, or any clock. A run depends on its seed alone.

pub(crate) mod costs;
pub(crate) mod shard;
pub(crate) mod trace;

use std::ops::Range;

use shards::batch::{BatchPolicy, Window, decide};

use self::costs::{Costs, Recorded};
use self::shard::{Outcome, Source};
use self::trace::Trace;

/// The windows to beat, in µs.
pub(crate) const WINDOWS_US: [u64; 9] = [0, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/// The load levels, as shares of what the shard can do in full batches.
pub(crate) const LOADS: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.85, 1.3];
/// The clients of a closed loop at load 1.
const CLIENTS: f64 = 200.0;
/// What counts as not worse: the differences that the seeds leave.
const NOT_WORSE: f64 = 0.005;

/// The set-ups to compare on.
pub(crate) fn set_ups() -> [Costs; 5] {
    let csv = include_str!("costs.csv");
    let recorded = |kind| Recorded::of(kind, csv);
    // Reading and writing as `bench floor` does: 70,000 requests a second and core.
    let embedded = Costs {
        name: "trees, embedded",
        read_ns: 8_000,
        write_ns: 6_000,
        submit_ns: (1_500, 700),
        compute: recorded("trees"),
        fetch: None,
        stall_ns: (0, 0),
    };
    let stored = |name, kind, model| Costs {
        name,
        submit_ns: (6_000, 1_000),
        compute: recorded(model),
        fetch: Some(recorded(kind)),
        stall_ns: (200_000_000, 1_000_000),
        ..embedded.clone()
    };
    let near = stored("trees, near", "near", "trees");
    let near_slow = stored("slow, near", "near", "slow");
    let one_node = stored("trees, one node", "cassandra", "trees");
    let one_node_slow = stored("slow, one node", "cassandra", "slow");
    [embedded, near, near_slow, one_node, one_node_slow]
}

/// One case: all policies on the same arrivals.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) adaptive: Outcome,
    /// By window in µs.
    pub(crate) fixed: Vec<(u64, Outcome)>,
}

/// Runs every policy once for each seed, with so many requests, and takes the means.
pub(crate) fn compare(
    costs: &Costs,
    trace: Trace,
    load: f64,
    seeds: Range<u64>,
    requests: usize,
) -> Comparison {
    let rate = load * costs.capacity(BatchPolicy::default().batch_rows_max);
    let mean = |policy: BatchPolicy| {
        let outcomes = seeds.clone().map(|seed| {
            let arrivals = trace.arrivals(rate, requests, seed);
            let source = match trace {
                Trace::Closed => Source::Closed { clients: (load * CLIENTS) as usize, requests },
                _ => Source::Open(&arrivals),
            };
            shard::run(costs, &source, seed, |now_ns, queue, load, known| {
                decide(now_ns, queue, load, known, &policy)
            })
        });
        Outcome::mean(&outcomes.collect::<Vec<_>>())
    };
    let adaptive = BatchPolicy { delay_us_max: 10_000, ..BatchPolicy::default() };
    let fixed = WINDOWS_US.map(|window_us| {
        let policy = BatchPolicy { window: Window::Fixed, delay_us_max: window_us, ..adaptive };
        (window_us, mean(policy))
    });
    Comparison { adaptive: mean(adaptive), fixed: fixed.to_vec() }
}

impl Comparison {
    /// How much better the best fixed window is in throughput or p99 among those that are not
    /// worse in the other, as a share, and that window in µs; 0 where there is none.
    pub(crate) fn beaten_by(&self) -> (f64, u64) {
        let mut beaten = (0.0, 0);
        for (window_us, fixed) in &self.fixed {
            let throughput = fixed.throughput / self.adaptive.throughput - 1.0;
            let p99 = 1.0 - fixed.p99_us / self.adaptive.p99_us;
            let better = throughput.max(p99);
            if throughput >= -NOT_WORSE && p99 >= -NOT_WORSE && better > beaten.0 {
                beaten = (better, *window_us);
            }
        }
        beaten
    }
}
