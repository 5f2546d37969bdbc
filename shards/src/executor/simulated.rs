//! An executor in virtual time: one thread, no ring, and a seed that decides everything.
//!
//! While [`Simulation::run`] polls a future, this crate's `runtime` asks the simulation instead of
//! glommio. Which ready task runs next, what a turn of it takes, how late a timer fires and when the
//! whole thread stalls are drawn from the seed, so that a run can be repeated to the byte.
//!
//! What is *not* here: clients, stores and what must hold of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use slab::Slab;

use crate::crossing::Crossing;

/// The time of day at the start of every simulation, in s since 1970.
const START_S: u64 = 1_800_000_000;
/// How late a timer fires at most, in ns.
const LATE_NS_MAX: u64 = 60_000;
/// What a look at the clock takes, in ns.
const LOOK_NS: u64 = 25;

thread_local! {
    /// Whether [`CURRENT`] has one: all that a thread without a simulation looks at.
    static RUNS: Cell<bool> = const { Cell::new(false) };
    static CURRENT: RefCell<Option<Rc<Scheduler>>> = const { RefCell::new(None) };
}

/// The simulation that runs on this thread.
pub(super) fn current() -> Option<Rc<Scheduler>> {
    if RUNS.get() { CURRENT.with_borrow(Clone::clone) } else { None }
}

/// How long what a simulated thread does takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// One turn of a task, in ns.
    pub turn_ns: Range<u64>,
    /// One in so many turns is followed by a stall of the whole thread; 0 for none.
    pub stall_every: u64,
    /// How long a stall is, in ns.
    pub stall_ns: Range<u64>,
}

/// Numbers drawn from a seed (`SplitMix64`).
#[derive(Debug)]
struct Draws(Cell<u64>);

impl Draws {
    /// A number below `bound`; 0 for a bound of 0.
    fn below(&self, bound: u64) -> u64 {
        let mut word = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(word);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(word ^ (word >> 31)) * u128::from(bound)) >> 64) as u64
    }

    fn within(&self, range: &Range<u64>) -> u64 {
        range.start + self.below(range.end.saturating_sub(range.start))
    }
}

/// A task's future, or its place while it is polled.
struct Entry {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Arc<TaskWaker>,
    is_ended: bool,
}

/// Puts its task among those that are ready, once.
struct TaskWaker {
    key: usize,
    is_ready: AtomicBool,
    ready: Arc<Crossing<Vec<Arc<TaskWaker>>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            let mut ready = self.ready.lock();
            ready.push(Arc::clone(&self));
        }
    }
}

/// What tasks of a simulation share: the clock, and who is ready or waits for it.
pub struct Scheduler {
    draws: Draws,
    pace: Pace,
    now_ns: Cell<u64>,
    /// How far the time of day was set forward or back, in µs.
    wall_us: Cell<i64>,
    busy_ns: Cell<u64>,
    turns: Cell<u64>,
    origin: Instant,
    tasks: RefCell<Slab<Entry>>,
    ready: Arc<Crossing<Vec<Arc<TaskWaker>>>>,
    /// By the time that they fire at, and a number of their own.
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    timers_made: Cell<u64>,
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut formatter = formatter.debug_struct("Scheduler");
        formatter.field("now_ns", &self.now_ns).field("turns", &self.turns).finish_non_exhaustive()
    }
}

/// Nothing is ready and nobody waits for the clock: what is awaited never comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("after {turns} turns, at {now_ns} ns, {tasks} tasks wait and nothing will wake one")]
pub struct Deadlock {
    /// How many turns tasks had until then.
    pub turns: u64,
    /// The virtual time, in ns since the start.
    pub now_ns: u64,
    /// How many tasks wait.
    pub tasks: usize,
}

/// A thread in virtual time.
#[derive(Debug)]
pub struct Simulation {
    scheduler: Rc<Scheduler>,
}

/// The simulation ends on this thread however [`Simulation::run`] does.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        RUNS.set(false);
        CURRENT.set(None);
    }
}

impl Simulation {
    /// A thread on which everything is as `seed` draws it.
    #[must_use]
    pub fn new(seed: u64, pace: Pace) -> Self {
        let scheduler = Scheduler {
            draws: Draws(Cell::new(seed)),
            pace,
            now_ns: Cell::new(0),
            wall_us: Cell::new(0),
            busy_ns: Cell::new(0),
            turns: Cell::new(0),
            origin: Instant::now(),
            tasks: RefCell::default(),
            ready: Arc::default(),
            timers: RefCell::default(),
            timers_made: Cell::new(0),
        };
        Self { scheduler: Rc::new(scheduler) }
    }

