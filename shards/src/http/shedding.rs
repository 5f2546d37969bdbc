//! Load shedding: how much of its time a shard spends on refusals.
//!
//! A refusal is cheap, yet it takes some 8 µs, most of them the kernel's. At several times the load
//! that a shard can bear, prompt refusals would take the time in which admitted requests are
//! answered. That is "receive livelock" (Mogul and Ramakrishnan, "Eliminating receive livelock in
//! an interrupt-driven kernel", ACM Transactions on Computer Systems 15(3), 1997).
//!
//! Refusals therefore have an allowance: a share of the time (`max_refusal_percent`), and all the
//! time that is idle. Once it is spent, connections wait to be read. Each row that leaves the queue
//! lets one of them be read, the newest first: its request has most time left, while the clients of
//! the others may have given up (adaptive LIFO: Maurer, "Fail at Scale", ACM Queue 13(8), 2015).
//! First come, first served would answer no request in time once all wait for too long. Each tick
//! also has as many read as the allowance affords, the newest and the oldest by turns.
//!
//! What is *not* here: which requests are refused (`batch::admission`).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// The most that is saved up, in ns. A burst, as at the beginning of an overload, may be refused
/// for so long without a pause.
const ALLOWANCE_NS_MAX: f64 = 100e6;
/// The most that is owed, in ns: a past overload is soon forgotten.
const DEBT_NS_MAX: f64 = 50e6;
/// How long a refusal takes until that is measured, in ns.
const REFUSAL_NS: f64 = 10e3;
/// The weight of one more refusal in the mean, and the most that it counts for, in means: the
/// thread may not have run meanwhile.
const REFUSAL_SHARE: f64 = 1.0 / 64.0;
const REFUSAL_FACTOR_MAX: f64 = 16.0;

/// Decides when a connection with something to read is read.
#[derive(Debug)]
pub(crate) struct LoadShedding {
    /// The share of the time that refusals and looks at waiting connections may take where no time
    /// is idle. Some more goes unseen, to the kernel and the executor between two polls of a
    /// connection.
    time_share: f64,
    /// How long refusals may still take, in ns; a debt is below 0.
    allowance_ns: Cell<f64>,
    /// How long one takes, in ns.
    refusal_ns: Cell<f64>,
    /// The connections that wait, by number; some of them may have ended since.
    waiting: RefCell<VecDeque<u32>>,
}

impl LoadShedding {
    /// One whose refusals may take `percent_max` of the time.
    pub(crate) fn new(percent_max: u32) -> Self {
        Self {
            time_share: f64::from(percent_max) / 100.0,
            // Where no tick ever earns anything, no connection waits for one.
            allowance_ns: Cell::new(f64::INFINITY),
            refusal_ns: Cell::new(REFUSAL_NS),
            waiting: RefCell::default(),
        }
    }

    /// Whether a connection may be read as soon as it has something to read.
    pub(crate) fn is_open(&self) -> bool {
        self.allowance_ns.get() > 0.0 && self.waiting.borrow().is_empty()
    }

    /// Whether anything was refused of late, so that refusals are worth measuring.
    pub(crate) fn is_watched(&self) -> bool {
        self.allowance_ns.get() < ALLOWANCE_NS_MAX
    }

    /// Has a connection wait for its turn.
    pub(crate) fn wait(&self, connection: u32) {
        self.waiting.borrow_mut().push_back(connection);
    }

