//! How long the oldest row of a queue is worth holding back: the adaptive window, a pure function
//! like [`decide`](super::decide()), which bounds it.

use super::{BatchPolicy, Estimates, Load, QueueView};

/// What a batch costs the shard itself, in ns, beside what it is seen to wait for: some µs to take
/// it, to send its statements and to begin its computation.
const BATCH_NS: f64 = 8_000.0;
/// After so many times the usual time from one row to the next nobody else is waited for.
const SILENT_GAPS: f64 = 6.0;
/// The mean errors of the expectation that a 99th percentile lies above it.
const LATE_ERRORS: f64 = 4.0;

/// How long the oldest row is worth holding back, in ns.
///
/// A batch of its own delays everything else in flight a little (`delay`): by what the others' fetches
/// were seen to take longer, and by the shard's own work for it. It also counts toward the
/// concurrency limit: what one more costs the others grows as one over the share that is still free.
///
/// So there is a spacing `s` at which evenly spaced batches are answered soonest: there are
/// `fetch / s` in flight, each takes `fixed + s / gap · per_row + (fetch / s - 1) · delay`, and `s`
/// plus that is least at `delay + √(delay (share · delay + fixed - delay) / (1 + share))`, `share`
/// being `per_row / gap`. The first row of a batch comes a `gap` after the last batch was closed:
/// it waits for the rest of the spacing, and not at all where rows come more slowly than that.
///
/// That is so where what is asked has time to spare. The less it has, the more one more batch delays
/// the others: in a queue with a load of `ρ`, where one waits by `1 / (1 - ρ)`, by the square of that
/// (its derivative), and the spacing grows as much.
///
/// And after a silence that is long for this load nobody is waited for: it was a burst, and it is over.
pub(super) fn adaptive_ns(
    now_ns: u64,
    queue: QueueView,
    load: Load,
    known: &Estimates,
    policy: &BatchPolicy,
) -> u64 {
    let gap_ns = usual_gap_ns(now_ns, load, known).max(1.0);
    let others = load.batches_in_flight;
    let window_ns = (spacing_ns(gap_ns, others, known, policy) - gap_ns).max(0.0);
    // As the gap was then: one that grows with the silence puts its end off again and again.
    let last_ns = known.arrivals.last_ns();
    let silent_from_ns = SILENT_GAPS.mul_add(usual_gap_ns(last_ns, load, known), last_ns as f64);
    let silent_ns = silent_from_ns - queue.oldest_ns as f64;
    let target_ns = policy.target_p99_us.map_or(f64::MAX, |target| {
        let compute_ns = known.compute.predict_ns(queue.rows, 0) as f64;
        let late_ns = LATE_ERRORS * known.fetch.error_ns() as f64;
        let fetch_ns = known.fetch.predict_ns(queue.rows, others) as f64;
        (target as f64).mul_add(1_000.0, -fetch_ns - compute_ns - late_ns)
    });
    window_ns.min(silent_ns).min(target_ns) as u64
}

/// From one row to the next, in ns, as it was at a time: by what came of late, or since the oldest
/// batch was started.
fn usual_gap_ns(at_ns: u64, load: Load, known: &Estimates) -> f64 {
    known.arrivals.gap_ns(at_ns).min(load.gap_ns(at_ns))
}

/// From one batch to the next, in ns, where a row comes every `gap_ns`.
fn spacing_ns(gap_ns: f64, others: usize, known: &Estimates, policy: &BatchPolicy) -> f64 {
    let limit = policy.batches_in_flight_max as f64;
    let own_ns = BATCH_NS + known.compute.fixed_ns();
    let delay_ns = (known.fetch.per_other_ns() + own_ns) * limit / (limit - others as f64);
    let share = known.fetch.per_row_ns() / gap_ns;
    let rest_ns = (known.fetch.predict_ns(1, 0) as f64 - delay_ns).max(0.0);
    let over_ns = (delay_ns * share.mul_add(delay_ns, rest_ns) / (1.0 + share)).sqrt();
    (delay_ns + over_ns) / known.fetch.free_share().powi(2)
}

#[cfg(test)]
mod tests {
    use super::usual_gap_ns;
    use crate::batch::{
        Arrivals, BatchPolicy, Decision, Estimates, Load, QueueView, Window, decide,
    };