    /// Polls `future`, and what it spawns, until it ends; then drops all that still waits.
    ///
    /// # Errors
    /// Nothing can go on before it ends.
    pub fn run<T: 'static>(
        &self,
        future: impl Future<Output = T> + 'static,
    ) -> Result<T, Deadlock> {
        CURRENT.set(Some(Rc::clone(&self.scheduler)));
        RUNS.set(true);
        let _running = Running;
        let result = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&result);
        let main = self.scheduler.spawn(async move {
            let value = future.await;
            slot.replace(Some(value));
        });
        let ended = loop {
            if let Some(value) = result.take() {
                break Ok(value);
            }
            if let Err(deadlock) = self.scheduler.turn() {
                break Err(deadlock);
            }
        };
        drop(main);
        self.scheduler.end_all();
        ended
    }

    /// How many turns tasks have had.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.scheduler.turns.get()
    }
}

/// Runs `future` beside what awaits it, on this thread's simulation.
///
/// # Panics
/// None runs.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    current().expect("a simulation runs").spawn(future).detach();
}

/// The virtual time since the start, in ns.
///
/// # Panics
/// None runs.
#[must_use]
pub fn now_ns() -> u64 {
    current().expect("a simulation runs").now_ns.get()
}

/// A number below `bound` that the seed draws.
///
/// # Panics
/// No simulation runs.
#[must_use]
pub fn below(bound: u64) -> u64 {
    current().expect("a simulation runs").draws.below(bound)
}

/// Sets the time of day forward, or back.
///
/// # Panics
/// None runs.
pub fn set_wall_forward(by_us: i64) {
    let simulation = current().expect("a simulation runs");
    simulation.wall_us.update(|us| us + by_us);
}

impl Scheduler {
    pub(super) fn spawn(
        self: &Rc<Self>,
        future: impl Future<Output = ()> + 'static,
    ) -> SimulatedTask {
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let key = entry.key();
        let (is_ready, ready) = (AtomicBool::new(false), Arc::clone(&self.ready));
        let waker = Arc::new(TaskWaker { key, is_ready, ready });
        let told = Arc::clone(&waker);
        entry.insert(Entry { future: Some(Box::pin(future)), waker, is_ended: false });
        drop(tasks);
        Arc::clone(&told).wake();
        SimulatedTask { scheduler: Rc::downgrade(self), waker: Some(told) }
    }

    pub(super) fn sleep(self: &Rc<Self>, duration: Duration) -> SimulatedSleep {
        let number = self.timers_made.replace(self.timers_made.get() + 1);
        let late_ns = self.draws.below(LATE_NS_MAX);
        let wait_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let due_ns = self.now_ns.get().saturating_add(wait_ns).saturating_add(late_ns);
        SimulatedSleep { scheduler: Rc::downgrade(self), due: (due_ns, number) }
    }

    pub(super) fn now(&self) -> Instant {
        self.origin + Duration::from_nanos(self.now_ns())
    }

    /// The same since the simulation began, in ns.
    pub(super) fn now_ns(&self) -> u64 {
        self.now_ns.update(|now_ns| now_ns + LOOK_NS);
        self.now_ns.get()
    }

    pub(super) fn wall(&self) -> SystemTime {
        let us = (START_S * 1_000_000 + self.now_ns.get() / 1_000).cast_signed();
        let us = us.saturating_add(self.wall_us.get()).max(0).cast_unsigned();
        UNIX_EPOCH + Duration::from_micros(us)
    }

    pub(super) fn take_busy_time(&self) -> Duration {
        Duration::from_nanos(self.busy_ns.take())
    }