    /// Takes the connection that came last of those that wait.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.waiting.borrow_mut().pop_back()
    }

    /// Takes the connection that came first of those that wait.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.waiting.borrow_mut().pop_front()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Charges for refusals, which took `taken_ns` where that was measured.
    pub(crate) fn charge(&self, refusals: u32, taken_ns: Option<u64>) {
        let (count, known_ns) = (f64::from(refusals.max(1)), self.refusal_ns.get());
        let taken_ns = taken_ns.map_or(count * known_ns, |taken_ns| taken_ns as f64);
        let found_ns = (taken_ns / count).min(REFUSAL_FACTOR_MAX * known_ns);
        self.refusal_ns.set(known_ns + REFUSAL_SHARE * (found_ns - known_ns));
        self.spend(taken_ns as u64);
    }

    /// Charges for time that went to refusals, or to looks at waiting connections.
    pub(crate) fn spend(&self, taken_ns: u64) {
        let left_ns = self.allowance_ns.get() - taken_ns as f64;
        self.allowance_ns.set(left_ns.max(-DEBT_NS_MAX));
    }

    /// Grants the allowance of the time that has passed. Some of the busy time may have passed
    /// before.
    pub(crate) fn earn(&self, passed_ns: u64, busy_ns: u64) {
        let idle_ns = passed_ns as f64 - busy_ns as f64;
        let earned_ns = self.time_share.mul_add(passed_ns as f64, idle_ns);
        self.allowance_ns.set((self.allowance_ns.get() + earned_ns).min(ALLOWANCE_NS_MAX));
    }

    /// How many refusals the allowance is enough for.
    pub(crate) fn affordable(&self) -> usize {
        (self.allowance_ns.get() / self.refusal_ns.get().max(1.0)).ceil() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::{ALLOWANCE_NS_MAX, LoadShedding};

    const TICK_NS: u64 = 10_000_000;

    fn ticking_with(percent_max: u32) -> LoadShedding {
        let shedding = LoadShedding::new(percent_max);
        shedding.earn(0, 0);
        shedding
    }

    fn ticking() -> LoadShedding {
        ticking_with(10)
    }

    fn spent() -> LoadShedding {
        let shedding = ticking();
        shedding.charge(5_000, Some(ALLOWANCE_NS_MAX as u64));
        shedding
    }

    #[test]
    fn a_burst_is_refused_at_once() {
        let shedding = ticking();
        assert!(shedding.is_open() && !shedding.is_watched());
        shedding.charge(1_000, None);
        assert!(shedding.is_open() && shedding.is_watched());
        assert!(!spent().is_open());
        assert_eq!(spent().affordable(), 0);
    }

    #[test]
    fn a_busy_shard_refuses_for_a_share_of_its_time_and_an_idle_one_for_all_of_it() {
        let shedding = spent();
        for _ in 0..100 {
            shedding.earn(TICK_NS, TICK_NS);
            let affordable = shedding.affordable();
            assert!((95..105).contains(&affordable), "{affordable} of 10 µs each in 10 ms");
            shedding.charge(affordable as u32, None);
        }
        let idle = spent();
        idle.earn(TICK_NS, 0);
        assert!((1_000..1_200).contains(&idle.affordable()), "{}", idle.affordable());
    }

    #[test]
    fn busy_time_that_is_told_late_is_not_idle_in_the_end() {
        let [prompt, late] = [spent(), spent()];
        for _ in 0..10 {
            prompt.earn(TICK_NS, TICK_NS);
            prompt.earn(TICK_NS, TICK_NS);
            late.earn(TICK_NS, TICK_NS - 1_000_000);
            late.earn(TICK_NS, TICK_NS + 1_000_000);
        }
        assert_eq!(late.affordable(), prompt.affordable());
    }

    #[test]
    fn looks_at_waiting_connections_are_paid_for() {
        let shedding = spent();
        shedding.earn(TICK_NS, TICK_NS);
        assert!(shedding.is_open());
        shedding.spend(TICK_NS / 10);
        assert!(!shedding.is_open());
    }

    #[test]
    fn a_debt_is_waited_for() {
        let shedding = spent();
        shedding.charge(1, Some(3_000_000));
        for _ in 0..3 {
            assert_eq!(shedding.affordable(), 0);
            shedding.earn(TICK_NS, TICK_NS);
        }
        shedding.earn(TICK_NS, TICK_NS);
        assert!(shedding.is_open());
    }

    #[test]
    fn an_overload_that_is_over_is_soon_forgotten() {
        let shedding = spent();
        shedding.charge(1_000_000, Some(25_000_000_000));
        for _ in 0..6 {
            shedding.earn(TICK_NS, 0);
        }
        assert!(shedding.is_open());
    }

    #[test]
    fn no_connection_waits_for_a_tick_that_never_comes() {
        let shedding = LoadShedding::new(10);
        shedding.charge(1, Some(u64::MAX));
        assert!(shedding.is_open());
    }

    #[test]
    fn no_connection_waits_where_refusals_may_take_all_the_time() {
        let shedding = ticking_with(100);
        for _ in 0..1_000 {
            shedding.charge(1_000, Some(TICK_NS));
            assert!(shedding.is_open());
            shedding.earn(TICK_NS, TICK_NS);
        }
    }

    #[test]
    fn no_connection_is_read_past_those_that_wait() {
        let shedding = spent();
        for connection in [7, 3, 5] {
            shedding.wait(connection);
        }
        shedding.earn(1_000 * TICK_NS, 0);
        assert!(!shedding.is_open(), "three came before");
        assert_eq!([shedding.newest(), shedding.oldest()], [Some(5), Some(7)]);
        assert_eq!([shedding.newest(), shedding.oldest()], [Some(3), None]);
        assert!(shedding.is_open());
    }

    #[test]
    fn the_time_of_refusals_is_learnt() {
        let shedding = ticking();
        for _ in 0..1_000 {
            shedding.charge(2, Some(6_000));
            shedding.earn(TICK_NS, TICK_NS);
        }
        let affordable = shedding.affordable() as f64;
        assert!(
            (affordable - ALLOWANCE_NS_MAX / 3_000.0).abs() < 0.02 * affordable,
            "{affordable}"
        );
    }
}
