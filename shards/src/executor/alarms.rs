//! [`Alarms`]: timers that wake an executor within milliseconds when it sleeps on its tasks.

use std::time::{Duration, Instant};

use glommio::timer::Timer;

/// When the timers fire, from when they were last put off. There are several, ever further away,
/// as the round that one of them starts may be slept through again.
const DELAYS: [Duration; 4] = [
    Duration::from_millis(2),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
];

/// The timers of one task, put off as long as it is being run.
#[derive(Debug)]
pub(crate) struct Alarms {
    put_off: Option<Instant>,
    pending: Vec<Timer>,
}

impl Alarms {
    pub(crate) fn new() -> Self {
        Self { put_off: None, pending: Vec::with_capacity(DELAYS.len()) }
    }

    /// To be called each time the task runs: puts the timers off, at most once a millisecond.
    pub(crate) async fn put_off(&mut self) {
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
