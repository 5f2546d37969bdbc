//! Where requests are batched by what the lane has learnt, no fixed window does better.

mod simulation;

use simulation::trace::Trace;
use simulation::{LOADS, compare, set_ups};

#[test]
fn no_fixed_window_is_better_on_any_trace_at_any_load() {
    const BETTER_MAX: f64 = 0.05;
    let mut beaten = Vec::new();
    for costs in set_ups() {
        for (trace, load) in Trace::ALL.iter().flat_map(|trace| LOADS.map(|load| (*trace, load))) {
            let compared = compare(&costs, trace, load, 6, 50_000);
            let (better, window_us) = compared.beaten_by();
            if better > BETTER_MAX {
                let (name, trace) = (costs.name, trace.name());
                beaten.push(format!(
                    "{name}, {trace} at {load}: {window_us} µs is {better:.3} better than {:?}",
                    compared.adaptive
                ));
            }
        }
    }
    assert!(beaten.is_empty(), "{}", beaten.join("\n"));
}

#[test]
fn a_run_depends_on_its_seed_alone() {
    let [_, cql, _] = set_ups();
    let run = || compare(&cql, Trace::Poisson, 0.5, 1, 5_000);
    assert_eq!(run(), run());
}
