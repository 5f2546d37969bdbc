//! How much of its time a shard may spend on refusing.
//!
//! A refusal is cheap, yet it takes some 8 µs, most of them the kernel's. At several times the load
//! that a shard can bear, refusing everybody at once would take the time in which those who were let
//! in are answered ("receive livelock": Mogul and Ramakrishnan, "Eliminating receive livelock in an
//! interrupt-driven kernel", ACM Transactions on Computer Systems 15(3), 1997). So refusals have an
//! allowance: a share of the time (`max_refusal_percent`), and all the time that is idle. Where it is
//! spent, connections wait to be read. As many rows as leave the queue, so many are read, those first
//! that came last: of their requests most time is left, where the others' clients may have given up
//! (Maurer, "Fail at Scale", ACM Queue 13(8), 2015, calls it adaptive LIFO). First come, first served
//! would answer nobody in time once all wait for longer than they have. At each tick as many are read
//! as there is allowance for again, by turns those that came last and those that came first.
//!
//! What is *not* here: who is refused (`batch::admission`).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// The most that is saved up, in ns: so long may a burst be refused without a pause, as that of all who
/// are there when an overload begins.
const ALLOWANCE_NS_MAX: f64 = 100e6;
/// The most that is owed, in ns: an overload that is over is not to be paid for.
const DEBT_NS_MAX: f64 = 50e6;
/// What a refusal takes until it is known, in ns.
const REFUSAL_NS: f64 = 10e3;
/// How much of what is known of that one more refusal replaces, and so many times as much as it is
/// taken for at most: the thread may not have run meanwhile.
const REFUSAL_SHARE: f64 = 1.0 / 64.0;
const REFUSAL_FACTOR_MAX: f64 = 16.0;

/// Decides when a connection with something to read is read.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The share of the time that refusals, and looking at those who wait, may take where no time is
    /// idle. Some more goes unseen, to the kernel and the executor between two polls of a connection.
    time_share: f64,
    /// How long refusals may still take, in ns; below 0 by how much they took too long.
    allowance_ns: Cell<f64>,
    /// How long one takes, in ns.
    refusal_ns: Cell<f64>,
    /// The connections that wait, by number; some of them may have ended since.
    waiting: RefCell<VecDeque<u32>>,
}

impl Intake {
    /// One whose refusals may take so much of the time, in percent.
    pub(crate) fn new(percent_max: u32) -> Self {
        Self {
            time_share: f64::from(percent_max) / 100.0,
            // Where no tick ever earns anything, nobody is to wait for one.
            allowance_ns: Cell::new(f64::INFINITY),
            refusal_ns: Cell::new(REFUSAL_NS),
            waiting: RefCell::default(),
        }
    }

    /// Whether a connection may be read as soon as it has something to read.
    pub(crate) fn is_open(&self) -> bool {
        self.allowance_ns.get() > 0.0 && self.waiting.borrow().is_empty()
    }

    /// Whether anything was refused of late, so that what refusals take is worth measuring.
    pub(crate) fn is_watched(&self) -> bool {
        self.allowance_ns.get() < ALLOWANCE_NS_MAX
    }

    /// Has a connection wait for its turn.
    pub(crate) fn wait(&self, connection: u32) {
        self.waiting.borrow_mut().push_back(connection);
    }

