//! Whatever the trace and the load, the window that a lane chooses by itself is close to the fixed
//! one that somebody who knew both would have chosen.

mod random;
mod simulation;

use simulation::trace::Trace;
use simulation::{LOADS, compare, set_ups};

/// How much better a fixed window may be in throughput or p99, being not worse in the other.
///
/// With other seeds one case stays between 5 and 9 %: a closed loop that takes all of the shard's
/// time. Windows of up to 500 µs do as the adaptive one does there; those of 1 ms and more always
/// wait for the cap, and equal batches even out the times. Nobody is answered sooner in the mean,
/// as clients that wait and throughput settle that between them, so no cost that is learnt tells
/// of it; only to know that each answer brings its client back would.
const BETTER_MAX: f64 = 0.1;
/// What is hardly better, and the share of all cases in which one may be more than that.
const HARDLY_BETTER: f64 = 0.05;
const CASES_SHARE_MAX: f64 = 0.04;

#[test]
fn no_fixed_window_is_much_better_anywhere_nor_a_little_often() {
    let mut beaten = Vec::new();
    let mut cases = 0;
    for costs in set_ups() {
        for (trace, load) in Trace::ALL.iter().flat_map(|trace| LOADS.map(|load| (*trace, load))) {
            let compared = compare(&costs, trace, load, 0..6, 50_000);
            let (better, window_us) = compared.beaten_by();
            let (name, trace) = (costs.name, trace.name());
            let case = format!("{name}, {trace} at {load}: {window_us} µs is {better:.3} better");
            assert!(better <= BETTER_MAX, "{case} than {:?}", compared.adaptive);
            if better > HARDLY_BETTER {
                beaten.push(case);
            }
            cases += 1;
        }
    }
    assert!(beaten.len() as f64 <= CASES_SHARE_MAX * f64::from(cases), "{}", beaten.join("\n"));
}

#[test]
fn a_run_depends_on_its_seed_alone() {
    let [_, cql, _] = set_ups();
    let run = || compare(&cql, Trace::Poisson, 0.5, 0..1, 5_000);
    assert_eq!(run(), run());
}
