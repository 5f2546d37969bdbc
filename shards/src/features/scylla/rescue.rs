//! Timers that wake an executor which went to sleep although it had something to run.
//!
//! glommio 0.9 does so when its preemption timer expires after it polled for I/O and before it ran
//! its first task queue, as happens on a machine with more to do than cores: it takes "ran nothing"
//! for "has nothing to run", and sleeps until the next timer or I/O. A timer that is pending then
//! ends that sleep. The one that fires may lead there again, so there are several, ever further
//! away; all are put off as long as their owner is being run.

use std::time::{Duration, Instant};

use glommio::timer::Timer;

/// When the timers fire, from when they were last put off.
const DELAYS: [Duration; 4] = [
    Duration::from_millis(2),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
];

/// The timers of one task.
#[derive(Debug)]
pub(super) struct Rescue {
    put_off: Option<Instant>,
    pending: Vec<Timer>,
}

impl Rescue {
    pub(super) fn new() -> Self {
        Self { put_off: None, pending: Vec::with_capacity(DELAYS.len()) }
    }

    /// To be called each time the task runs: puts the timers off, at most once a millisecond.
    pub(super) async fn put_off(&mut self) {
        let recent = |at: Instant| at.elapsed() < DELAYS[0] / 2;
        if self.put_off.is_some_and(recent) {
            return;
        }
        self.put_off = Some(Instant::now());
        self.pending.clear();
        for delay in DELAYS {
            let mut timer = Timer::new(delay);
            // Polling registers it with the executor, to wake the calling task.
            futures_lite::future::poll_once(&mut timer).await;
            self.pending.push(timer);
        }
    }
}