    /// A lane that fetches for 500 µs, where each other batch adds 50 µs, with a row every 10 µs.
    fn busy() -> Estimates {
        let mut known = roomy();
        for batch in 0..1_000_usize {
            let (rows, others) = (1 + batch % 7, batch / 7 % 5);
            known.fetch.observe(rows, others, (500_000 + 2_000 * rows + 50_000 * others) as u64);
            known.compute.observe(rows, 0, 1_000);
            known.arrivals.observe(1, batch as u64 * 10_000);
        }
        known
    }

    /// A lane that has learnt nothing but that all that may be in flight are worth it.
    fn roomy() -> Estimates {
        let mut known = Estimates::default();
        for _ in 0..1_000 {
            known.contention.observe(1, 63, 0.0, 500_000);
        }
        known
    }

    /// A load of so many batches in flight, with nothing else known of them.
    fn under_way(batches_in_flight: usize) -> Load {
        Load { batches_in_flight, ..Load::default() }
    }

    /// How long a row that has just come is held back, in ns, while others come as they did.
    fn window_ns(start_ns: u64, mut load: Load, known: &Estimates, policy: &BatchPolicy) -> u64 {
        let (mut known, mut now_ns) = (*known, start_ns);
        let queue = QueueView { rows: 1, oldest_ns: start_ns };
        let gap_ns = usual_gap_ns(now_ns, load, &known) as u64;
        while let Decision::WaitUntil { time_ns } = decide(now_ns, queue, load, &known, policy) {
            if time_ns <= now_ns.saturating_add(gap_ns) {
                return time_ns - start_ns;
            }
            now_ns += gap_ns;
            known.arrivals.observe(1, now_ns);
            load.rows_since += usize::from(load.rows_since > 0);
        }
        now_ns - start_ns
    }

    #[test]
    fn the_adaptive_window_keeps_to_the_same_bounds_and_only_shortens_the_wait() {
        let now_ns = 10_000_000;
        let adaptive = BatchPolicy::default();
        let fixed = BatchPolicy { window: Window::Fixed, ..adaptive };
        for known in [roomy(), busy()] {
            for (rows, batches_in_flight) in
                (0..70).flat_map(|rows| (0..10).map(move |count| (rows, count)))
            {
                for age_ns in [0, 50_000, 400_000, 2_000_000] {
                    for (oldest_ns, rows_since) in
                        [(0, 0), (now_ns, 0), (now_ns, 1), (now_ns, 2), (now_ns - 1_000_000, 90)]
                    {
                        let queue = QueueView { rows, oldest_ns: now_ns - age_ns };
                        let load =
                            Load { batches_in_flight, oldest_ns, rows_since, ..Load::default() };
                        let [adaptive, fixed] =
                            [adaptive, fixed].map(|it| decide(now_ns, queue, load, &known, &it));
                        check_shortened(now_ns, rows, adaptive, fixed);
                    }
                }
            }
        }
    }

    fn check_shortened(now_ns: u64, rows: usize, adaptive: Decision, fixed: Decision) {
        match (adaptive, fixed) {
            (Decision::WaitUntil { time_ns: sooner }, Decision::WaitUntil { time_ns: later }) => {
                assert!(now_ns < sooner && sooner <= later);
            }
            (Decision::Run { rows: taken }, Decision::WaitUntil { .. }) => assert_eq!(taken, rows),
            (adaptive, fixed) => assert_eq!(adaptive, fixed),
        }
    }

    #[test]
    fn a_window_grows_as_the_places_for_batches_are_taken() {
        let (known, policy) = (busy(), BatchPolicy::default());
        let windows: Vec<u64> = (1..policy.batches_in_flight_max)
            .map(|count| window_ns(9_990_000, under_way(count), &known, &policy))
            .collect();
        assert!(windows.is_sorted_by(|fewer, more| fewer < more), "{windows:?}");
        let roomy = BatchPolicy { batches_in_flight_max: 16, ..policy };
        let roomy_ns = window_ns(9_990_000, under_way(7), &known, &roomy);
        assert!(roomy_ns < windows[6], "{roomy_ns} {windows:?}");
    }