    /// Lets one task run that is ready, once the clock is where one is.
    fn turn(&self) -> Result<(), Deadlock> {
        self.fire();
        let Some(waker) = self.next_ready() else {
            let Some((due_ns, _)) = self.timers.borrow().keys().next().copied() else {
                let (turns, now_ns) = (self.turns.get(), self.now_ns.get());
                return Err(Deadlock { turns, now_ns, tasks: self.tasks.borrow().len() });
            };
            self.now_ns.set(self.now_ns.get().max(due_ns));
            return Ok(());
        };
        self.turns.update(|turns| turns + 1);
        let start_ns = self.now_ns.get();
        self.poll(&waker);
        let turn_ns = self.draws.within(&self.pace.turn_ns);
        let stalls = self.pace.stall_every > 0 && self.draws.below(self.pace.stall_every) == 0;
        let stall_ns = if stalls { self.draws.within(&self.pace.stall_ns) } else { 0 };
        self.now_ns.update(|now_ns| now_ns + turn_ns + stall_ns);
        self.busy_ns.update(|busy_ns| busy_ns + self.now_ns.get() - start_ns);
        Ok(())
    }

    /// Wakes those whose timers are due.
    fn fire(&self) {
        let now_ns = self.now_ns.get();
        loop {
            let mut timers = self.timers.borrow_mut();
            let Some(first) = timers.first_entry().filter(|first| first.key().0 <= now_ns) else {
                return;
            };
            let waker = first.remove();
            drop(timers);
            waker.wake();
        }
    }

    /// One of the tasks that are ready, as the seed draws it.
    fn next_ready(&self) -> Option<Arc<TaskWaker>> {
        let mut ready = self.ready.lock();
        if ready.is_empty() {
            return None;
        }
        let place = self.draws.below(ready.len() as u64) as usize;
        Some(ready.swap_remove(place))
    }

    fn poll(&self, waker: &Arc<TaskWaker>) {
        waker.is_ready.store(false, Ordering::Relaxed);
        let future = {
            let mut tasks = self.tasks.borrow_mut();
            let entry = tasks.get_mut(waker.key).filter(|entry| Arc::ptr_eq(&entry.waker, waker));
            entry.and_then(|entry| entry.future.take())
        };
        let Some(mut future) = future else { return };
        let told = Waker::from(Arc::clone(waker));
        let polled = future.as_mut().poll(&mut Context::from_waker(&told));
        let mut tasks = self.tasks.borrow_mut();
        let entry = &mut tasks[waker.key];
        if polled.is_pending() && !entry.is_ended {
            entry.future = Some(future);
            return;
        }
        tasks.remove(waker.key);
        drop(tasks);
        // It may hold tasks of its own, which end with it.
        drop(future);
    }

    /// Ends a task: at once, or after the turn that it has.
    fn end(&self, waker: &Arc<TaskWaker>) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(entry) = tasks.get_mut(waker.key) else { return };
        if !Arc::ptr_eq(&entry.waker, waker) {
            return;
        }
        match entry.future.take() {
            None => entry.is_ended = true,
            Some(future) => {
                tasks.remove(waker.key);
                drop(tasks);
                drop(future);
            }
        }
    }

    /// Ends all tasks.
    fn end_all(&self) {
        loop {
            let key = self.tasks.borrow().iter().next().map(|(key, _)| key);
            let Some(key) = key else { return };
            let entry = self.tasks.borrow_mut().remove(key);
            drop(entry);
        }
    }
}

/// A task of a simulation. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct SimulatedTask {
    scheduler: Weak<Scheduler>,
    /// None once it was let go.
    waker: Option<Arc<TaskWaker>>,
}

impl fmt::Debug for TaskWaker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TaskWaker").field("key", &self.key).finish_non_exhaustive()
    }
}

impl SimulatedTask {
    pub(super) fn detach(mut self) {
        self.waker = None;
    }
}

impl Drop for SimulatedTask {
    fn drop(&mut self) {
        if let (Some(waker), Some(scheduler)) = (&self.waker, self.scheduler.upgrade()) {
            scheduler.end(waker);
        }
    }
}

/// Waits for a simulation's clock.
#[derive(Debug)]
pub struct SimulatedSleep {
    scheduler: Weak<Scheduler>,
    /// When it is due, in ns, and the timer's number.
    due: (u64, u64),
}

impl Future for SimulatedSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(scheduler) = self.scheduler.upgrade() else { return Poll::Ready(()) };
        if scheduler.now_ns.get() >= self.due.0 {
            scheduler.timers.borrow_mut().remove(&self.due);
            return Poll::Ready(());
        }
        scheduler.timers.borrow_mut().insert(self.due, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for SimulatedSleep {
    fn drop(&mut self) {
        if let Some(scheduler) = self.scheduler.upgrade() {
            scheduler.timers.borrow_mut().remove(&self.due);
        }
    }
}