    /// Of the connections that wait, the one that came last.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.waiting.borrow_mut().pop_back()
    }

    /// The one that came first.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.waiting.borrow_mut().pop_front()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// So many requests were refused, in so many ns where that was measured.
    pub(crate) fn charge(&self, refusals: u32, taken_ns: Option<u64>) {
        let (count, known_ns) = (f64::from(refusals.max(1)), self.refusal_ns.get());
        let taken_ns = taken_ns.map_or(count * known_ns, |taken_ns| taken_ns as f64);
        let found_ns = (taken_ns / count).min(REFUSAL_FACTOR_MAX * known_ns);
        self.refusal_ns.set(known_ns + REFUSAL_SHARE * (found_ns - known_ns));
        self.spend(taken_ns as u64);
    }

    /// So many ns went to refusals, or to looking at those who wait.
    pub(crate) fn spend(&self, taken_ns: u64) {
        let left_ns = self.allowance_ns.get() - taken_ns as f64;
        self.allowance_ns.set(left_ns.max(-DEBT_NS_MAX));
    }

    /// So much time has passed, and the shard was busy for so much, some of which may have passed
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
    use super::{ALLOWANCE_NS_MAX, Intake};

    const TICK_NS: u64 = 10_000_000;

    fn ticking_with(percent_max: u32) -> Intake {
        let intake = Intake::new(percent_max);
        intake.earn(0, 0);
        intake
    }

    fn ticking() -> Intake {
        ticking_with(10)
    }

    fn spent() -> Intake {
        let intake = ticking();
        intake.charge(5_000, Some(ALLOWANCE_NS_MAX as u64));
        intake
    }

    #[test]
    fn a_burst_is_refused_at_once() {
        let intake = ticking();
        assert!(intake.is_open() && !intake.is_watched());
        intake.charge(1_000, None);
        assert!(intake.is_open() && intake.is_watched());
        assert!(!spent().is_open());
        assert_eq!(spent().affordable(), 0);
    }

    #[test]
    fn a_busy_shard_refuses_for_a_share_of_its_time_and_an_idle_one_for_all_of_it() {
        let intake = spent();
        for _ in 0..100 {
            intake.earn(TICK_NS, TICK_NS);
            let affordable = intake.affordable();
            assert!((95..105).contains(&affordable), "{affordable} of 10 µs each in 10 ms");
            intake.charge(affordable as u32, None);
        }
        let idle = spent();
        idle.earn(TICK_NS, 0);
        assert!((1_000..1_200).contains(&idle.affordable()), "{}", idle.affordable());
    }

    #[test]
    fn what_was_busy_and_is_told_late_is_not_idle_in_the_end() {
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
    fn to_look_at_those_who_wait_is_paid_for() {
        let intake = spent();
        intake.earn(TICK_NS, TICK_NS);
        assert!(intake.is_open());
        intake.spend(TICK_NS / 10);
        assert!(!intake.is_open());
    }

    #[test]
    fn what_was_taken_too_much_is_waited_for() {
        let intake = spent();
        intake.charge(1, Some(3_000_000));
        for _ in 0..3 {
            assert_eq!(intake.affordable(), 0);
            intake.earn(TICK_NS, TICK_NS);
        }
        intake.earn(TICK_NS, TICK_NS);
        assert!(intake.is_open());
    }

    #[test]
    fn an_overload_that_is_over_is_soon_forgotten() {
        let intake = spent();
        intake.charge(1_000_000, Some(25_000_000_000));
        for _ in 0..6 {
            intake.earn(TICK_NS, 0);
        }
        assert!(intake.is_open());
    }

    #[test]
    fn nobody_waits_for_a_tick_that_never_comes() {
        let intake = Intake::new(10);
        intake.charge(1, Some(u64::MAX));
        assert!(intake.is_open());
    }

    #[test]
    fn nobody_waits_where_refusals_may_take_all_the_time() {
        let intake = ticking_with(100);
        for _ in 0..1_000 {
            intake.charge(1_000, Some(TICK_NS));
            assert!(intake.is_open());
            intake.earn(TICK_NS, TICK_NS);
        }
    }

    #[test]
    fn nobody_is_read_past_those_who_wait() {
        let intake = spent();
        for connection in [7, 3, 5] {
            intake.wait(connection);
        }
        intake.earn(1_000 * TICK_NS, 0);
        assert!(!intake.is_open(), "three came before");
        assert_eq!([intake.newest(), intake.oldest()], [Some(5), Some(7)]);
        assert_eq!([intake.newest(), intake.oldest()], [Some(3), None]);
        assert!(intake.is_open());
    }

    #[test]
    fn what_refusals_take_is_learnt() {
        let intake = ticking();
        for _ in 0..1_000 {
            intake.charge(2, Some(6_000));
            intake.earn(TICK_NS, TICK_NS);
        }
        let affordable = intake.affordable() as f64;
        assert!(
            (affordable - ALLOWANCE_NS_MAX / 3_000.0).abs() < 0.02 * affordable,
            "{affordable}"
        );
    }
}