    #[test]
    fn rows_that_come_more_slowly_than_batches_are_best_spaced_are_not_held_back() {
        let policy = BatchPolicy { delay_us_max: 10_000, ..BatchPolicy::default() };
        let window = |gap_ns: u64| {
            let mut known = busy();
            known.arrivals = Arrivals::default();
            for row in 0..10_000 {
                known.arrivals.observe(1, row * gap_ns);
            }
            window_ns(9_999 * gap_ns, under_way(2), &known, &policy)
        };
        let gaps_ns = [20_000, 80_000, 160_000];
        let windows = gaps_ns.map(window);
        assert!(windows[0] > 100_000, "{windows:?}");
        assert!(windows.is_sorted_by(|fast, slow| fast > slow), "{windows:?}");
        assert_eq!(window(400_000), 0);
    }

    #[test]
    fn a_load_that_has_only_just_begun_is_told_by_what_came_since_the_oldest_batch() {
        let (mut known, policy) = (busy(), BatchPolicy::default());
        known.arrivals = Arrivals::default();
        let oldest_ns = 1_000_000_000;
        let window_ns = |rows_since, age_ns| {
            let load = Load { oldest_ns, rows_since, ..under_way(2) };
            let mut known = known;
            known.arrivals.observe(rows_since, oldest_ns + age_ns);
            window_ns(oldest_ns + age_ns, load, &known, &policy)
        };
        // The first after it says nothing of the next.
        assert_eq!(window_ns(1, 10_000), 0);
        assert!(window_ns(5, 50_000) > 100_000);
        assert!(window_ns(5, 50_000) > window_ns(5, 200_000));
        assert_eq!(window_ns(5, 10_000_000), 0);
    }

    #[test]
    fn a_batch_waits_where_the_next_row_is_near_and_its_own_batch_would_be_dear() {
        let (known, policy) = (busy(), BatchPolicy::default());
        let now_ns = 9_990_000;
        let load = under_way(3);
        let fresh = QueueView { rows: 1, oldest_ns: now_ns };
        let waits = decide(now_ns, fresh, load, &known, &policy);
        assert!(matches!(waits, Decision::WaitUntil { .. }), "the next row is 10 µs away");
        let held_ns = window_ns(now_ns, load, &known, &policy);
        let decide_after = |age_ns| {
            let queue = QueueView { rows: 8, oldest_ns: now_ns - age_ns };
            decide(now_ns, queue, load, &known, &policy)
        };
        assert_eq!(decide_after(held_ns), Decision::Run { rows: 8 });
        assert_eq!(decide_after(held_ns - 5_000), Decision::WaitUntil { time_ns: now_ns + 5_000 });
        // A second of silence: nobody is to be waited for.
        let now_ns = now_ns + 1_000_000_000;
        let fresh = QueueView { rows: 1, oldest_ns: now_ns };
        let one = under_way(1);
        assert_eq!(decide(now_ns, fresh, one, &known, &policy), Decision::Run { rows: 1 });
    }

    #[test]
    fn a_burst_that_is_over_is_not_waited_for() {
        let (known, policy) = (busy(), BatchPolicy::default());
        let last_ns = known.arrivals.last_ns();
        let queue = QueueView { rows: 30, oldest_ns: last_ns - 5_000 };
        let decide = |now_ns| decide(now_ns, queue, under_way(1), &known, &policy);
        let Decision::WaitUntil { time_ns } = decide(last_ns + 20_000) else {
            panic!("more may come");
        };
        assert!((50_000..70_000).contains(&(time_ns - last_ns)), "{} ns", time_ns - last_ns);
        assert_eq!(decide(time_ns), Decision::Run { rows: 30 }, "it is not put off");
    }

    #[test]
    fn a_target_leaves_only_the_time_that_the_work_does_not_need() {
        let known = busy();
        let now_ns = 9_990_000;
        let load = under_way(1);
        let window_ns = |target_p99_us| {
            let policy = BatchPolicy { target_p99_us, ..BatchPolicy::default() };
            window_ns(now_ns, load, &known, &policy)
        };
        assert_eq!(window_ns(Some(500)), 0, "the fetch alone takes longer");
        let tight_ns = window_ns(Some(600));
        assert!(0 < tight_ns && tight_ns < window_ns(None), "{tight_ns}");
        assert_eq!(window_ns(Some(10_000)), window_ns(None));
    }
}
